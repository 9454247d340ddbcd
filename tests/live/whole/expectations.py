"""The output of a tracer that lost events, against the kernel's list and the actors."""
import collections
import json

from lib import ss
from lib.clock import MS, SECOND
from lib.lifecycle import endpoints
from lib.patience import wait_for

SLACK_NS = 2 * MS


def kernel_list(netns):
    """Reads until two readings agree: a delayed ACK may still be under way."""
    before = None

    def holds_still():
        nonlocal before
        last, before = before, collections.Counter((row.state, row.local, row.remote)
                                                   for row in ss.rows(netns, cookies=False))
        return last == before

    wait_for(holds_still, "the kernel's list to hold still", every_s=0.3)
    return before


def flagged(objects, *inums):
    """The tracer's table, where every state is flagged: flags raised and not cleared."""
    there = collections.Counter()
    for item in objects:
        if item["type"] == "flag" and item["netns"] in inums:
            key = (item["state"], *endpoints(item))
            there[key] += 1 if item["event"] == "raised" else -1
    return +there


def differences(truth, told):
    missing, excess = truth - told, told - truth
    wrong = [f"missing {count} x {key}" for key, count in missing.items()] + \
            [f"excess {count} x {key}" for key, count in excess.items()]
    return wrong[:10] + ([f"... {len(wrong)} in all"] if len(wrong) > 10 else [])


def wait_until_whole(tracer, netns):
    """Returns the kernel's list, once the tracer has the same or prints nothing more about it."""
    while True:  # until no socket, such as a TIME_WAIT that was long enough, has moved meanwhile
        truth = kernel_list(netns)
        tracer.came_true(lambda objects, truth=truth: flagged(objects, netns.inum) == truth,
                         {netns.inum})
        if kernel_list(netns) == truth:
            return truth


def wrong_sum(objects, made, hidden, others=False):
    """`hidden`: at most so many never reached a program; a witness saw them.

    `others`: other sockets of this host may have added transitions.
    """
    end = objects[-1]
    lost = [item for item in objects if item["type"] == "lost"]
    got, gone = end["transitions"], end["transitions_lost"]
    wrong = []
    if sum(item["transitions"] for item in lost) != gone:
        wrong.append("the `lost` objects do not add up to end.transitions_lost")
    if got + gone < made - hidden or (got + gone > made and not others):
        wrong.append(f"{made} transitions were made, and {hidden} hidden at most; {got} received "
                     f"and {gone} lost is {got + gone} ({got + gone - made:+})")
    return wrong


def wrong_dwells(actors, objects):
    """A printed dwell is the true one, within its error."""
    by_cookie = collections.defaultdict(list)
    for item in objects:
        if item["type"] == "transition" and item["dwell_ns"] is not None:
            by_cookie[item["cookie"]].append(item)
    return [f"{json.dumps(item)}\n    but {actor}" for actor in actors
            for item in by_cookie[actor.cookie] if not _fits(item, actor.stays(item["from"]))]


def _fits(item, truth):
    dwell, error = item["dwell_ns"], item["error_ns"]
    if truth is None:
        return False
    if error is None:  # a lower bound
        return dwell <= truth.hi + SLACK_NS
    return dwell - error <= truth.hi + SLACK_NS and dwell + error >= truth.lo - SLACK_NS


def wrong_dwells_of_load(objects, ports, longest_ns):
    """A connection of the load ends at once. A longer dwell needs its error."""
    short = {"SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT",
             "LAST_ACK"}
    return [json.dumps(item) for item in objects
            if item["type"] == "transition" and item["from"] in short
            and ports & {item["local"]["port"], item["remote"]["port"]}
            and (item["dwell_ns"] or 0) - (item["error_ns"] or 0) > longest_ns]


def wrong_flags(actors, objects):
    """A flag is raised only for a state that the socket was in, for as long as it says."""
    by_cookie = {actor.cookie: actor for actor in actors}
    wrong = []
    for item in objects:
        if item["type"] != "flag" or item["event"] != "raised" or item["cookie"] not in by_cookie:
            continue
        actor = by_cookie[item["cookie"]]
        entered = [at for state, at in actor.steps if state == item["state"]]
        if not actor.was_in(item["state"], item["mono_ns"]):
            wrong.append(f"raised in a state that it was not in: {json.dumps(item)}")
        elif item["error_ns"] == 0 and \
                item["dwell_ns"] > item["mono_ns"] - entered[0].lo + SLACK_NS:
            wrong.append(f"raised too early: {json.dumps(item)}")
    return wrong


def never_flagged(actors, objects, state):
    raised = {(item["cookie"], item["state"]) for item in objects
              if item["type"] == "flag" and item["event"] == "raised"}
    return [f"{state} of {actor.cookie} was never flagged" for actor in actors
            if (actor.cookie, state) not in raised]


LONGEST_NS = 3 * SECOND  # no step of a connection of the load takes as long, however slow it is
