# SPDX-License-Identifier: Apache-2.0
"""Reads a trace of Perfetto, by its public schema (protos/perfetto/trace): only what we write.

It checks what trace_processor relies on: every event has a described track, slices of a track nest
and end, and no field is unknown.
"""
import dataclasses
import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = varint(data, at)
        elif kind == BYTES:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a message is cut off"
        elif kind == FIXED64:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        else:
            assert kind == FIXED32, f"wire type {kind}"
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        yield tag >> 3, value


def message(data, names):
    """A dict of the fields, each a list; `names`: by number."""
    read = {}
    for number, value in fields(data):
        assert number in names, f"field {number} is not among {names}"
        read.setdefault(names[number], []).append(value)
    return read


PACKET = {6: "clock_snapshot", 8: "timestamp", 10: "sequence", 11: "track_event",
          13: "sequence_flags", 60: "track_descriptor"}
TRACK = {1: "uuid", 2: "name", 3: "process", 5: "parent", 8: "counter"}
PROCESS = {1: "pid", 6: "name"}
EVENT = {4: "annotation", 9: "type", 11: "track", 22: "category", 23: "name", 30: "counter"}
ANNOTATION = {3: "uint", 6: "string", 10: "name"}
SNAPSHOT, CLOCK = {1: "clock"}, {1: "id", 2: "timestamp"}
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


@dataclasses.dataclass
class Slice:
    track: int
    category: str
    name: str
    begin: int
    end: int = 0
    depth: int = 0
    facts: dict = dataclasses.field(default_factory=dict)
    parent: "Slice" = None


@dataclasses.dataclass
class Trace:
    processes: dict = dataclasses.field(default_factory=dict)  # by uuid: name
    tracks: dict = dataclasses.field(default_factory=dict)     # by uuid: (name, parent)
    slices: list = dataclasses.field(default_factory=list)
    instants: list = dataclasses.field(default_factory=list)
    counters: dict = dataclasses.field(default_factory=dict)   # by name: [(time, value)]
    clocks: dict = dataclasses.field(default_factory=dict)


def facts_of(event):
    facts = {}
    for each in event.get("annotation", []):
        note = message(each, ANNOTATION)
        facts[note["name"][0].decode()] = (note["string"][0].decode() if "string" in note
                                           else note["uint"][0])
    return facts


def read_track(trace, data, counters):
    track = message(data, TRACK)
    uuid = track["uuid"][0]
    assert uuid not in trace.tracks and uuid not in trace.processes, "a uuid names one track"
    if "process" in track:
        trace.processes[uuid] = message(track["process"][0], PROCESS)["name"][0].decode()
        return
    name, parent = track["name"][0].decode(), track["parent"][0]
    assert parent in trace.processes, "a track belongs to a process that is described before it"
    trace.tracks[uuid] = (name, parent)
    if "counter" in track:
        counters[uuid] = name
        trace.counters[name] = []


def read(data):
    trace, events, counters = Trace(), [], {}
    for number, packet in fields(data):
        assert number == 1, "a trace is packets"
        packet = message(packet, PACKET)
        if "clock_snapshot" in packet:
            for each in message(packet["clock_snapshot"][0], SNAPSHOT)["clock"]:
                clock = message(each, CLOCK)
                trace.clocks[clock["id"][0]] = clock["timestamp"][0]
            continue
        assert packet["sequence"] == [1]
        if "track_descriptor" in packet:
            read_track(trace, packet["track_descriptor"][0], counters)
        else:
            events.append((packet["timestamp"][0], message(packet["track_event"][0], EVENT)))
    stacks = {}
    for time, event in sorted(events, key=lambda each: each[0]):  # stable, as trace_processor
        track, kind = event["track"][0], event["type"][0]
        assert track in trace.tracks, "an event has a track that is described"
        text = lambda key, event=event: event[key][0].decode() if key in event else ""
        if kind == COUNTER:
            trace.counters[counters[track]].append((time, event["counter"][0]))
        elif kind == INSTANT:
            trace.instants.append(Slice(track, text("category"), text("name"), time, time,
                                        facts=facts_of(event)))
        elif kind == BEGIN:
            stack = stacks.setdefault(track, [])
            stack.append(Slice(track, text("category"), text("name"), time, depth=len(stack),
                               facts=facts_of(event), parent=stack[-1] if stack else None))
        else:
            assert kind == END and stacks.get(track), "an end belongs to a begin"
            ended = stacks[track].pop()
            ended.end = time
            trace.slices.append(ended)
    assert not any(stacks.values()), "every slice ends"
    return trace
