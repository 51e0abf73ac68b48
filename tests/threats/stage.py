"""The stage for each actor: a real pawld with others' work under way, and the checks that must hold afterwards."""

import hashlib
import http.client
import json
import os
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "access"))
import pawld_access_test as access  # noqa: E402

PATIENCE_S = access.PATIENCE_S
# By default one fixed seed; nightly as many seeds as fit into ten minutes, shared among the actors.
NIGHT_S = 600 / 9 if os.environ.get("PAWL_TEST_NIGHTLY") else 0
REQUESTS = 150

# The step has its effect, and then runs until it is released.
HELD = """
name: held
agents:
  sayer: {{run: 'echo said'}}
stages:
  - name: work
    agent: sayer
    gate: {{run: 'true'}}
    to: done
    steps:
      - name: ship
        run: 'echo "$PAWL_STEP_KEY" >>{out}/effects; while [ ! -e {out}/go ]; do sleep 0.05; done'
        probe: 'grep -qx "$PAWL_STEP_KEY" {out}/effects'
        irreversible: true
"""
# For workers: they run the agent and the step.
OUTSIDE = """
name: outside
agents:
  far: {}
stages:
  - name: work
    agent: far
    to: done
    steps:
      - name: ship
        irreversible: true
"""


def seeds():
    """1, and nightly 2, 3, … until the time is up."""
    end = time.monotonic() + NIGHT_S
    seed = 1
    while True:
        yield seed
        seed += 1
        if time.monotonic() >= end:
            return


class Stage(access.Pawld):
    ROLES = {"reader": "read", "a": "work", "b": "work", "boss": "operate"}

    def make_tokens(self):
        self.secret = {name: os.urandom(32).hex() for name in self.ROLES}
        self.write("tokens", "".join(f"{name} {role} {hashlib.sha256(self.secret[name].encode()).hexdigest()}\n"
                                     for name, role in self.ROLES.items()))

    def each_seed(self, play):
        """Plays once per seed, each time on a new stage."""
        for seed in seeds():
            with self.subTest(seed=seed):
                play(random.Random(seed))
            if NIGHT_S:
                print(f"{self.id()}: seed {seed}", flush=True)
                self.doCleanups()
                self.setUp()

    def of(self, name, **more):
        return {"Authorization": f"Bearer {self.secret[name]}"} | more

    def wants(self, status, *asked, **how):
        got = self.ask(*asked, **how)
        self.assertEqual(got[0], status, (asked, got))
        return got[1]

    def raise_curtain(self, *options):
        """Sets up a step of the daemon under way, a job and a lease of worker b, and a queued job."""
        self.make_tokens()
        self.out = self.folder / "out"
        self.out.mkdir()
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens",
                   "--pipeline", self.write("held.yaml", HELD.format(out=self.out)),
                   "--pipeline", self.write("outside.yaml", OUTSIDE), *options)
        self.port_ = self.port()
        self.wants(200, "POST", "/v1/settings", {"queue.max_concurrency": 8, "reconciler.interval_s": 1})
        task = lambda **fields: self.wants(201, "POST", "/v1/tasks", fields)["task"]["id"]
        self.held = task(work_item="A", repo="shop", pipeline="held")
        self.claimed = task(work_item="B", repo="till", pipeline="outside")
        boot = {"name": "b", "boot_id": "boot-b", "pid": 0, "pid_start": 0, "host": "unknown", "version": "1"}
        self.wants(201, "POST", "/v1/boots", boot, self.of("b"))
        owner = {"boot_id": "boot-b", "pid": 0, "actor": "worker"}
        with_key = self.of("b", **{"Pawl-Boot": "boot-b", "Idempotency-Key": "victim"})
        self.claimed_job = self.wants(200, "POST", "/v1/jobs/claim", {"agents": ["far"], "owner": owner}, with_key)["job"]["id"]
        self.claimed_token = self.wants(201, "POST", "/v1/leases", {"key": f"task:{self.claimed}", "owner": owner},
                                        self.of("b", **{"Pawl-Boot": "boot-b"}))["token"]
        self.free = task(work_item="C", repo="free", pipeline="outside")
        self.held_job = self.wants(200, "GET", f"/v1/jobs?task={self.held}")["items"][0]["id"]
        self.wait_until(lambda: self.effects())
        start = next(record for record in self.records() if record["type"] == "StepStarted")
        self.step_start = start["seq"]
        self.daemon_boot = start["boot"]
        leases = {row["key"]: row["token"] for row in self.wants(200, "GET", "/v1/leases")["items"]}
        self.held_token = leases[f"task:{self.held}"]
        self.step_pid = self.find_step()
        stat = pathlib.Path(f"/proc/{self.step_pid}/stat").read_text(encoding="utf-8")
        self.step_pid_start = int(stat.rsplit(") ", 1)[1].split()[19])
        self.step_run = next(word.split(b"=")[1].decode() for word in
                             pathlib.Path(f"/proc/{self.step_pid}/environ").read_bytes().split(b"\0") if word.startswith(b"PAWL_RUN="))
        self.begun_at = self.records()[-1]["seq"]
        self.seen = self.folder / "seen"
        seen = self.pawl("witness", "--socket", self.socket, "--to", str(self.seen))
        self.assertEqual(seen.returncode, 0, seen.stderr)

    def find_step(self):
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"/bin/sh\0-c\0") and \
                        f"{self.out}/go".encode() in (entry / "cmdline").read_bytes():
                    return int(entry.name)
            except OSError:
                pass
        self.fail("the step's process was not found")

    def effects(self):
        path = self.out / "effects"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def records(self, after=0):
        found = []
        while True:
            status, text = self.ask("GET", f"/v1/events?after={after}&limit=10000")
            self.assertEqual(status, 200)
            more = [json.loads(line) for line in text.splitlines()]
            if not more:
                return found
            found += more
            after = more[-1]["seq"]

    def made_by(self, principal):
        return [record for record in self.records(self.begun_at) if record.get("principal") == principal]

    def accepted_of(self, principal):
        return [record for record in self.made_by(principal) if record["outcome"] == "accepted"]

    def send(self, request, headers=()):
        """Sends a request, valid or not; returns status and body, status 0 if the connection was closed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port_, timeout=PATIENCE_S)
        try:
            connection.putrequest(request.method, request.path)
            for name, value in [*headers, *request.headers]:
                connection.putheader(name, value)
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (http.client.HTTPException, OSError):
            status, text = 0, b""
        finally:
            connection.close()
        self.assertNotEqual(status, 500, (request, text))
        return status, text

    def let_down_curtain(self):
        """What was under way finishes as if the actor had not been there."""
        self.assertTrue(pathlib.Path(f"/proc/{self.step_pid}").exists(), "the daemon's step was ended")
        (self.out / "go").touch()
        self.wait_until(lambda: self.ask("GET", f"/v1/tasks/{self.held}")[1]["stage"] == "done")
        self.assertEqual(self.effects(), [f"{self.held}-1-ship"])
        as_b = self.of("b", **{"Pawl-Boot": "boot-b"})
        self.wants(200, "POST", f"/v1/jobs/{self.claimed_job}/exited", {"attempt": 1, "exit_code": 0}, as_b)
        step = {"version": 1, "step": "ship", "token": self.claimed_token}
        started = self.wants(200, "POST", f"/v1/tasks/{self.claimed}/steps",
                             step | {"type": "StepStarted", "to": "done", "run": "run-b"}, as_b)["seq"]
        self.wants(200, "POST", f"/v1/tasks/{self.claimed}/steps",
                   step | {"type": "StepFinished", "started": started, "outcome": "done", "by": "command"}, as_b)
        moved = {"to": "done", "expected_version": 1, "token": self.claimed_token}
        self.wants(200, "POST", f"/v1/tasks/{self.claimed}/transition", moved, as_b)
        self.is_sound()

    def is_sound(self):
        """The daemon answers, and `pawl check` finds nothing in its log, nor against the earlier witness file."""
        self.assertEqual(self.ask("GET", "/readyz")[0], 200)
        witness = ["--witness", str(self.seen)] if hasattr(self, "seen") and self.seen.exists() else []
        found = self.pawl("check", str(self.data), *witness)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)
