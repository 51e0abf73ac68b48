"""The storm's actors: each enters the transitions of one task in its own way over HTTP, all of them at once. The daemon
itself is another: the monitor, reconciler and finalizer of everything here."""

import collections
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import os
import random
import threading
import time
import urllib.parse
import uuid

REPOS = 8
SECRET = b"the storm's secret"
TERMINAL = ("done", "cancelled")


class Board:
    """What the actors know about the tasks, from their answers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tasks = {}  # id → the task as last seen
        self.answers = collections.Counter()  # (actor, answer)

    def learn(self, task):
        with self.lock:
            known = self.tasks.get(task["id"])
            if known is None or task["version"] >= known["version"]:
                self.tasks[task["id"]] = task

    def live(self):
        with self.lock:
            return [task for task in self.tasks.values() if task["stage"] not in TERMINAL]

    def count(self, actor, answer):
        with self.lock:
            self.answers[actor, answer] += 1


class Actors:
    """Lanes that each go from task to task, and set every actor on it at the same moment."""

    def __init__(self, example, board, seed, lanes):
        self.example = example
        self.board = board
        self.seed = seed
        self.stopping = threading.Event()
        self.worker_stopping = threading.Event()
        self.boot = str(uuid.uuid4())
        self.lanes = [threading.Thread(target=self._lane, args=(number,)) for number in range(lanes)]
        self.workers = [threading.Thread(target=self._work) for _ in range(2)]

    def start(self):
        me = {"name": "storm", "boot_id": self.boot, "pid": os.getpid(), "pid_start": 0, "host": "elsewhere",
              "version": "1"}
        self.insist("worker", "POST", "/v1/boots", me)
        for thread in self.lanes + self.workers:
            thread.start()

    def stop_lanes(self):
        self.stopping.set()
        for thread in self.lanes:
            thread.join()

    def stop_workers(self):
        self.worker_stopping.set()
        for thread in self.workers:
            thread.join()

    # ---- calls
    def call(self, actor, method, path, body=None, headers=None):
        """(status, answer); (None, None) if there is no daemon just now. Remembers the answer's task."""
        said = {"Pawl-Actor": actor} | (headers or {})
        try:
            status, answer = self.example.request(method, path, body, timeout=60, headers=said)
        except (OSError, http.client.HTTPException):  # there is none, or it was killed before it answered
            self.board.count(actor, "no daemon")
            time.sleep(0.02)
            return None, None
        if isinstance(answer, dict):
            error = answer.get("error") or {}
            for task in (answer.get("task"), error.get("current")):
                if isinstance(task, dict) and "work_item" in task and "stage" in task:
                    self.board.learn(task)
            self.board.count(actor, str(error.get("code") or answer.get("result") or status))
        return status, answer

    def insist(self, actor, method, path, body=None, headers=None):
        """Like call(), with an idempotency key, repeated until there is an answer: pawld then repeats an answer that
        was lost in a crash. (None, None) if the storm is over."""
        key = {"Idempotency-Key": str(uuid.uuid4())} | (headers or {})
        while not self.worker_stopping.is_set():
            status, answer = self.call(actor, method, path, body, key)
            if status is not None and status != 503:
                return status, answer
            time.sleep(0.05)
        return None, None

    # ---- the actors
    def webhook(self, task, _):
        """Gitea: a push to the task's branch."""
        commit = hashlib.sha1(str(uuid.uuid4()).encode()).hexdigest()
        body = json.dumps({"ref": f"refs/heads/{task['branch']}", "before": "0" * 40, "after": commit, "commits": [],
                           "repository": {"name": task["repo"], "full_name": "storm/" + task["repo"]}}).encode()
        self.call("webhook", "POST", "/webhooks/gitea", body,
                  {"X-Gitea-Event": "push", "X-Gitea-Delivery": str(uuid.uuid4()),
                   "X-Gitea-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest()})

    def advance(self, actor, task):
        self.call(actor, "POST", f"/v1/tasks/{task['id']}/advance", {"expected_version": task["version"]})

    def reconciler(self, task, _):
        self.advance("reconciler", task)

    def finalizer(self, task, _):
        self.advance("finalizer", task)

    def operator(self, task, dice):
        """An impatient person: moves it by hand, forward or back, starts its merge by hand, and rarely stops it."""
        path = f"/v1/tasks/{task['id']}"
        draw = dice.random()
        if draw < 0.002:
            self.call("operator", "POST", path + "/cancel", {"reason": "not wanted"})
        elif draw < 0.10:
            self.call("operator", "POST", path + "/steps", {
                "type": "StepStarted", "version": task["version"], "to": "live", "step": "merge", "token": 1})
        elif draw < 0.20 and task["stage"] == "staging":
            self.call("operator", "POST", path + "/transition", {
                "to": "build", "expected_version": task["version"], "reason": "by hand"})
        elif draw < 0.5:
            to = {"build": "staging", "staging": "live", "live": "done"}.get(task["stage"], "done")
            self.call("operator", "POST", path + "/transition", {
                "to": to, "expected_version": task["version"], "reason": "by hand"})
        else:
            self.advance("operator", task)

    def holder(self, task, dice):
        """An outside worker that takes the task's lease for a moment, and releases it."""
        if dice.random() > 0.2:
            return self.advance("worker", task)
        owner = {"boot_id": self.boot, "pid": os.getpid(), "actor": "worker"}
        key = f"task:{task['id']}"
        status, answer = self.insist("worker", "POST", "/v1/leases", {"key": key, "owner": owner},
                                     {"Pawl-Boot": self.boot})
        if status != 201:
            return None
        time.sleep(0.02)
        path = f"/v1/leases/{urllib.parse.quote(key, safe='')}?token={answer['token']}"
        return self.insist("worker", "DELETE", path, None, {"Pawl-Boot": self.boot})

    # ---- their threads
    def _lane(self, number):
        dice = random.Random(f"{self.seed} lane {number}")
        actors = [self.webhook, self.reconciler, self.finalizer, self.operator, self.holder]
        with concurrent.futures.ThreadPoolExecutor(len(actors)) as pool:
            while not self.stopping.is_set():
                live = self.board.live()
                if not live:
                    time.sleep(0.05)
                    continue
                task = dice.choice(live)
                draws = [random.Random(dice.random()) for _ in actors]
                # They know the same version: the second to arrive races for what is already done.
                concurrent.futures.wait([pool.submit(actor, task, draw) for actor, draw in zip(actors, draws)])
                status, answer = self.call("look", "GET", f"/v1/tasks/{task['id']}")
                if status == 200:
                    self.board.learn(answer.get("task", answer))

    def _work(self):
        """The builder: an agent of the first stage, whose jobs outlive the daemon."""
        owner = {"boot_id": self.boot, "pid": os.getpid(), "actor": "worker"}
        mine = {"Pawl-Boot": self.boot}
        while not self.worker_stopping.is_set():
            status, answer = self.insist("worker", "POST", "/v1/jobs/claim",
                                         {"agents": ["builder"], "owner": owner, "wait_s": 1}, mine)
            if status != 200:
                time.sleep(0.02)
                continue
            job = answer["job"]
            self.insist("worker", "POST", f"/v1/jobs/{job['id']}/exited",
                        {"attempt": job["attempts"], "exit_code": 0}, mine)
