"""The sixteen clients of the kills. Each keeps an account of its requests and their answers; some requests carry an
idempotency key and are resent until there is an answer, the others are sent once."""

import random
import threading
import time
import uuid

from account import NEVER, Entry
from wire import NoAnswer, NotSent, Wire, is_starting

COUNT = 16
TIMEOUT_S = 0.6  # shorter than the stops of pawld
REPOS = 4
CONTESTS = 4  # contested tasks at one time
CONTEST_VERSIONS = 40  # then another takes its place: a history is searched as a whole
LOCKS = 5
LOCK_TTL_S = 2
LIVE_MAX = 40  # deliveries under way, at one time


class Board:
    """What the clients know about each other's tasks: where to go, never what is true."""

    def __init__(self):
        self.lock = threading.Lock()
        self.contests = []  # [task, version last seen]
        self.all_contests = []
        self.deliveries = {}  # task → its version last seen; only tasks that are not terminal
        self.count = 0

    def next_number(self):
        with self.lock:
            self.count += 1
            return self.count


class Client(threading.Thread):
    def __init__(self, number, socket, board, boot, seed, stopping):
        super().__init__(name=f"c{number:02}")
        self.board = board
        self.boot = boot
        self.stopping = stopping
        self.dice = random.Random(f"{seed} {self.name}")
        self.wire = Wire(socket, TIMEOUT_S)
        self.account = []
        self.sent = 0
        self.failure = None

    def run(self):
        acts = [(self.move, 40), (self.look_at_contest, 20), (self.note, 8), (self.submit, 3), (self.borrow, 8),
                (self.advance, 5), (self.look_at_all, 6), (self.cancel, 0.2)]
        try:
            while not self.stopping.is_set():
                self.dice.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
                time.sleep(self.dice.uniform(0, 0.02))
        except Exception as error:  # pylint: disable=broad-except; reported by the joining thread
            self.failure = error
            raise
        finally:
            self.wire.close()

    # ---- one request
    def ask(self, kind, method, path, body=None, task=None, keyed=None):
        """Sends a request, and records it; returns the entry. A request that was never sent leaves none."""
        self.sent += 1
        keyed = self.dice.random() < 0.5 if keyed is None else keyed
        key = str(uuid.UUID(int=self.dice.getrandbits(128))) if keyed and kind != "look" else None
        entry = Entry(f"{self.name}-{self.sent}", kind, method, path, body, key, task)
        headers = {"Pawl-Actor": entry.actor} | ({"Idempotency-Key": key} if key else {})
        sent = body
        if kind == "lease":
            sent = body | {"owner": {"boot_id": self.boot, "pid": 1, "actor": entry.actor}}
        if kind == "release":
            sent = None
        while True:
            entry.last_call = time.monotonic()
            try:
                answer = self.wire.request(method, path, sent, headers)
            except NotSent:
                time.sleep(0.01)
                if self.stopping.is_set():
                    break
                continue
            except NoAnswer:
                self._was_sent(entry)
                if key and not self.stopping.is_set():
                    continue
                break
            if is_starting(answer):  # it has examined nothing yet, and does not know the outcome of an earlier try
                time.sleep(0.01)
                if self.stopping.is_set():
                    break
                continue
            self._was_sent(entry)
            entry.back = time.monotonic()
            entry.status, entry.answer, entry.replayed = answer.status, answer.body, answer.replayed
            break
        if entry.tries:
            self.account.append(entry)
        return entry

    @staticmethod
    def _was_sent(entry):
        entry.tries += 1
        if entry.tries == 1:
            entry.call = entry.last_call

    # ---- what they do
    def contest(self):
        """A contested task, and the version to use; creates one if needed."""
        slot = self.dice.randrange(CONTESTS)
        with self.board.lock:
            if slot < len(self.board.contests) and self.board.contests[slot][1] < CONTEST_VERSIONS:
                return self.board.contests[slot]
        entry = self.ask("submit", "POST", "/v1/tasks", {
            "work_item": f"C-{self.board.next_number()}", "repo": "contest", "branch": "c", "pipeline": "contest"},
            keyed=True)
        if entry.status != 201:
            return None
        place = [entry.shown_task()["id"], 1]
        with self.board.lock:
            self.board.all_contests.append(place[0])
            if slot >= len(self.board.contests):
                self.board.contests.append(place)
            else:
                self.board.contests[slot] = place
        return place

    def learn(self, place, entry):
        shown = entry.shown_task()
        if shown:
            with self.board.lock:
                place[1] = max(place[1], shown["version"])

    def move(self):
        place = self.contest()
        if place is None:
            return
        task, expected = place[0], max(1, place[1] - (self.dice.random() < 0.1))
        entry = self.ask("transition", "POST", f"/v1/tasks/{task}/transition",
                         {"to": "pong" if expected % 2 else "ping", "expected_version": expected, "reason": ""}, task)
        self.learn(place, entry)

    def look_at_contest(self):
        place = self.contest()
        if place is not None:
            self.learn(place, self.ask("look", "GET", f"/v1/tasks/{place[0]}", task=place[0]))

    def look_at_all(self):
        self.ask("look", "GET", "/queue")

    def note(self):
        place = self.contest()
        if place is not None:
            text = f"{self.name} {self.sent}"
            self.ask("note", "POST", f"/v1/tasks/{place[0]}/note", {"text": text}, place[0])

    def submit(self):
        with self.board.lock:
            if len(self.board.deliveries) >= LIVE_MAX:
                return
        number = self.board.next_number()
        pipeline = "byhand" if self.dice.random() < 0.5 else "kills"
        entry = self.ask("submit", "POST", "/v1/tasks", {
            "work_item": f"W-{number}", "repo": f"repo-{number % REPOS}", "branch": f"w/{number}",
            "pipeline": pipeline})
        if entry.status == 201:
            with self.board.lock:
                self.board.deliveries[entry.shown_task()["id"]] = 1

    def delivery(self):
        with self.board.lock:
            return self.dice.choice(list(self.board.deliveries.items())) if self.board.deliveries else None

    def learn_delivery(self, entry):
        shown = entry.shown_task()
        if shown is None:
            return
        with self.board.lock:
            if shown["stage"] in ("done", "cancelled"):
                self.board.deliveries.pop(shown["id"], None)
            elif shown["id"] in self.board.deliveries:
                self.board.deliveries[shown["id"]] = max(self.board.deliveries[shown["id"]], shown["version"])

    def advance(self):
        known = self.delivery()
        if known is not None:
            task, version = known
            entry = self.ask("advance", "POST", f"/v1/tasks/{task}/advance", {"expected_version": version}, task,
                             keyed=False)
            self.learn_delivery(entry)
            self.learn_delivery(self.ask("look", "GET", f"/v1/tasks/{task}", task=task))

    def cancel(self):
        known = self.delivery()
        if known is not None:
            self.learn_delivery(self.ask("cancel", "POST", f"/v1/tasks/{known[0]}/cancel", {"reason": "not wanted"},
                                         known[0]))

    def borrow(self):
        """Takes a lock with a time to live: if its release cannot be confirmed, it expires."""
        key = f"lock:{self.dice.randrange(LOCKS)}"
        lease = self.ask("lease", "POST", "/v1/leases", {"key": key, "ttl_s": LOCK_TTL_S})
        if lease.status != 201:
            return
        time.sleep(self.dice.uniform(0, 0.05))
        token = lease.answer["token"]
        self.ask("release", "DELETE", f"/v1/leases/{key.replace(':', '%3A')}?token={token}",
                 {"key": key, "token": token})


def all_unanswered(entries):
    return [entry for entry in entries if entry.back == NEVER]
