"""What a client did and was told, and where that disagrees: with the log, with the other clients, with itself.

Each request carries its own actor, so that every record can be traced to its request, and every request to its records.
"""

import collections
import dataclasses
from typing import Optional

from linearizable import NEVER, Operation, State, contradiction

SLACK_S = 0.1  # between pawld's clock and ours: it may be slewed, and is reread at each start


@dataclasses.dataclass
class Entry:
    """One request, with all its tries."""
    actor: str
    kind: str  # one of RECORDED_AS, or advance; look for everything that only reads
    method: str
    path: str
    body: Optional[dict]
    key: Optional[str]
    task: Optional[int] = None
    call: float = 0.0  # when it was first sent
    last_call: float = 0.0
    back: float = NEVER
    tries: int = 0
    status: Optional[int] = None
    answer: Optional[dict] = None
    replayed: bool = False

    @property
    def error(self):
        return self.answer["error"] if self.answer and "error" in self.answer else None

    @property
    def outcome(self):
        return self.error["code"] if self.error else "accepted"

    @property
    def seq(self):
        if not self.answer or self.error:
            return self.error.get("seq") if self.error else None
        return self.answer.get("seq")

    @property
    def folded(self):
        return bool(self.error and self.error.get("folded"))

    def shown_task(self):
        """The task as it was at that answer."""
        for shown in (self.answer or {}).get("task"), (self.error or {}).get("current"), self.answer:
            if isinstance(shown, dict) and "work_item" in shown and "version" in shown:
                return shown
        return None

    def __str__(self):
        return (f"{self.actor}: {self.method} {self.path} {self.body or ''}, {self.tries} tries from {self.call:.3f} "
                f"to {self.back:.3f}, answered {self.status} {self.answer}")


RECORDED_AS = {"transition": "StageTransition", "note": "TaskNote", "submit": "TaskCreated", "lease": "LeaseAcquired",
               "release": "LeaseReleased", "cancel": "CancelRequested", "pipeline": "PipelineDefined"}
STATUSES = {200, 201, 202, 409}


def against_log(entries, records):
    """Nothing acknowledged is lost or altered, and nothing is there twice. Returns sentences."""
    found = []
    by_actor = collections.defaultdict(list)
    for record in records:
        by_actor[record["actor"]].append(record)
    keys = collections.Counter(record["key"] for record in records
                               if record["key"] and record["seq"] == record["group"])
    for key, count in keys.items():
        if count > 1:
            found.append(f"key {key} was decided {count} times")
    for entry in entries:
        mine = by_actor.pop(entry.actor, [])
        if entry.kind == "look":
            if mine:
                found.append(f"a read made record {mine[0]['seq']}: {entry}")
            continue
        if entry.status == 503:
            if mine:
                found.append(f"was turned away, and made record {mine[0]['seq']}: {entry}")
            continue
        if entry.status is not None and entry.status not in STATUSES:
            found.append(f"an unexpected answer: {entry}")
            continue
        if entry.kind == "advance":  # makes one record for each step of the path
            moves = [record for record in mine
                     if record["type"] == "StageTransition" and record["outcome"] == "accepted"]
            if len(moves) > 1:
                found.append(f"records {[record['seq'] for record in moves]} are moves of one advance: {entry}")
            continue
        groups = {record["group"] for record in mine}
        if len(groups) > 1:
            found.append(f"groups {sorted(groups)} are of one request: {entry}")
        if entry.status is None or entry.folded:
            continue
        record = next((record for record in mine if record["seq"] == entry.seq), None)
        if record is None:
            found.append(f"was acknowledged, and record {entry.seq} is not its: {entry}")
            continue
        found += [f"record {entry.seq} {wrong}: {entry}" for wrong in differences(entry, record)]
    clients = {entry.actor.partition("-")[0] for entry in entries}
    for actor, strays in by_actor.items():
        if actor.partition("-")[0] in clients and "-" in actor:
            found.append(f"record {strays[0]['seq']} is by {actor}, which made no request")
    return found


def differences(entry, record):
    """Where a record differs from what its client requested and was told."""
    data = record["data"]
    if record["type"] != RECORDED_AS[entry.kind]:
        yield f"is a {record['type']}"
        return
    if record["outcome"] != entry.outcome:
        yield f"has the outcome {record['outcome']}"
    if record["key"] != entry.key:
        yield f"has the key {record['key']}"
    asked = dict(entry.body or {})
    asked.pop("owner", None)
    if entry.task is not None:
        asked["task"] = entry.task
    for name, value in asked.items():
        if name in data and data[name] != value:
            yield f"has {name} {data[name]!r}"
    if record["outcome"] != "accepted" or entry.outcome != "accepted":
        return
    made = {effect["effect"]: effect for effect in record["effects"] or []}
    shown = entry.shown_task()
    if entry.kind == "submit" and (made.get("task") or {}).get("id") != shown["id"]:
        yield f"made {made.get('task')}"
    if entry.kind == "lease" and (made.get("lease_granted") or {}).get("token") != entry.answer["token"]:
        yield f"granted {made.get('lease_granted')}"
    if entry.kind == "transition" and not entry.replayed and shown["version"] != data["expected_version"] + 1:
        yield f"is shown with version {shown['version']}"


def against_time(entries):
    """Seqs and versions that go back: a request made after another's answer must see no less. Returns sentences."""
    found = []
    answered = sorted((entry for entry in entries if entry.status is not None), key=lambda entry: entry.back)
    asked = sorted(answered, key=lambda entry: entry.last_call)
    highest, versions, at = (0, None), {}, 0
    for entry in asked:
        while at < len(answered) and answered[at].back < entry.last_call:
            earlier = answered[at]
            at += 1
            if earlier.seq is not None:
                highest = max(highest, (earlier.seq, earlier.actor))
            task = earlier.shown_task()
            if task and task["version"] > versions.get(task["id"], (0, None))[0]:
                versions[task["id"]] = (task["version"], earlier.actor)
        # A repeated first answer, or one refusal for many, carries the original seq.
        if entry.seq is not None and not entry.replayed and not entry.folded and entry.kind != "advance":
            is_old = entry.seq < highest[0] if entry.kind == "look" else entry.seq <= highest[0]
            if is_old:
                found.append(f"seq {highest[0]} was already told to {highest[1]}: {entry}")
        task = entry.shown_task()
        if task and task["version"] < versions.get(task["id"], (0, None))[0]:
            known = versions[task["id"]]
            found.append(f"version {known[0]} was already told to {known[1]}: {entry}")
    return found


def histories(entries):
    """task → its history for the linearizability checker: its moves and its reads."""
    found = collections.defaultdict(list)
    for entry in entries:
        if entry.task is None or entry.kind not in ("transition", "look"):
            continue
        shown = entry.shown_task()
        seen = State(shown["version"], shown["stage"]) if shown else None
        if entry.kind == "look":
            if seen:
                found[entry.task].append(Operation(entry.actor, entry.last_call, entry.back, seen))
            continue
        expected, to = entry.body["expected_version"], entry.body["to"]
        if entry.status is None:
            found[entry.task].append(Operation(entry.actor, entry.call, NEVER, None, expected, to))
            continue
        won = entry.outcome == "accepted"
        if entry.replayed:
            # It was decided at any of its tries, and shows the task as it was at the last one.
            found[entry.task].append(Operation(entry.actor, entry.call, entry.back, None, expected, to, won))
            if seen:
                found[entry.task].append(Operation(entry.actor, entry.last_call, entry.back, seen))
        else:
            found[entry.task].append(Operation(entry.actor, entry.last_call, entry.back, seen, expected, to, won))
    return found


def against_register(entries, tasks):
    """Checks the moves of these tasks, each begun on version 1 of the stage `ping`. Returns sentences, and the number
    of operations."""
    found, count = [], 0
    by_task = histories(entries)
    for task in tasks:
        history = by_task[task]
        count += len(history)
        wrong = contradiction(history, State(1, "ping"))
        if wrong:
            found.append(f"task {task} does not behave like a register: {wrong}")
    return found, count


def against_each_other(entries):
    """Leases on one key that two clients held at once. Returns sentences."""
    ends = {}  # token → when its release was first requested
    for entry in entries:
        if entry.kind == "release":
            token = entry.body["token"]
            ends[token] = min(ends.get(token, NEVER), entry.call)
    granted = collections.defaultdict(list)
    for entry in entries:
        if entry.kind == "lease" and entry.status is not None and entry.outcome == "accepted":
            granted[entry.body["key"]].append(entry)
    found = []
    for key, leases in granted.items():
        leases.sort(key=lambda lease: lease.answer["token"])
        for one, other in zip(leases, leases[1:]):
            if one.answer["token"] == other.answer["token"]:
                found.append(f"{key} was granted twice under one token: {one}; {other}")
            until = min(ends.get(one.answer["token"], NEVER), one.call + one.body["ttl_s"] - SLACK_S)
            if other.back < until:
                found.append(f"{key} was granted while it was held: {one}; {other}")
    return found
