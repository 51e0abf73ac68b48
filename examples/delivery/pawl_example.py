"""What the examples and their tests share: the branches, a pawld, and a view of its log."""

import calendar
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPO = "shop"
STAGES = ["analysis", "development", "review", "testing", "deploy-staging", "deploy", "done"]

# (work item, branch, whether it should be delivered)
BRANCHES = [
    ("SHOP-1", "feature/discount", True),
    ("SHOP-2", "feature/rounding", False),  # fails its tests
    ("SHOP-3", "feature/vat", True),
    ("SHOP-4", "feature/banner", False),  # conflicts with main
    ("SHOP-5", "feature/change", True),
    ("SHOP-6", "feature/receipt", True),
]

# A branch that stays red gets one more round and is then blocked, instead of three more; and a task waits at most a
# second for the reconciler. Leases and the order on one repository are unchanged.
SETTINGS = ["pipeline.max_rollbacks=1", "queue.max_concurrency=2", "reconciler.interval_s=1", "reaper.interval_s=1"]

TERMINAL_STAGES = ("done", "cancelled")
# The events whose records may block a task or unblock it.
MAY_BLOCK = {"StageTransition", "TaskBlocked", "TaskUnblocked", "JobFinished", "JobReaped"}

# Long enough for any machine; only a broken run waits this long.
PATIENCE_S = 240


class ExampleError(Exception):
    """Something went wrong. The text is for people."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Example:
    """The folders of one run of the example, and its pawld."""

    def __init__(self, binaries, into, pipeline=HERE / "pipeline.yaml", options=()):
        self.pipeline = pipeline
        self.options = options  # further ones of pawld
        self.binaries = pathlib.Path(binaries).resolve()
        self.into = pathlib.Path(into).resolve()
        self.data = self.into / "data"
        self.origin = self.into / "origin.git"
        self.site = self.into / "site"
        self.daemon = None
        self._starts = 0
        self._socket_folder = None
        self.socket = str(self.data / "pawl.sock")
        if len(self.socket) > 100:  # sockaddr_un has room for 107 bytes
            self._socket_folder = tempfile.TemporaryDirectory(prefix="pawl-")
            self.socket = self._socket_folder.name + "/pawl.sock"

    def make_repo(self):
        run(HERE / "make-repo", self.into)

    def start(self):
        """Starts pawld and returns once it is ready."""
        self.spawn()
        self.await_ready()

    def spawn(self):
        """Starts pawld. Its messages go to pawld-N.log, where N is the number of the start."""
        self._starts += 1
        self.log_file = self.into / f"pawld-{self._starts}.log"
        with open(self.log_file, "wb") as log:
            # A separate session: Ctrl-C goes to the script, which then ends pawld as a service manager would.
            self.daemon = subprocess.Popen(
                [self.binaries / "pawld", "--data", self.data, "--socket", self.socket,
                 "--pipeline", self.pipeline, "--repo", f"{REPO}={self.origin}", *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def await_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.daemon.poll() is not None:
                raise ExampleError(f"pawld ended with {self.daemon.returncode}:\n{self.log_file.read_text()}")
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass  # no socket yet
            time.sleep(0.02)
        raise ExampleError(f"pawld did not become ready:\n{self.log_file.read_text()}")

    def page(self):
        """The address of its web page. Requires: an option `--listen`."""
        return f"http://127.0.0.1:{re.search('serving on 127.0.0.1 port ([0-9]+)', self.log_file.read_text())[1]}/"

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(PATIENCE_S)
        return self.daemon.returncode if self.daemon else None

    def kill(self):
        """kill -9, without warning."""
        self.daemon.kill()
        self.daemon.wait()

    def request(self, method, path, body=None, timeout=60, headers=None):
        """(status, the answer's JSON, or its text if it is not JSON)"""
        connection = UnixConnection(self.socket, timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} | (headers or {}))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def get(self, path):
        status, answer = self.request("GET", path)
        if status != 200:
            raise ExampleError(f"GET {path}: {status} {answer}")
        return answer

    def events(self, after, wait_s=1):
        """The records after a seq; waits for one if there is none yet. Empty if none came."""
        status, text = self.request("GET", f"/v1/events?after={after}&wait_s={wait_s}")
        if isinstance(text, dict):  # a single line is itself valid JSON
            if status != 200:
                raise ExampleError(f"GET /v1/events: {status} {text}")
            return [text]
        if status != 200:
            raise ExampleError(f"GET /v1/events: {status} {text}")
        return [json.loads(line) for line in text.splitlines() if line]

    def pawl(self, command, *words):
        """Runs pawl against the daemon, as a person would."""
        return run(self.binaries / "pawl", command, "--socket", self.socket, *words)

    def pawl_offline(self, *words):
        return run(self.binaries / "pawl", *words)

    def submit(self, work_item, branch):
        return self.pawl("submit", work_item, "--repo", REPO, "--branch", branch)

    # ---- the state of the branches, as seen from outside: pawl is not asked -----------------------------------------
    def git(self, *words):
        return run("git", "-C", self.origin, *words).strip()

    def merges_of(self, branch):
        """The commits on origin's main, first parents only, that merged the head of that branch."""
        head = self.git("rev-parse", f"refs/heads/{branch}")
        lines = self.git("log", "--first-parent", "--format=%H %P", "main").splitlines()
        return [line.split()[0] for line in lines if head in line.split()[2:]]

    def has_on_main(self, branch):
        return subprocess.run(["git", "-C", self.origin, "merge-base", "--is-ancestor", branch, "main"]).returncode == 0

    def deployed_commit(self):
        current = self.site / "current" / "commit"
        return current.read_text().strip() if current.exists() else None

    def left_over(self):
        """Processes whose working directory is in the data folder: (pid, command line)."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "cwd").startswith(str(self.data)):
                    found.append((folder.name, (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
            except OSError:
                pass  # it is gone, or not ours
        return found

    def problems(self, branches=BRANCHES):
        """Where the deliveries differ from the expected result; one sentence each."""
        found = []
        for work_item, branch, delivered in branches:
            merges = self.merges_of(branch)
            if delivered and len(merges) != 1:
                found.append(f"{work_item}: {branch} is merged {len(merges)} times, not once")
            if not delivered and (merges or self.has_on_main(branch)):
                found.append(f"{work_item}: {branch} is on main, but must not be")
        total = len(self.git("log", "--first-parent", "--merges", "--format=%H", "main").splitlines())
        expected = sum(delivered for _, _, delivered in branches)
        if total != expected:
            found.append(f"main has {total} merges, not {expected}")
        if self.deployed_commit() != self.git("rev-parse", "main"):
            found.append(f"the deployed commit is {self.deployed_commit()}, not main")
        return found


class View:
    """What the log says about the tasks, record by record. Some records block a task; that is looked up in the task
    itself."""

    def __init__(self, example):
        self.example = example
        self.seq = 0
        self.began = None
        self.time = None
        self.tasks = {}

    def take_next(self, wait_s=1):
        """Waits for records and takes them; returns them and their news: [(work item, sentence)]."""
        records = self.example.events(self.seq, wait_s)
        told = [sentence for sentence in map(self._take, records) if sentence]
        if any(record["type"] in MAY_BLOCK for record in records):
            told += self._look_for_blocked()
        return records, told

    def settled(self):
        return len(self.tasks) >= len(BRANCHES) and all(row.settled for row in self.tasks.values())

    def _take(self, record):
        if record["seq"] != self.seq + 1:
            raise ExampleError(f"record {record['seq']} follows {self.seq}")
        self.seq = record["seq"]
        self.time = _seconds(record["time"])
        self.began = self.time if self.began is None else self.began
        if record["outcome"] != "accepted":
            return None
        kind, data = record["type"], record["data"]
        if kind == "TaskCreated":
            number = len(self.tasks) + 1  # ids count up from 1
            stage = data["stage"] or STAGES[0]
            row = Row(number, data["work_item"], data["branch"], stage, self.time, self.example.data / "logs")
            self.tasks[number] = row
            return row.work_item, f"submitted, {row.stage}"
        row = self.tasks.get(data.get("task"))
        sentence = row.take(kind, data) if row else None
        if not sentence:
            return None
        row.time = self.time
        return row.work_item, sentence

    def _look_for_blocked(self):
        told = []
        for row in self.tasks.values():
            if row.stage in TERMINAL_STAGES:
                continue
            task = self.example.get(f"/v1/tasks/{row.id}")
            task = task.get("task", task)
            if task["blocked"] and not row.blocked:
                told.append((row.work_item, f"blocked: {task['blocked']}"))
            row.blocked = task["blocked"]
        return told


class Row:
    """One task."""

    def __init__(self, number, work_item, branch, stage, now, logs):
        self.id = number
        self.work_item = work_item
        self.branch = branch
        self.stage = stage
        self.began = self.time = now
        self.logs = logs
        self.blocked = None
        self.rollbacks = []  # (from which stage, why)
        self.words = None  # of the last gate that was not green, or the last step that failed

    @property
    def settled(self):
        return self.stage in TERMINAL_STAGES or self.blocked is not None

    def take(self, kind, data):
        """Takes one record; returns a sentence if it is news."""
        if kind == "StageTransition":
            came_from, self.stage = self.stage, data["to"]
            if _index(self.stage) > _index(came_from):
                return f"{came_from} → {self.stage}"
            why = self.words or data["reason"]
            self.rollbacks.append((came_from, why))
            self.words = None
            return f"{came_from} ↩ {self.stage}: {why}"
        if kind == "GateEvaluated" and data["passed"] is not True:
            self.words = data["reason"]
        if kind == "StepFinished" and data["outcome"] != "done":
            of_step = (self.logs / f"task-{self.id}").glob(f"v{data['version']}~*~step~{data['step']}~*.log")
            words = last_line(max(of_step, default=self.logs / "none"))
            self.words = f"{data['step']}: {words or data['outcome']}"
        if kind == "TaskCancelled":
            self.stage = "cancelled"
            return "cancelled"
        return None


def last_line(path):
    """The last non-empty line of a file; None if it has none, or does not exist."""
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return None
    return lines[-1] if lines else None


def _index(stage):
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _seconds(text):
    whole, micros = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + int(micros) / 1e6


def run(*words):
    """Runs a command to its end, and returns its output."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=os.environ)
    if done.returncode != 0:
        command = " ".join(str(word) for word in words)
        raise ExampleError(f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
