#!/usr/bin/env python3
"""kill_worker NAME SOCKET WORLD SEED: an outside worker for the kills, a process that may be killed or stopped
anywhere.

It builds (claims jobs of the builder, each its own process) and stamps (takes the lease of a task on `hand`, and
its one step). The stamp goes to a target with fencing, as docs/PIPELINES.md requires: it accepts no token lower than
the highest that it has seen for the task. So a worker that was stopped in between, and wakes long after the decision,
does no harm there; this test shows that it does none in pawl either. """

import fcntl
import os
import pathlib
import random
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
from wire import NoAnswer, NotSent, Wire  # noqa: E402

TIMEOUT_S = 20


class Refused(Exception):
    """pawld has refused."""


class StaleBoot(Refused):
    """We were taken for dead, or another worker with our name has started."""


def fenced(world, task, key, token, says):
    """At the target: appends `says`, unless it has seen a higher token for that task. Returns whether it did."""
    token = token or 0
    with open(world / "ledger.lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        seen = [line.split() for line in (world / "ledger").read_text().splitlines()]
        if any(int(words[-1]) > token for words in seen if words[0] in ("fence", "stamp") and words[1] == str(task)):
            return False
        with open(world / "ledger", "a", encoding="ascii") as ledger:
            ledger.write(" ".join(word for word in (says, str(task), key, str(token)) if word) + "\n")
        return True


class Worker:
    def __init__(self, name, socket, world, seed):
        self.name = name
        self.world = pathlib.Path(world)
        self.dice = random.Random(f"{seed} {name} {os.getpid()}")
        self.boot = str(uuid.uuid4())
        self.owner = {"boot_id": self.boot, "pid": os.getpid(), "actor": name}
        self.wire = Wire(socket, TIMEOUT_S)
        self.parent = os.getppid()

    def call(self, method, path, body=None):
        """The answer's JSON, None for 204. All tries carry one key, so that nothing is done twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Pawl-Actor": self.name}
        if not path.startswith("/v1/boots"):
            headers["Pawl-Boot"] = self.boot
        while True:
            if os.getppid() != self.parent:
                sys.exit("the test has ended")
            try:
                answer = self.wire.request(method, path, body, headers)
            except (NoAnswer, NotSent):
                time.sleep(0.02)
                continue
            if answer.status >= 500:
                time.sleep(0.02)
                continue
            if answer.error:
                raise (StaleBoot if answer.error == "stale_boot" else Refused)(f"{path}: {answer.error}")
            return None if answer.status == 204 else answer.body

    def register(self):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            host = f"{os.uname().nodename} {boot.read().strip()} {os.stat('/proc/self/ns/pid').st_ino}"
        self.call("POST", "/v1/boots", {"name": self.name, "boot_id": self.boot, "pid": os.getpid(),
                                        "pid_start": start_of(os.getpid()), "host": host, "version": "1"})

    def build(self):
        answer = self.call("POST", "/v1/jobs/claim", {"agents": ["builder"], "owner": self.owner, "wait_s": 0})
        if answer is None:
            return False
        job = answer["job"]
        attempt = {"attempt": job["attempts"]}
        path = f"/v1/jobs/{job['id']}"
        agent = subprocess.Popen(["/bin/sh", "-c", "sleep 0.03"], start_new_session=True)
        try:
            self.call("POST", path + "/started", attempt | {"pid": agent.pid, "pid_start": start_of(agent.pid)})
        finally:
            code = agent.wait()
        self.call("POST", path + "/exited", attempt | {"exit_code": code if code >= 0 else 128 - code})
        return True

    def stamp(self):
        """Takes one task over its edge; after any refusal on the way, the next round finds out what is left to do."""
        # The daemon, or a person, settles a step that another party has begun: the lease must be free for that.
        tasks = [task for task in self.call("GET", "/v1/tasks?stage=hand&limit=64")["items"]
                 if not task["blocked"] and all(step["state"] != "started" for step in task["steps"])]
        if not tasks:
            return False
        task = self.dice.choice(tasks)
        path, version = f"/v1/tasks/{task['id']}", task["version"]
        key = f"{task['id']}-{version}-stamp"
        token = self.call("POST", "/v1/leases", {"key": f"task:{task['id']}", "owner": self.owner}).get("token")
        try:
            time.sleep(self.dice.uniform(0, 0.2))  # its checks: long enough to be stopped during them
            try:
                started = self.call("POST", path + "/steps", {
                    "type": "StepStarted", "version": version, "to": "done", "step": "stamp", "token": token,
                    "run": uuid.uuid4().hex})["seq"]
                time.sleep(self.dice.uniform(0, 0.3))  # long enough to die in, with the step begun
                has_happened = fenced(self.world, task["id"], key, token, "stamp")
                self.call("POST", path + "/steps", {
                    "type": "StepFinished", "version": version, "step": "stamp", "started": started,
                    "outcome": "done" if has_happened else "did_not_happen", "by": "command"})
                if not has_happened:
                    return True
            except StaleBoot:
                raise
            except Refused as refused:
                if "already_done" not in str(refused):  # an earlier holder did not get further
                    raise
            self.call("POST", path + "/transition", {
                "to": "done", "expected_version": version, "token": token, "reason": "stamped"})
        finally:
            if token is not None:  # with ownership off, no lease is granted
                self.call("DELETE", f"/v1/leases/task%3A{task['id']}?token={token}")
        return True

    def work(self):
        self.register()
        while True:
            busy = False
            for what in (self.build, self.stamp):
                try:
                    busy = what() or busy
                except StaleBoot:
                    raise
                except Refused as refused:
                    print(refused, flush=True)
            if not busy:
                time.sleep(0.05)


def start_of(pid):
    """When a process began: field 22 of its stat; 0 if it has ended. The second field, in parentheses, may contain
    anything."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(") ")[2].split()[19])


if __name__ == "__main__":
    try:
        Worker(*sys.argv[1:]).work()
    except StaleBoot as refused:
        print(refused)
        sys.exit(1)
