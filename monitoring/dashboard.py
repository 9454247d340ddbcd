#!/usr/bin/env python3
"""Writes dashboard.json, the Grafana dashboard, beside itself.

    monitoring/dashboard.py

A panel is a line of PANELS: title, kind, unit, width, [(expression, legend), ...]. SELECT stands for the
chosen job and instances.
"""
import json
import pathlib

SELECT = 'job=~"$job",instance=~"$instance"'
GRID = 24
HEIGHT = {"stat": 4, "row": 1}
LEAKS = ('tcpdwell_stuck_sockets{SELECT,flag=~"CLOSE_WAIT|FIN_WAIT_2|CLOSED",'
         'cause=~"data_unread|eof_unread|eof_read|half_closed|not_closed"}')
NATIVE = "rate(tcpdwell_dwell_seconds{SELECT}[$__rate_interval])"
CLASSIC = "rate(tcpdwell_dwell_classic_seconds_bucket{SELECT}[$__rate_interval])"

PANELS = [
    ("Hosts", "stat", "none", 4, [("count(tcpdwell_build_info{SELECT})", "")]),
    ("Open connections", "stat", "short", 4,
     [('sum(tcpdwell_connections{SELECT,state!="LISTEN"})', "")]),
    ("Leaked sockets", "stat", "short", 4, [(f"sum({LEAKS}) or vector(0)", "")]),
    ("Oldest stuck socket", "stat", "s", 4,
     [("max(tcpdwell_oldest_stuck_seconds{SELECT}) or vector(0)", "")]),
    ("Not accepted", "stat", "short", 4,
     [('sum(tcpdwell_stuck_sockets{SELECT,flag="ACCEPT"}) or vector(0)', "")]),
    ("Events lost", "stat", "short", 4,
     [("sum(increase(tcpdwell_events_lost_total{SELECT}[$__range]))", "")]),

    ("Stuck sockets", "row", "", GRID, []),
    ("Leaked sockets by service", "timeseries", "short", 8,
     [(f"topk(10, sum by (instance, service) ({LEAKS}))", "{{service}} on {{instance}}")]),
    ("Stuck sockets by cause", "timeseries", "short", 8,
     [("sum by (flag, cause) (tcpdwell_stuck_sockets{SELECT})", "{{flag}} {{cause}}")]),
    ("Oldest stuck socket", "timeseries", "s", 8,
     [("topk(10, max by (instance, service, flag) (tcpdwell_oldest_stuck_seconds{SELECT}))",
       "{{flag}} {{service}} on {{instance}}")]),

    ("Connections", "row", "", GRID, []),
    ("Connections by state", "timeseries", "short", 8,
     [('sum by (state) (tcpdwell_connections{SELECT,state!="LISTEN"})', "{{state}}")]),
    ("Connections by service", "timeseries", "short", 8,
     [('topk(10, sum by (service) (tcpdwell_connections{SELECT,state!="LISTEN"}))',
       "{{service}}")]),
    ("Half-open", "timeseries", "short", 8,
     [('sum by (instance) (tcpdwell_connections{SELECT,state=~"SYN_SENT|SYN_RECEIVED"})',
       "{{instance}}")]),
    ("Ended, by how", "timeseries", "cps", 8,
     [("sum by (ended) (rate(tcpdwell_connections_ended_total{SELECT}[$__rate_interval])) > 0",
       "{{ended}}")]),
    ("Who closes first", "timeseries", "cps", 8,
     [("sum by (closed_by) (rate(tcpdwell_connections_ended_total{SELECT}[$__rate_interval])) > 0",
       "{{closed_by}}")]),
    ("TIME_WAIT ended, by how", "timeseries", "cps", 8,
     [("sum by (reason) (rate(tcpdwell_time_wait_ended_total{SELECT}[$__rate_interval])) > 0",
       "{{reason}}")]),

    ("Time in a state", "row", "", GRID, []),
    ("p50 (native)", "timeseries", "s", 8,
     [(f"histogram_quantile(0.5, sum by (state) ({NATIVE}))", "{{state}}")]),
    ("p99 (native)", "timeseries", "s", 8,
     [(f"histogram_quantile(0.99, sum by (state) ({NATIVE}))", "{{state}}")]),
    ("p99 (classic, by powers of four)", "timeseries", "s", 8,
     [(f"histogram_quantile(0.99, sum by (state, le) ({CLASSIC}))", "{{state}}")]),
    ("ESTABLISHED", "heatmap", "s", 12,
     [(f"sum by (le) ({CLASSIC})".replace("SELECT", 'SELECT,state="ESTABLISHED"'), "{{le}}")]),
    ("Dwells not known exactly", "timeseries", "cps", 12,
     [("sum by (state) (rate(tcpdwell_dwell_inexact_total{SELECT}[$__rate_interval])) > 0",
       "{{state}}")]),

    ("Ports and queues", "row", "", GRID, []),
    ("Ports in use", "timeseries", "percentunit", 8,
     [("topk(10, tcpdwell_ports_used{SELECT} / tcpdwell_ports_limit{SELECT})",
       "{{remote}} from {{instance}}")]),
    ("No port left in", "timeseries", "s", 8,
     [("bottomk(10, tcpdwell_ports_exhausted_in_seconds{SELECT})",
       "{{remote}} from {{instance}}")]),
    ("connect() without a port", "timeseries", "cps", 8,
     [("sum by (reason, service) (rate(tcpdwell_connects_failed_total{SELECT}[$__rate_interval]))",
       "{{reason}} {{service}}")]),
    ("Accept queue, of its limit", "timeseries", "percentunit", 12,
     [("topk(10, tcpdwell_accept_queue_length{SELECT} / "
       "clamp_min(tcpdwell_accept_queue_limit{SELECT}, 1))", "{{port}} on {{instance}}")]),
    ("Dropped by listeners", "timeseries", "cps", 12,
     [("topk(10, rate(tcpdwell_syns_dropped_total{SELECT}[$__rate_interval]))",
       "{{port}} on {{instance}}")]),

    ("tcpdwell itself", "row", "", GRID, []),
    ("Lost, unseen, evicted", "timeseries", "cps", 8,
     [("sum by (instance) (rate(tcpdwell_events_lost_total{SELECT}[$__rate_interval]))",
       "lost {{instance}}"),
      ("rate(tcpdwell_events_unseen_total{SELECT}[$__rate_interval])", "unseen {{instance}}"),
      ("rate(tcpdwell_connections_evicted_total{SELECT}[$__rate_interval])",
       "evicted {{instance}}"),
      ("rate(tcpdwell_series_dropped_total{SELECT}[$__rate_interval])",
       "series dropped {{instance}}")]),
    ("CPU", "timeseries", "percentunit", 8,
     [("rate(process_cpu_seconds_total{SELECT}[$__rate_interval])", "{{instance}}")]),
    ("Memory", "timeseries", "bytes", 8,
     [("process_resident_memory_bytes{SELECT}", "{{instance}}")]),
    ("What these kernels show", "table", "none", 24,
     [("count by (what, how) (tcpdwell_sees{SELECT})", "")]),
]


def targets(kind, expressions):
    for number, (expression, legend) in enumerate(expressions):
        yield {"refId": chr(ord("A") + number), "expr": expression.replace("SELECT", SELECT),
               "legendFormat": legend, "format": {"heatmap": "heatmap", "table": "table"}.get(
                   kind, "time_series"), "instant": kind in ("stat", "table"),
               "range": kind not in ("stat", "table"),
               "datasource": {"type": "prometheus", "uid": "$datasource"}}


def panels():
    x = y = 0
    tallest = 0
    for number, (title, kind, unit, width, expressions) in enumerate(PANELS, 1):
        height = HEIGHT.get(kind, 8)
        if x + width > GRID:
            x, y, tallest = 0, y + tallest, 0
        panel = {"id": number, "title": title, "type": kind,
                 "gridPos": {"x": x, "y": y, "w": width, "h": height}}
        x, tallest = x + width, max(tallest, height)
        if kind == "row":
            yield {**panel, "collapsed": False, "panels": []}
        else:
            yield {**panel, "datasource": {"type": "prometheus", "uid": "$datasource"},
                   "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                   "targets": list(targets(kind, expressions))}


def variable(name, query):
    return {"name": name, "type": "query", "label": name.capitalize(), "multi": True,
            "includeAll": True, "current": {"text": "All", "value": "$__all"}, "refresh": 2,
            "datasource": {"type": "prometheus", "uid": "$datasource"},
            "query": {"query": query, "refId": name}, "sort": 1}


def dashboard():
    return {
        "title": "tcpdwell", "uid": "tcpdwell", "schemaVersion": 38, "editable": True,
        "tags": ["tcp"], "time": {"from": "now-3h", "to": "now"}, "refresh": "30s",
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"},
            variable("job", "label_values(tcpdwell_build_info, job)"),
            variable("instance", 'label_values(tcpdwell_build_info{job=~"$job"}, instance)')]},
        "panels": list(panels())}


def text():
    """One panel a line, so that a change shows as one."""
    whole = dashboard()
    lines = ",\n    ".join(json.dumps(panel) for panel in whole.pop("panels"))
    return json.dumps(whole, indent=1)[:-2] + ',\n "panels": [\n    ' + lines + "\n ]\n}\n"


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("dashboard.json").write_text(text(), encoding="utf-8")
