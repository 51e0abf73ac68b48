#!/usr/bin/env python3
"""What a real pawld tells a forge that fails, stalls and drops connections, while pawld is killed. Takes the
paths of pawld and pawl."""

import collections
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "alerts"))
from pawld_kit import PATIENCE_S, PawldTest, recording_hook, run  # noqa: E402

TOKEN = "t0ken-of-the-forge"
PIPELINE = """
name: delivery
agents:
  coder:
    run: ["/bin/true"]
stages:
  - name: build
    agent: coder
    gate:
      run: ["/bin/sh", "-c", "{gate}"]
    to: review
  - name: review
    to: done
"""


class ForgeHandler(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent, and then answers as the test's plan says: a status; `drop`, a closed connection; `hold`, no
    answer until the test goes on."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        forge = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with forge.lock:
            is_status = "/statuses/" in self.path
            plans = forge.plan if is_status or forge.plan else forge.comment_plan
            plan = plans.popleft() if plans else 201
            forge.tokens.add(self.headers["Authorization"])
            taken = plan in (201, "drop", "hold")
            if taken and is_status:
                forge.statuses.append((self.path.rsplit("/", 1)[1], body["context"], body["state"], body))
            elif taken:
                forge.comments.append((int(self.path.split("/")[-2]), body["body"]))
            forge.arrived += 1
        if plan == "hold":
            forge.go_on.wait(PATIENCE_S)
        if plan in ("hold", "drop"):
            self.close_connection = True
            return
        self.answer(plan, {})

    def do_GET(self):
        forge = self.server
        issue = int(urllib.parse.urlsplit(self.path).path.split("/")[-2])
        page = int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["page"][0])
        with forge.lock:
            found = [{"body": text} for number, text in forge.comments if number == issue] if page == 1 else []
        self.answer(200, found)

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class ForgeServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ForgeHandler)
        self.lock = threading.Lock()
        self.plan = collections.deque()
        self.comment_plan = collections.deque()  # of comments, once the other is empty
        self.go_on = threading.Event()
        self.statuses = []
        self.comments = []
        self.tokens = set()
        self.arrived = 0

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a pawld that was killed
            super().handle_error(request, client_address)


class Forges(PawldTest):
    def setUp(self):
        super().setUp()
        self.forge = self.serve(ForgeServer())
        self.addCleanup(self.forge.go_on.set)
        self.heads = {}
        self.origin = self.folder / "origin.git"
        self.git("init", "-q", "--bare", "-b", "main", self.origin)
        self.clone = self.folder / "clone"
        self.git("clone", "-q", self.origin, self.clone)
        self.commit("main")

    def git(self, *words, at=None):
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "tester"), ("EMAIL", "tester@example.org"))}
        done = subprocess.run(["git", *words], cwd=at or self.folder, env=os.environ | identity, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, branch):
        """Makes a branch at origin with a commit of its own, and returns that."""
        self.git("checkout", "-q", "-B", branch, at=self.clone)
        self.git("commit", "-q", "--allow-empty", "-m", branch, at=self.clone)
        self.git("push", "-q", "origin", branch, at=self.clone)
        return self.git("rev-parse", "HEAD", at=self.clone)

    def start(self, *options, gate="true"):
        self.forge.go_on.clear()
        pipeline = self.folder / "pipeline.yaml"
        pipeline.write_text(PIPELINE.format(gate=gate), encoding="utf-8")
        self.start_pawld("--pipeline", pipeline, "--repo", f"shop={self.origin}", "--forge", "shop=github:acme/shop:SHOP",
                         "--forge-token-file", f"shop={self.secret('token', TOKEN)}",
                         "--forge-url", f"shop=http://127.0.0.1:{self.forge.server_port}",
                         "--forge-comment", "shop=done,blocked", "--page-url", "https://pawl.example/", *options)
        # From here on it tells what happens.
        self.wait_until((self.folder / "data/forges").exists)

    def kill_pawld(self):
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.forge.go_on.set()

    def submit(self, number):
        branch = f"shop-{number}"
        self.heads[number] = self.commit(branch)
        self.wants(201, "POST", "/v1/tasks", {"work_item": f"SHOP-{number}", "repo": "shop", "branch": branch})

    def plan(self, *answers):
        with self.forge.lock:
            self.forge.plan.extend(answers)

    def counts(self):
        return {name: numbers["github"] for name, numbers in self.request("GET", "/queue")[1]["forges"].items()}

    def wait_until_told(self):
        def is_told():
            queue = self.request("GET", "/queue")[1]
            return queue["tasks"]["live"] == 0 and queue["forges"]["waiting"]["github"] == 0

        self.wait_until(is_told, lambda: self.forge.statuses)

    def states(self, head, context):
        return [state for commit, of, state, _ in self.forge.statuses if (commit, of) == (head, context)]

    def check_delivered(self, number):
        for stage in "build", "review":
            states = self.states(self.heads[number], f"pawl/{stage}")
            self.assertIn("success", states, f"{stage} of SHOP-{number}")
            first = states.index("success")
            self.assertEqual(set(states[first:]), {"success"}, f"stale after newer: {stage} of SHOP-{number}: {states}")
        told = [text for issue, text in self.forge.comments if issue == number]
        self.assertEqual(len(told), 1, told)
        self.assertRegex(told[0], r"is delivered\.[^<]*https://pawl\.example/#/task/\d+\s+<!-- pawl task \d+ record \d+ ")

    def test_a_task_is_told_from_its_start_to_its_end(self):
        self.start()
        self.submit(1)
        self.wait_until_told()
        self.check_delivered(1)
        self.assertEqual(self.forge.tokens, {f"Bearer {TOKEN}"})
        bodies = [body for _, _, _, body in self.forge.statuses]
        self.assertEqual({body["target_url"] for body in bodies}, {"https://pawl.example/#/task/1"})
        self.assertTrue(all(len(body["description"].encode()) <= 140 for body in bodies))
        self.assertIn("delivered", [body["description"] for body in bodies])
        self.assertGreaterEqual(self.counts()["told"], 3)
        shown = subprocess.run([self.pawl_path, "queue", "--socket", self.socket], capture_output=True, text=True, check=True)
        self.assertRegex(shown.stdout, r"forges +waiting: none +told: github \d+; retried: none; refused: none\n")
        self.assertNotIn(TOKEN, self.said())

    def test_a_red_gate_is_a_failure_and_a_block_is_commented_on(self):
        self.start(gate="echo 3 tests failed; exit 1")
        self.wants(200, "POST", "/v1/settings", {"job.max_attempts": 1})
        self.submit(7)
        self.wait_until(lambda: any("is blocked" in text for _, text in self.forge.comments), lambda: self.forge.statuses)
        self.wait_until(lambda: self.counts()["waiting"] == 0)
        self.assertEqual(self.states(self.heads[7], "pawl/build")[-1], "failure")
        self.assertIn("3 tests failed", self.forge.statuses[-1][3]["description"])
        self.assertRegex(self.forge.comments[0][1], "```text\n.*3 tests failed\n```")

    def test_a_comment_whose_answer_is_lost_is_written_once(self):
        self.start()
        self.forge.comment_plan.append("drop")  # on a connection that the statuses have left open
        self.submit(1)
        self.wait_until_told()
        self.check_delivered(1)
        self.assertEqual(self.counts()["retried"], 1)

    def test_everything_arrives_although_the_forge_fails_and_pawld_is_killed(self):
        number = 0
        for plan in (["drop", 500, "hold"], [201, 201, "hold"], [503, "drop", 201, "drop", 201, "hold"],
                     [201, 201, 201, 201, "hold"], ["hold"]):
            self.start()
            before = self.forge.arrived
            self.plan(*plan)
            for _ in range(2):
                number += 1
                self.submit(number)
            self.wait_until(lambda at=before + len(plan): self.forge.arrived >= at, lambda: self.forge.statuses)
            self.kill_pawld()
        self.start()
        self.wait_until_told()
        for each in range(1, number + 1):
            self.check_delivered(each)

    def test_a_forge_that_fails_delays_no_task_and_catches_up(self):
        self.start()
        self.plan(500, 500)
        for number in range(1, 4):
            self.submit(number)
        self.wait_until(lambda: self.request("GET", "/queue")[1]["tasks"]["live"] == 0)
        self.assertGreater(self.counts()["waiting"], 0, "they are done before the forge knows")
        self.wait_until_told()
        for number in range(1, 4):
            self.check_delivered(number)
        self.assertEqual(self.counts()["retried"], 2)

    def test_what_a_forge_refuses_is_alerted_once(self):
        hook = self.serve(recording_hook())
        self.start("--alert-url", f"http://127.0.0.1:{hook.server_port}/")
        self.plan(*[404] * 100)
        self.submit(1)
        self.wait_until_told()
        alert = json.loads(hook.requests.get(timeout=PATIENCE_S)[3])
        self.assertRegex(alert["reason"], "^word_refused: the status pawl/build of commit [0-9a-f]{12}: HTTP 404")
        self.assertEqual((alert["work_item"], alert["seq"]), ("SHOP-1", None))
        self.assertGreater(self.counts()["refused"], 1)
        self.assertEqual(len(re.findall("did not accept the status", self.said())), 1)

    def test_the_past_is_not_told(self):
        plain = self.folder / "plain.yaml"
        plain.write_text(PIPELINE.format(gate="true"), encoding="utf-8")
        self.start_pawld("--pipeline", plain, "--repo", f"shop={self.origin}")
        self.submit(1)
        self.wait_until(lambda: self.request("GET", "/queue")[1]["tasks"]["live"] == 0)
        self.start()
        self.submit(2)
        self.wait_until_told()
        self.check_delivered(2)
        self.assertEqual({commit for commit, _, _, _ in self.forge.statuses}, {self.heads[2]})

    def test_what_happened_before_a_restore_is_not_told_again(self):
        self.start()
        self.submit(1)
        self.wait_until_told()
        self.kill_pawld()
        data, backup = self.folder / "data", self.folder / "backup"
        subprocess.run([self.pawl_path, "backup", data, backup], check=True, capture_output=True)
        data.rename(self.folder / "old")
        subprocess.run([self.pawl_path, "restore", backup, data], check=True, capture_output=True)
        told = len(self.forge.statuses)
        self.start()
        self.submit(2)
        self.wait_until_told()
        self.check_delivered(2)
        self.assertEqual({commit for commit, _, _, _ in self.forge.statuses[told:]}, {self.heads[2]})

    def test_what_cannot_work_is_refused(self):
        self.assertIn("needs --forge-token-file", self.refused("--forge", "shop=github:acme/shop"))
        self.assertIn("is not KIND:OWNER/NAME", self.refused("--forge", "shop=acme/shop"))


if __name__ == "__main__":
    Forges.pawl_path = pathlib.Path(sys.argv.pop(2)).resolve()
    run(Forges)
