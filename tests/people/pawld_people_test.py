#!/usr/bin/env python3
"""What people say to a real pawld counts once, for what they looked at, and through kills. Takes the paths of pawld and
pawl."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "alerts"))
from pawld_kit import PATIENCE_S, PawldTest, run  # noqa: E402

PIPELINE = """
name: delivery
stages:
  - name: review
    gate:
      run: ["/bin/sh", "-c", "echo checked >> {folder}/gates; test ! -e {folder}/red"]
      approve: {{by: [ann, "group:release"], {more}}}
    to: ship
  - name: ship
    to: done
    steps:
      - name: publish
        run: ["/bin/sh", "-c", "git rev-parse HEAD >> {folder}/published"]
        irreversible: true
        probe: ["/bin/sh", "-c", "grep -q . {folder}/published"]
"""


class People(PawldTest):
    def setUp(self):
        super().setUp()
        self.origin, self.clone = self.folder / "origin.git", self.folder / "clone"
        self.git("init", "-q", "--bare", "-b", "main", self.origin)
        self.git("clone", "-q", self.origin, self.clone)
        self.push("main")
        self.tokens = {}
        lines = ""
        for name, further in (("ann", ""), ("bob", " groups=release,staff"), ("eve", " groups=staff")):
            self.tokens[name] = f"token-of-{name}-{os.urandom(8).hex()}"
            self.secret(f"token-of-{name}", self.tokens[name])
            lines += f"{name} read {hashlib.sha256(self.tokens[name].encode()).hexdigest()}{further}\n"
        self.file = self.secret("tokens", lines)

    def git(self, *words, at=None):
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "tester"), ("EMAIL", "tester@example.org"))}
        done = subprocess.run(["git", *words], cwd=at or self.folder, env=os.environ | identity, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def push(self, branch):
        self.git("checkout", "-q", "-B", branch, at=self.clone)
        self.git("commit", "-q", "--allow-empty", "-m", branch, at=self.clone)
        self.git("push", "-q", "origin", branch, at=self.clone)
        return self.git("rev-parse", "HEAD", at=self.clone)

    def start(self, more="need: 1"):
        pipeline = self.folder / "pipeline.yaml"
        pipeline.write_text(PIPELINE.format(folder=self.folder, more=more), encoding="utf-8")
        self.start_pawld("--pipeline", pipeline, "--repo", f"shop={self.origin}", "--tokens", self.file)
        self.wants(200, "POST", "/v1/settings", {"reconciler.interval_s": 1})

    def pawl(self, *words, as_=None):
        token = {"PAWL_TOKEN_FILE": str(self.folder / f"token-of-{as_}")} if as_ else {}
        done = subprocess.run([self.pawl_path, *words, "--socket", self.socket], capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S, env=os.environ | token)
        return done.returncode, done.stdout + done.stderr

    def task(self, number=1):
        return self.request("GET", f"/v1/tasks/{number}")[1]

    def submit(self):
        head = self.push("feature")
        self.wants(201, "POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "branch": "feature"})
        self.wait_for_question(head)
        return head

    def wait_for_question(self, head):
        self.wait_until(lambda: (self.task()["approval"] or {}).get("head") == head, self.task)

    def wait_for_passes(self, more):
        def passes():
            return self.request("GET", "/queue")[1]["reconciler"]["passes_total"]

        until = passes() + more
        self.wait_until(lambda: passes() >= until)

    def published(self):
        path = self.folder / "published"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def gates(self):
        return (self.folder / "gates").read_text(encoding="utf-8").count("checked")

    def check(self):
        checked = subprocess.run([self.pawl_path, "check", "--data", self.folder / "data"], capture_output=True, text=True,
                                 check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_a_delivery_with_a_hold_in_its_midst_and_an_override(self):
        self.start()
        first = self.submit()
        code, said = self.pawl("approve", "W-1", as_="eve")
        self.assertEqual(code, 1)
        self.assertIn("may_not_approve: you may not answer for it", said)
        self.assertIn("token:ann or group:release may", said)

        second = self.push("feature")
        self.wait_for_question(second)
        code, said = self.pawl("approve", "W-1", "--head", first, as_="ann")
        self.assertEqual(code, 1)
        self.assertIn("stale_head: the question is about another commit", said)
        self.assertIn(f"it is about commit {second}", said)

        self.assertEqual(self.pawl("hold", "pipeline:delivery", "--reason", "holidays")[0], 0)
        code, said = self.pawl("approve", "W-1", "--head", second[:12], "--reason", "looks right", as_="bob")
        self.assertEqual(code, 0, said)
        self.assertEqual(self.task()["approval"]["said"][0]["as"], "group:release")
        self.kill_pawld()
        self.start()
        self.assertRegex(self.pawl("stuck", "--all")[1], "it waits: pipeline:delivery is held by uid:[0-9]+: holidays")
        self.assertEqual(self.published(), [])
        self.assertEqual(self.pawl("override", "W-1", "--reason", "it mends the outage")[0], 0)
        self.wait_until(lambda: self.task()["stage"] == "ship", self.task)
        self.assertEqual(self.pawl("resume", "pipeline:delivery")[0], 0)
        self.wait_until(lambda: self.task()["stage"] == "done", self.task)
        self.assertEqual(self.published(), [second])

        code, said = self.pawl("approve", "W-1", as_="ann")
        self.assertEqual(code, 1)
        self.assertIn("no approval is asked for: task 1 (W-1 of shop): done", said)
        told = subprocess.run([self.pawl_path, "explain", "--data", self.folder / "data", "task:1"], capture_output=True,
                              text=True, check=True).stdout
        for sentence in (f"asks for an approval of version 1 at {first}", f"asks for an approval of version 1 at {second}",
                         "tries to approve version 1 as token:eve", "holds pipeline:delivery: holidays",
                         "approves version 1 as token:bob (group:release): looks right",
                         "lets task 1 past what holds it: it mends the outage"):
            self.assertIn(sentence, told)
        self.check()

    def test_waiting_for_people_costs_nothing_and_survives_a_kill(self):
        self.start()
        head = self.submit()
        self.wait_for_passes(1)  # the path that has asked gives its lease back
        records = self.wants(200, "GET", "/v1/head")["seq"]
        self.wait_for_passes(3)
        self.assertEqual(self.wants(200, "GET", "/v1/head")["seq"], records)
        self.assertEqual(self.gates(), 1)
        self.kill_pawld()
        self.start()
        self.assertEqual(self.task()["approval"]["head"], head)
        self.assertEqual(self.pawl("approve", "W-1", as_="ann")[0], 0)
        self.wait_until(lambda: self.task()["stage"] == "done", self.task)
        self.assertEqual(self.published(), [head])
        self.check()

    def test_a_gate_that_has_turned_red_stops_what_was_approved(self):
        self.start()
        head = self.submit()
        (self.folder / "red").touch()
        self.assertEqual(self.pawl("approve", "W-1", as_="ann")[0], 0)
        self.wait_until(lambda: (self.task()["gate"] or {}).get("passed") is False, self.task)
        self.assertEqual(self.task()["stage"], "review")
        (self.folder / "red").unlink()
        self.wait_until(lambda: self.task()["stage"] == "done", self.task)
        self.assertEqual(self.published(), [head])
        self.check()

    def test_a_late_answer_counts_for_nothing_and_a_rejection_is_asked_about_again(self):
        self.start("timeout_s: 1")
        self.submit()
        self.wait_until(lambda: self.task()["blocked"] == "approval_timed_out", self.task)
        code, said = self.pawl("approve", "W-1", as_="ann")
        self.assertEqual(code, 1)
        self.assertRegex(said, r"not_asked: .* the time for an answer was over at 20")
        self.assertIn("try: pawl unblock 1", self.pawl("stuck")[1])

        self.start("timeout_s: 3600")  # counts for tasks that are submitted from now on
        self.assertEqual(self.pawl("cancel", "W-1")[0], 0)
        self.wait_until(lambda: self.task()["stage"] == "cancelled", self.task)
        self.push("feature")
        self.wants(201, "POST", "/v1/tasks", {"work_item": "W-2", "repo": "shop", "branch": "feature"})
        self.wait_until(lambda: self.task(2)["approval"], lambda: self.task(2))
        code, said = self.pawl("reject", "W-2", as_="ann")
        self.assertEqual((code, said), (2, "pawl: reject: give --reason: those whose work it is need it to go on\n"))
        self.assertEqual(self.pawl("reject", "W-2", "--reason", "not like this", as_="ann")[0], 0)
        self.wait_until(lambda: self.task(2)["blocked"] == "rejected by token:ann: not like this", lambda: self.task(2))
        self.assertEqual(self.pawl("unblock", "W-2")[0], 0)
        self.wait_until(lambda: self.task(2)["approval"] and not self.task(2)["approval"]["said"], lambda: self.task(2))
        self.assertEqual(self.pawl("approve", "W-2", as_="bob")[0], 0)
        self.wait_until(lambda: self.task(2)["stage"] == "done", lambda: self.task(2))
        self.assertEqual(len(self.published()), 1)
        self.check()

    def kill_pawld(self):
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()


if __name__ == "__main__":
    People.pawl_path = str(pathlib.Path(sys.argv.pop(2)).resolve())
    run(People)
