#!/usr/bin/env python3
"""Checks the maker of incidents: usage: incidents_test.py PAWL_WORLD PAWL

Of each kind, with two seeds: the label says a cause that is a record of the right type and was accepted, and somebody
who was hurt; the same seed gives the same bytes; and `pawl check` replays the log to its end. A healthy story hurts
nobody, and nothing is found in it.
"""
import json
import os
import subprocess
import sys
import tempfile

SETTING = {"SettingChanged"}
CAUSES = {
    "none": set(),
    "wall_leap": set(),
    "false_report": set(),
    "grace": SETTING,
    "ceiling": SETTING,
    "interruptions": SETTING,
    "merge_ttl": SETTING,
    "switch_off": SETTING,
    "concurrency": SETTING,
    "scope": SETTING,
    "attempts": SETTING,
    "rollbacks": SETTING,
    "retry_delay": SETTING,
    "held_dependency": SETTING,
    "short_timeout": {"PipelineDefined"},
    "bad_gate": {"PipelineDefined"},
    "bad_worker": {"BootStarted"},
    "wrong_probe": {"StepFinished"},
    "wrong_word": {"StepFinished"},
    "disproved_word": {"StepFinished"},
    "forced_release": {"LeaseReclaimed"},
    "short_ttl": {"LeaseAcquired"},
    "clock_leap": None,  # whatever comes first after it
    "clock_step": None,
    "twins": {"BootStarted"},
    "crash_loop": {"BootStarted"},
    "endless_step": {"StepStarted"},
    "endless_agent": {"JobClaimed", "RunStarted"},
    "killed_worker": {"StepStarted"},
    "killed_agent": {"RunExited"},
    "stop_midway": {"CancelRequested"},
    "starvation": {"JobFinished", "TaskBlocked"},
}


def wrong(what):
    sys.exit("incidents_test: " + what)


def made(world, folder, kind, seed):
    label = os.path.join(folder, "label")
    run = subprocess.run([world, "--incident", kind, "--seed", str(seed), "--log", "--label", label],
                         capture_output=True)
    if run.returncode != 0:
        wrong(f"{kind}, seed {seed}: {run.stderr.decode()}")
    with open(label, "rb") as file:
        return run.stdout, file.read()


def check(world, pawl, folder, kind, seed):
    which = f"{kind}, seed {seed}: "
    log, label_bytes = made(world, folder, kind, seed)
    if seed == 1 and made(world, folder, kind, seed) != (log, label_bytes):
        wrong(which + "the same seed does not give the same bytes")
    label = json.loads(label_bytes)
    records = {}
    for line in log.splitlines():
        record = json.loads(line)
        records[record["seq"]] = record
    if not 400 <= len(records) <= 2000:
        wrong(which + f"{len(records)} records")
    is_healthy = CAUSES[kind] == set()
    if is_healthy != (label["cause"] is None) or is_healthy != (label["victims"] == []):
        wrong(which + f"not a cause and somebody hurt: {label}")
    for seq in [label["cause"], *label["also"]]:
        if seq is not None and seq not in records:
            wrong(which + f"{seq} is not a record")
    if label["cause"] is not None:
        record = records[label["cause"]]
        types = CAUSES[kind]
        if types is not None and (record["type"] not in types or record["outcome"] != "accepted"):
            wrong(which + f"a {record['type']} ({record['outcome']}) is not a cause of it")
        if label["setting"] and record["data"]["key"] != label["setting"]:
            wrong(which + f"the cause changes {record['data']['key']}, not {label['setting']}")
    path = os.path.join(folder, "log.jsonl")
    with open(path, "wb") as file:
        file.write(log)
    asked = subprocess.run([pawl, "check", "--json", path], capture_output=True)
    if asked.returncode not in (0, 1):
        wrong(which + asked.stderr.decode())
    answer = json.loads(asked.stdout)
    if answer["records"] != len(records) or answer["stopped_at"] is not None:
        wrong(which + "pawl check does not replay it to its end")
    if any(each["kind"] == "divergence" for each in answer["findings"]):
        wrong(which + "a record differs from what the rules compute")
    if kind == "disproved_word" and records[label["proof"]]["outcome"] == "accepted":
        wrong(which + "the proof was not refused")
    if is_healthy and any(each["kind"] not in ("unchecked", "ended_badly") for each in answer["findings"]):
        wrong(which + f"something is found in a healthy log: {answer['findings'][0]['what']}")


def main():
    world, pawl = sys.argv[1:]
    listed = subprocess.run([world, "--incidents"], check=True, capture_output=True, text=True).stdout
    kinds = [line.split()[0] for line in listed.splitlines()]
    if set(kinds) != set(CAUSES):
        wrong(f"these kinds are known to only one side: {sorted(set(kinds) ^ set(CAUSES))}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            for seed in (1, 2):
                check(world, pawl, folder, kind, seed)


main()
