#!/usr/bin/env python3
"""A real pawld and narrow tokens: they neither see nor move what is out of scope, and `pawl tokens` makes and revokes
them while pawld runs. Takes the folder with pawld and pawl."""

import hashlib
import http.client
import json
import os
import pathlib
import re
import stat
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pawld_access_test as access  # noqa: E402

OUTSIDE = "bank"
STANDS = """
name: stands
agents:
  outside: {}
stages:
  - name: work
    agent: outside
    to: done
"""


class WithTokens(access.Pawld):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "tokens"
        self.held = {}

    def add(self, name, *options):
        """Makes a token with pawl, and keeps it. Returns pawl's output."""
        made = self.pawl("tokens", "add", name, "--file", self.file, *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertRegex(made.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.held[name] = made.stdout.strip()
        return made.stderr

    def serve(self, *options):
        self.start("--listen", "127.0.0.1:0", "--tokens", self.file, *options)

    def as_(self, name, method, path, body=None, **headers):
        sent = {"Authorization": f"Bearer {self.held[name]}"} | {key.replace("_", "-"): value for key, value in headers.items()}
        return self.ask(method, path, body, sent, tcp=True)

    def status(self, name):
        return self.as_(name, "GET", "/v1/tasks")[0]


class Narrow(WithTokens):
    def setUp(self):
        super().setUp()
        self.add("w", "--role", "work", "--repos", "shop", "--leases", "deploy:")
        self.add("boss", "--role", "operate", "--repos", "shop")
        self.add("looks", "--role", "read", "--repos", "shop")
        self.serve("--pipeline", self.write("p.yaml", STANDS))
        for number in (1, 2):
            self.submit(OUTSIDE, f"{OUTSIDE}-{number}")
            self.submit("shop", f"shop-{number}")
        self.boot("ask", "bank-worker")
        self.claim = {"agents": ["outside"], "owner": {"boot_id": "bank-worker", "pid": 1, "actor": "worker"}}
        self.assertEqual(self.ask("POST", "/v1/jobs/claim", self.claim)[1]["job"]["task"], 1)
        self.ask("POST", "/v1/leases", {"key": f"repo:{OUTSIDE}", "owner": self.claim["owner"]})
        # Each also has a task in the archive.
        self.ask("POST", "/v1/jobs/1/finished", {"attempt": 1, "result": "failed"}, {"Pawl-Boot": "bank-worker"})
        for task in (1, 2):
            self.assertEqual(self.ask("POST", f"/v1/tasks/{task}/cancel", {"reason": OUTSIDE if task == 1 else "x"})[0], 200)

    def submit(self, repo, work_item):
        status, answer = self.ask("POST", "/v1/tasks", {"work_item": work_item, "repo": repo, "pipeline": "stands"})
        self.assertEqual(status, 201, answer)

    def boot(self, who, name):
        body = {"name": name, "boot_id": name, "pid": 1, "pid_start": 1, "host": "h", "version": "1"}
        asked = self.ask("POST", "/v1/boots", body) if who == "ask" else self.as_(who, "POST", "/v1/boots", body)
        self.assertEqual(asked[0], 201, asked[1])

    def documented(self):
        """Each call of the table of docs/SECURITY.md that takes a token."""
        text = (access.SOURCE / "docs/SECURITY.md").read_text(encoding="utf-8")
        calls = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\w+) \| ([\w ]+) \|$", text, re.MULTILINE)
        self.assertGreater(len(calls), 30)
        return [call for call in calls if call[2] != "none"]

    def test_no_get_shows_what_is_outside(self):
        seen = 0
        for method, path, _, narrow in self.documented():
            if method != "GET":
                continue
            path = path.replace("{seq}", "1")
            for number in ("1", "2", "3", "4", "99") if "{id}" in path else ("",):
                status, answer = self.as_("looks", "GET", path.replace("{id}", number))
                text = answer if isinstance(answer, str) else json.dumps(answer)
                with self.subTest(path=path, id=number, answer=text):
                    self.assertNotIn(OUTSIDE, text)
                    if narrow == "refused":
                        self.assertEqual(status, 403)
                    elif number in ("1", "3", "99"):
                        self.assertEqual((status, answer), self.as_("looks", "GET", path.replace("{id}", "98")))
                        self.assertEqual(status, 404)
                    elif "log" not in path:
                        self.assertEqual(status, 200)
                        seen += "shop" in text
        self.assertGreaterEqual(seen, 4)
        self.assertIn(OUTSIDE, self.ask("GET", "/v1/events")[1])

    def test_nothing_outside_is_moved(self):
        self.boot("w", "mine")
        records = self.ask("GET", "/v1/events?limit=10000")[1].count("\n")
        for method, path, _, narrow in self.documented():
            if method == "GET" or narrow not in ("its tasks", "its jobs", "refused") or path.endswith("/claim"):
                continue
            for number in ("1", "3"):
                target = path.replace("{id}", number).replace("{repo}", OUTSIDE)
                body = {"transition": {"to": "done", "expected_version": 1}, "resolve": {"step": "s", "happened": True},
                        "note": {"text": "n"}, "override": {"reason": "r"},
                        "approval": {"version": 1, "approved": True}, "priority": {"priority": 1}, "gate": {"gate": "work", "version": 1, "passed": True},
                        "steps": {"type": "StepStarted", "version": 1, "step": "s"}, "renew": {"attempt": 1},
                        "started": {"attempt": 1, "pid": 1, "pid_start": 1}, "exited": {"attempt": 1, "exit_code": 0},
                        "finished": {"attempt": 1, "result": "failed"}}.get(path.rsplit("/", 1)[1], {})
                status, answer = self.as_("boss", method, target, body)
                with self.subTest(call=f"{method} {target}", answer=answer):
                    self.assertEqual(status, 403 if narrow == "refused" else 404)
        for key, status in ((f"repo:{OUTSIDE}", 403), ("task:3", 404), ("task:1", 404), ("other", 403), ("a-deploy:", 403)):
            self.assertEqual(self.as_("w", "POST", "/v1/leases",
                                      {"key": key, "owner": {"boot_id": "mine", "pid": 1, "actor": "w"}})[0], status, key)
            self.assertEqual(self.as_("w", "DELETE", f"/v1/leases?key={key}&token=1")[0], status, key)
        self.assertEqual(self.as_("boss", "POST", "/v1/tasks", {"work_item": "n", "repo": OUTSIDE})[0], 403)
        self.assertEqual(self.as_("boss", "POST", "/v1/tasks", {"work_item": "n", "repo": "shop", "depends_on": [3]})[0], 404)
        self.assertEqual(self.as_("boss", "DELETE", "/v1/boots/bank-worker")[0], 404)
        self.assertEqual(self.ask("GET", "/v1/events?limit=10000")[1].count("\n"), records, "it must not be recorded")

    def test_worker_does_its_own_work(self):
        self.boot("w", "mine")
        claim = {"agents": ["outside"], "owner": {"boot_id": "mine", "pid": 1, "actor": "w"}}
        status, answer = self.as_("w", "POST", "/v1/jobs/claim", claim)
        self.assertEqual((status, answer["job"]["task"]), (200, 4), "task 3 precedes it, and is out of scope")
        self.assertEqual(self.as_("w", "POST", "/v1/jobs/claim", claim)[0], 204)
        for key in ("task:4", "repo:shop", "deploy:x"):
            self.assertEqual(self.as_("w", "POST", "/v1/leases", {"key": key, "owner": claim["owner"]})[0], 201, key)
        self.assertEqual(self.as_("w", "POST", "/v1/jobs/4/exited", {"attempt": 1, "exit_code": 0}, Pawl_Boot="mine")[0], 200)

    def test_stream_has_what_is_inside_alone(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=access.PATIENCE_S)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {self.held['looks']}",
                                                         "Accept": "text/event-stream"})
        response = connection.getresponse()
        lines = []
        ended = threading.Event()

        def read():
            for line in response:
                lines.append(line.decode())
                if "the end of it" in lines[-1]:
                    return ended.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.ask("POST", "/v1/tasks/3/note", {"text": "of 3"})
        self.ask("POST", "/v1/tasks/4/note", {"text": "the end of it"})
        self.assertTrue(ended.wait(access.PATIENCE_S), lines)
        text = "".join(lines)
        self.assertNotIn(OUTSIDE, text)
        self.assertNotIn("of 3", text)
        self.assertIn("shop-2", text)


class Keeping(WithTokens):
    def line(self, name, further):
        self.held[name] = os.urandom(32).hex()
        return f"{name} read {hashlib.sha256(self.held[name].encode()).hexdigest()} {further}\n"

    def test_token_that_has_ended_is_not_known(self):
        self.write("tokens", self.line("was", "until=2020-01-01T00:00:00Z") + self.line("is", "until=2999-01-01T00:00:00Z"))
        self.serve()
        self.assertEqual((self.status("was"), self.status("is")), (401, 200))
        listed = self.pawl("tokens", "--file", self.file).stdout
        self.assertRegex(listed, r"was +read +- +- +2020-01-01T00:00:00.000000Z \(ended\)")
        self.assertRegex(listed, r"is +read +- +- +2999-01-01T00:00:00.000000Z\n")
        self.assertNotRegex(listed, r"[0-9a-f]{64}")

    def test_tokens_are_added_and_revoked_while_it_runs(self):
        self.write("tokens", "# who may\n" + self.line("first", "") + "# the end\n")
        self.serve()
        self.assertIn(f"pid {self.daemon.pid}, was told", self.add("second", "--role", "read", "--data", self.data))
        self.wait_until(lambda: self.status("second") == 200)
        self.assertIn(f"pid {self.daemon.pid}, was told",
                      self.add("third", "--role", "read", "--repos", "a,b*", "--until", "30d", "--socket", self.socket))
        self.wait_until(lambda: self.status("third") == 200)
        text = self.file.read_text(encoding="utf-8")
        self.assertEqual([line.split()[:2] for line in text.splitlines()],
                         [["#", "who"], ["first", "read"], ["#", "the"], ["second", "read"], ["third", "read"]])
        self.assertIn(hashlib.sha256(self.held["second"].encode()).hexdigest(), text)
        self.assertNotIn(self.held["second"], text)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        revoked = self.pawl("tokens", "revoke", "first", "--file", self.file, "--data", self.data)
        self.assertEqual((revoked.returncode, revoked.stdout), (0, ""), revoked.stderr)
        self.wait_until(lambda: self.status("first") == 401)
        self.assertEqual((self.status("second"), self.status("third")), (200, 200))
        # Revoking the last one leaves a file that lets no one in, not one that is ignored.
        self.pawl("tokens", "revoke", "second", "--file", self.file, "--data", self.data)
        self.pawl("tokens", "revoke", "third", "--file", self.file, "--data", self.data)
        self.wait_until(lambda: self.status("third") == 401)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir() if path.name.startswith("tokens")), ["tokens"])

    def test_with_json_for_programs(self):
        def said(*words):
            answer = self.pawl("tokens", *words, "--json", "--file", self.file)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            return json.loads(answer.stdout)

        made = said("add", "ci", "--role", "work", "--repos", "shop,team/*", "--leases", "deploy:", "--until", "2999-01-01")
        self.held["ci"] = made.pop("token")
        self.add("old", "--role", "read")
        self.file.write_text(self.file.read_text(encoding="utf-8").rstrip("\n") + " until=2020-01-01T00:00:00Z\n",
                             encoding="utf-8")
        row = {"name": "ci", "role": "work", "repos": ["shop", "team/*"], "agents": [], "leases": ["deploy:"], "groups": [],
               "until": "2999-01-01T00:00:00.000000Z", "ended": False}
        self.assertEqual(made, row)
        self.assertEqual(said(), said("list"))
        self.assertEqual(said("list"), {"items": [row, {"name": "old", "role": "read", "repos": [], "agents": [], "leases": [],
                                                        "groups": [], "until": "2020-01-01T00:00:00.000000Z", "ended": True}]})
        self.serve()
        self.assertEqual(self.status("ci"), 200)
        self.assertEqual(said("revoke", "old"), {"name": "old", "last": False})
        self.assertEqual(said("revoke", "ci"), {"name": "ci", "last": True})

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        self.write("tokens", self.line("first", ""), mode=0o640)
        before = self.file.read_bytes()
        cases = [(1, "first already has a token", ["add", "first", "--role", "read"]),
                 (1, "other has no token", ["revoke", "other"]),
                 (2, "--role takes", ["add", "x"]), (2, "--role takes", ["add", "x", "--role", "root"]),
                 (2, "--until takes", ["add", "x", "--role", "read", "--until", "soon"]),
                 (2, "--until takes", ["add", "x", "--role", "read", "--until", "0d"]),
                 (2, "is in the past", ["add", "x", "--role", "read", "--until", "2020-01-01"]),
                 (2, "without blanks", ["add", "x", "--role", "read", "--agents", "a until=2999-01-01T00:00:00Z"]),
                 (2, "none of them empty", ["add", "x", "--role", "read", "--repos", ""]),
                 (2, "the name must be", ["add", "a b", "--role", "read"]),
                 (2, "the name must be", ["add", "#a", "--role", "read"]), (2, "did you mean", ["revok", "first"]),
                 (2, "the NAME that", ["add"]), (2, "the NAME that", ["revoke"]), (2, "is for add", ["revoke", "first", "--role", "read"])]
        for code, why, words in cases:
            answer = self.pawl("tokens", *words, "--file", self.file)
            with self.subTest(words=words, said=answer.stderr):
                self.assertEqual((answer.returncode, answer.stdout), (code, ""))
                self.assertIn(why, answer.stderr)
                self.assertEqual(self.file.read_bytes(), before)
        self.assertIn("which file?", self.pawl("tokens", PAWL_TOKENS="").stderr)
        self.assertIn("first", self.pawl("tokens", PAWL_TOKENS=str(self.file)).stdout)
        self.file.write_text("nonsense\n", encoding="utf-8")
        refused = self.pawl("tokens", "add", "x", "--role", "read", "--file", self.file)
        self.assertIn("tokens:1: must be NAME ROLE HASH", refused.stderr)
        self.assertEqual(self.file.read_text(encoding="utf-8"), "nonsense\n")

    def test_a_link_and_the_mode_stay(self):
        real = self.write("real", "", mode=0o640)
        self.file.symlink_to(real)
        self.add("x", "--role", "read")
        self.assertTrue(self.file.is_symlink())
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o640)
        self.assertIn("x read ", real.read_text(encoding="utf-8"))

    def test_daemon_without_tokens_is_sent_no_signal(self):
        self.start()
        said = self.add("x", "--role", "read", "--data", self.data)
        self.assertIn("kill -HUP", said)
        self.assertEqual(self.ask("GET", "/readyz")[0], 200)
        self.assertNotIn("SIGHUP", self.said())

    def test_many_at_a_time_lose_none(self):
        def add(name):
            self.pawl("tokens", "add", name, "--role", "read", "--file", self.file)

        adding = [threading.Thread(target=add, args=(f"t{number}",)) for number in range(8)]
        for each in adding:
            each.start()
        for each in adding:
            each.join()
        listed = self.pawl("tokens", "--file", self.file).stdout
        self.assertEqual(sorted(re.findall(r"^(t\d) ", listed, re.MULTILINE)), [f"t{number}" for number in range(8)])


if __name__ == "__main__":
    access.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
