#!/usr/bin/env python3
"""A real pawld among strangers: roles, secrets, hostile names and crowds. Takes the folder with pawld and pawl."""

import fcntl
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/delivery"))
from pawl_example import UnixConnection  # noqa: E402

BIN = None
PATIENCE_S = 60
SOURCE = pathlib.Path(__file__).resolve().parents[2]
ROLES = ["none", "read", "work", "operate"]


class Pawld(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.socket = str(self.folder / "s")
        self.daemon = None

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def start(self, *options):
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen([BIN / "pawld", "--data", self.data, "--socket", self.socket, *options],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.kill)
        self.wait_until(self.is_ready)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def said(self):
        return (self.folder / "pawld.log").read_text(encoding="utf-8")

    def port(self):
        # It serves before it says so: a separate thread writes its messages.
        self.wait_until(lambda: re.search(r"127\.0\.0\.1 port (\d+)", self.said()))
        return int(re.search(r"127\.0\.0\.1 port (\d+)", self.said()).group(1))

    def is_ready(self):
        self.assertIsNone(self.daemon.poll(), self.said())
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def wait_until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        self.fail(f"never came true\n{self.said()}")

    def ask(self, method, path, body=None, headers=None, tcp=False):
        """Status and JSON; a body of bytes is sent as it is."""
        connection = (http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE_S) if tcp
                      else UnixConnection(self.socket, PATIENCE_S))
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, sent, headers or {})
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.getheader("Content-Type") == "application/json"
            return response.status, json.loads(text or "null") if is_json else text
        finally:
            connection.close()

    def pawl(self, *words, **environment):
        return subprocess.run([BIN / "pawl", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                              env=os.environ | environment)

    def token(self, name):
        """A token, made as the documentation says; and its line for the file."""
        token = os.urandom(32).hex()
        self.write(f"{name}.token", token + "\n")
        return token, f"{name} {name} {hashlib.sha256(token.encode()).hexdigest()}\n"

    def tokens(self):
        made = {role: self.token(role) for role in ROLES[1:]}
        self.write("tokens", "# who may\n" + "".join(line for _, line in made.values()))
        return {role: token for role, (token, _) in made.items()}


class Tokens(Pawld):
    def documented(self):
        """The table of docs/SECURITY.md: the test tries exactly what it promises.
        ContractDocs.roles_of_security_md_are_those_of_the_routes checks that it has all routes, and no others."""
        text = (SOURCE / "docs/SECURITY.md").read_text(encoding="utf-8")
        return re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\w+) \| [\w ]+ \|$", text, re.MULTILINE)

    def test_each_call_takes_the_role_that_is_documented(self):
        calls = self.documented()
        self.assertGreater(len(calls), 30)
        tokens = self.tokens()
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        for method, path, needed in calls:
            path = path.replace("{id}", "99").replace("{seq}", "1").replace("{key}", "repo%3Ax").replace("{repo}", "x")
            for role in ROLES:
                headers = {"Authorization": f"Bearer {tokens[role]}"} if role in tokens else {}
                headers["Pawl-Boot"] = "w"  # without one a report on a job takes `operate`
                # No call can use that body: an authorised client gets another refusal, or a list.
                body = None if method == "GET" else b"[]"
                status, answer = self.ask(method, path, body, headers, tcp=True)
                code = answer.get("error", {}).get("code") if isinstance(answer, dict) else None
                with self.subTest(call=f"{method} {path}", role=role, answer=answer):
                    if ROLES.index(role) >= ROLES.index(needed):
                        self.assertNotIn(code, ("unauthorized", "forbidden", "no_such_path", "method_not_allowed"))
                    else:
                        self.assertEqual((status, code), (401, "unauthorized") if role == "none" else (403, "forbidden"))

    def test_pawl_shows_a_token_from_a_file_and_never_from_its_command_line(self):
        self.tokens()
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        at = ["--url", f"127.0.0.1:{self.port()}"]
        self.assertEqual(self.pawl("submit", "W-1", "--repo", "shop", *at, "--token-file",
                                   self.folder / "operate.token").returncode, 0)
        reader = str(self.folder / "read.token")
        self.assertIn("W-1", self.pawl("task", *at, PAWL_TOKEN_FILE=reader).stdout)
        refused = self.pawl("cancel", "1", *at, PAWL_TOKEN_FILE=reader)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("forbidden", refused.stderr)
        self.assertIn("unauthorized", self.pawl("task", *at).stderr)
        self.assertEqual(self.pawl("task", *at, "--token", "x").returncode, 2)
        for wrong, why in ((self.write("open", "token", 0o644), "others may read"), (self.write("none", "\n"), "empty"),
                           (self.write("two", "a\r\nPawl-Actor: b"), "not a token"), (self.folder / "absent", "No such file")):
            answer = self.pawl("task", *at, "--token-file", wrong)
            self.assertEqual(answer.returncode, 2, answer.stderr)
            self.assertIn(str(wrong), answer.stderr)
            self.assertIn(why, answer.stderr)

    def test_tokens_are_read_anew_on_sighup(self):
        old = self.tokens()["read"]
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        as_old = {"Authorization": f"Bearer {old}"}
        self.assertEqual(self.ask("GET", "/queue", headers=as_old, tcp=True)[0], 200)
        self.write("tokens", "nonsense\n")
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_until(lambda: "tokens:1: must be NAME ROLE HASH" in self.said())
        self.assertEqual(self.ask("GET", "/queue", headers=as_old, tcp=True)[0], 200)
        self.write("tokens", self.token("new")[1].replace("new new", "new read"))
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_until(lambda: self.ask("GET", "/queue", headers=as_old, tcp=True)[0] == 401)
        self.assertEqual(self.ask("GET", "/queue")[0], 200, "the socket is for all users who may open it")

    def test_beyond_loopback_only_with_tokens_that_nobody_else_writes(self):
        def refused(*options):
            answer = subprocess.run([BIN / "pawld", "--data", self.data, "--listen", "0.0.0.0:0", *options],
                                    capture_output=True, text=True, timeout=PATIENCE_S, check=False)
            self.assertNotEqual(answer.returncode, 0)
            return answer.stderr

        self.assertIn("--tokens", refused())
        self.tokens()
        (self.folder / "tokens").chmod(0o666)
        self.assertIn("others may write", refused("--tokens", self.folder / "tokens"))
        self.assertIn("No such file", refused("--tokens", self.folder / "nowhere"))
        (self.folder / "tokens").chmod(0o600)
        self.start("--listen", "0.0.0.0:0", "--tokens", self.folder / "tokens")

    def test_worker_cannot_have_the_daemon_end_itself(self):
        tokens = self.tokens()
        self.write("p.yaml", WAITS)
        # The parent of the daemon leads the daemon's process group.
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen(["/bin/sh", "-c", '"$@" & echo $! >pid; wait; exit', "sh", BIN / "pawld",
                                            "--data", self.data, "--socket", self.socket, "--listen", "127.0.0.1:0",
                                            "--tokens", self.folder / "tokens", "--pipeline", self.folder / "p.yaml"],
                                           cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)
        self.addCleanup(self.kill)
        self.addCleanup(self.kill_orphan)
        self.wait_until(self.is_ready)
        self.ask("POST", "/v1/settings", {"stop.kill_after_s": 1})
        work = {"Authorization": f"Bearer {tokens['work']}"}
        host = next(boot["host"] for boot in self.ask("GET", "/v1/boots")[1]["items"])
        start, own_start = (int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()[19])
                            for pid in (self.daemon.pid, os.getpid()))
        # The parent of the daemon is a descendant of this worker too.
        boot = {"name": "w", "boot_id": "w", "pid": os.getpid(), "pid_start": own_start, "host": host, "version": "1"}
        self.assertEqual(self.ask("POST", "/v1/boots", boot, work, tcp=True)[0], 201)
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "pipeline": "waits"})
        claim = {"agents": ["outside"], "owner": {"boot_id": "w", "pid": 1, "actor": "worker"}}
        self.assertEqual(self.ask("POST", "/v1/jobs/claim", claim, work, tcp=True)[0], 200)
        report = {"attempt": 1, "pid": self.daemon.pid, "pid_start": start}
        self.assertEqual(self.ask("POST", "/v1/jobs/1/started", report, work, tcp=True)[0], 403)
        self.assertEqual(self.ask("POST", "/v1/jobs/1/started", report, work | {"Pawl-Boot": "w"}, tcp=True)[0], 200)
        self.assertEqual(self.ask("POST", "/v1/tasks/1/cancel", {})[0], 202)
        self.daemon.wait(timeout=PATIENCE_S)  # that process is ended, as any worker's would be
        self.assertTrue(self.is_up(), "the daemon was ended with it")

    def kill_orphan(self):
        os.killpg(self.daemon.pid, signal.SIGKILL)
        self.wait_until(lambda: not self.is_up())

    def is_up(self):
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def test_socket_is_for_user_and_group_whatever_the_umask(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.start()
        about = os.stat(self.socket)
        self.assertEqual((about.st_mode & 0o777, about.st_uid), (0o660, os.geteuid()))
        os.umask(0o077)
        self.kill()
        self.start()
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o660)


class Secrets(Pawld):
    """Each secret is a unique word, searched for in everything that pawl prints or shows."""

    def test_secrets_are_in_no_log_export_or_process_list(self):
        gitea, plane, alert = "gitea5ecret", "plane5ecret", "alert5ecret"
        tokens = self.tokens()
        wrong = "wr0ngtoken"
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens",
                   "--pipeline", self.write("p.yaml", PIPELINE), "--pipeline", self.write("q.yaml", STANDS),
                   "--gitea-secret-file", self.write("gitea", gitea), "--plane-secret-file", self.write("plane", plane),
                   "--alert-url-file", self.write("url", f"http://127.0.0.1:1/{alert}\n"),
                   "--alert-header-file", self.write("header", f"Authorization: Bearer {alert}\n"))
        operate = {"Authorization": f"Bearer {tokens['operate']}"}

        # Refusals and errors of every kind, with a secret at every possible place in the request.
        for token in (wrong, tokens["read"]):
            for path in ("/v1/tasks", "/v1/nothing", "/v1/settings", "/v1/tasks/1/cancel"):
                self.ask("POST", path, b"{", {"Authorization": f"Bearer {token}"}, tcp=True)
        for path in ("/v1/tasks", "/v1/leases", "/v1/boots", "/v1/jobs/claim", "/v1/pipelines"):
            self.ask("POST", path, b'{"x": 1}', operate, tcp=True)
        for source, secret in (("gitea", gitea), ("plane", plane)):
            name = source.capitalize()
            for body in (b"{}", b"{", b'{"event":"x"}'):
                right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
                for signature in (right, "0" * 64, secret):
                    self.ask("POST", f"/webhooks/{source}", body,
                             {f"X-{name}-Signature": signature, f"X-{name}-Event": "push",
                              f"X-{name}-Delivery": "1"}, tcp=True)
        # A task whose agent and gate print what they got, and an alert that no one receives.
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "pipeline": "told"}, operate, tcp=True)
        self.wait_until(lambda: self.ask("GET", "/v1/tasks/1")[1]["stage"] == "done")
        self.ask("POST", "/v1/tasks", {"work_item": "W-2", "repo": "shop", "pipeline": "stands"}, operate, tcp=True)
        self.wait_until(lambda: self.ask("GET", "/v1/tasks/2")[1]["blocked"])
        self.wait_until(lambda: "alert" in self.said())

        processes = b""
        for process in ("cmdline", "environ"):
            processes += pathlib.Path(f"/proc/{self.daemon.pid}/{process}").read_bytes()
        export = self.pawl("export", "log", "--data", str(self.data)).stdout
        self.assertIn("W-2", export)
        outputs = [path.read_text(encoding="utf-8") for path in sorted((self.data / "logs").rglob("*.log"))]
        told = "".join(outputs)
        self.assertIn("PAWL_WORK_ITEM=W-1", told)
        shown = {"pawld's own log": self.said(), "process list": processes.decode(), "export": export, "outputs": told,
                 "queue": json.dumps(self.ask("GET", "/queue")[1]), "help": self.pawl("--help").stdout,
                 "events": self.ask("GET", "/v1/events")[1], "explain": self.pawl("explain", self.data, "task:1").stdout}
        secrets = {"gitea": gitea, "plane": plane, "alert": alert, "wrong": wrong, **tokens}
        for place, text in shown.items():
            for name, secret in secrets.items():
                with self.subTest(place=place, secret=name):
                    self.assertNotIn(secret, text)
                    self.assertNotIn(hashlib.sha256(secret.encode()).hexdigest(), text)

    def test_environment_of_commands_is_clean(self):
        os.environ["AWS_SECRET_ACCESS_KEY"] = "inherited5ecret"
        self.addCleanup(os.environ.pop, "AWS_SECRET_ACCESS_KEY")
        self.start("--pipeline", self.write("p.yaml", PIPELINE))
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "pipeline": "told"})
        self.wait_until(lambda: self.ask("GET", "/v1/tasks/1")[1]["stage"] == "done")
        logs = sorted((self.data / "logs").rglob("*.log"))
        self.assertEqual([log.name.rpartition("~")[0] or log.name for log in logs],
                         ["job-1-1.log", "v1~work~gate", "v1~work~step~ship"])
        for log in logs:
            names = {line.split("=")[0] for line in log.read_text(encoding="utf-8").splitlines() if "=" in line}
            ours = {name for name in names if name.startswith("PAWL_")}
            self.assertGreaterEqual(ours, {"PAWL_RUN", "PAWL_TASK", "PAWL_WORK_ITEM", "PAWL_REPO", "PAWL_BRANCH"})
            # PWD, SHLVL and _ are the shell's own.
            self.assertLessEqual(names - ours, {"PATH", "HOME", "USER", "LANG", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD"})


PIPELINE = """
name: told
agents:
  teller:
    run: env
stages:
  - name: work
    agent: teller
    gate:
      run: env
    to: done
    steps:
      - name: ship
        run: env
        irreversible: true
"""
STANDS = """
name: stands
agents:
  failing:
    run: exit 1
stages:
  - name: work
    agent: failing
    to: done
"""


class Strings(Pawld):
    """Values from outside, through real git and real commands: they are always treated as strings."""

    ODD = ["$(touch${IFS}pwned)", "`touch${IFS}pwned`", "a;touch${IFS}pwned", "a|touch${IFS}pwned", "'\"", "%2e%2e",
           "refs/heads/x", "a/HEAD", "a&&b", "ünï", "a#b", "!touch"]

    def setUp(self):
        super().setUp()
        self.git("init", "-q", "--bare", "-b", "trunk", "origin.git")
        self.git("clone", "-q", "origin.git", "seed")
        (self.folder / "seed/file").write_text("one")
        self.git("-C", "seed", "checkout", "-q", "-b", "trunk")
        self.git("-C", "seed", "add", "file")
        self.git("-C", "seed", "commit", "-qm", "one")
        self.git("-C", "seed", "push", "-q", "origin", "trunk")

    def git(self, *words):
        who = {f"GIT_{role}_{what}": "a@a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return subprocess.run(["git", *words], cwd=self.folder, env=os.environ | who, check=True, capture_output=True,
                              text=True, timeout=PATIENCE_S).stdout

    def create(self, **fields):
        return self.ask("POST", "/v1/tasks", {"work_item": "W", "repo": "shop", "pipeline": "says", **fields})

    def ends(self, task):
        row = self.ask("GET", f"/v1/tasks/{task}")[1]
        return row["stage"] in ("done", "cancelled") or row["blocked"]

    def nothing_was_executed(self):
        return [path for path in self.folder.rglob("*") if "pwned" in path.name and "IFS" not in path.name] == []

    def test_branches_and_work_items_are_only_strings(self):
        self.start("--repo", f"shop={self.folder}/origin.git", "--pipeline", self.write("p.yaml", SAYS))
        self.ask("POST", "/v1/settings", {"queue.max_concurrency": 4, "queue.serial_per_repo": False,
                                          "job.max_attempts": 1})
        items = ["W'\"$(touch pwned)", "--help", "-rf /", "a b; PAWL_TASK=99", "../../../etc"]
        tasks = []
        for i, branch in enumerate(self.ODD):
            item = items[i] if i < len(items) else f"W-{i}"
            status, answer = self.create(work_item=item, branch=branch)
            self.assertEqual(status, 201, answer)
            tasks.append((answer["task"]["id"], item, branch))
        for task, item, branch in tasks:
            self.wait_until(lambda task=task: self.ends(task))
            said = self.data / "logs" / f"job-{task}-1.log"
            self.assertEqual(self.ask("GET", f"/v1/tasks/{task}")[1]["stage"], "done", branch)
            # The agent saw exactly the given values, and pushed its branch under exactly that name.
            self.assertIn(item.encode() + b"\0" + branch.encode() + b"\0", said.read_bytes())
            self.assertIn(f"refs/heads/{branch}\n", self.git("ls-remote", "origin.git"))
        self.assertTrue(self.nothing_was_executed())

    def test_cancelling_deletes_the_branch_of_that_name_and_no_other(self):
        self.start("--repo", f"shop={self.folder}/origin.git", "--pipeline", self.write("p.yaml", WORKS))
        self.ask("POST", "/v1/settings", {"stop.delete_branch": "always"})
        for branch in self.ODD:
            self.git("-C", "seed", "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        tasks = []
        for i, branch in enumerate(self.ODD):
            status, answer = self.create(work_item=f"W-{i}", branch=branch, pipeline="works")
            self.assertEqual(status, 201, answer)
            tasks.append(answer["task"]["id"])
        # pawl deletes at origin only what it has seen there: the first agent's worktree was made from a fetch of
        # everything.
        self.wait_until(lambda: any(row["pid"] for row in self.ask("GET", "/v1/jobs?status=running")[1]["items"]))
        for task in tasks:
            self.assertIn(self.ask("POST", f"/v1/tasks/{task}/cancel", {})[0], (200, 202))
        left = lambda: re.findall(r"refs/heads/(.*)", self.git("ls-remote", "--heads", "origin.git"))
        self.wait_until(lambda: left() == ["trunk"])
        self.assertTrue(self.nothing_was_executed())

    def test_what_would_be_an_option_or_a_path_is_refused_by_name(self):
        self.start("--pipeline", self.write("p.yaml", SAYS))
        for field, value in (("branch", "-x"), ("branch", "--upload-pack=touch pwned"), ("branch", "a\nb"),
                             ("branch", "a\0b"), ("repo", "../../x"), ("repo", "a/../../x"), ("repo", "/etc"),
                             ("repo", "-x"), ("repo", "a//b"), ("repo", "."), ("work_item", "a\0b"),
                             ("work_item", "x" * 201), ("pipeline", "x" * 65)):
            status, answer = self.create(**{field: value})
            self.assertEqual(status, 400, (field, value, answer))
            self.assertIn(field, answer["error"]["message"])
        self.assertEqual(self.ask("GET", "/v1/tasks")[1]["items"], [])

    def test_names_are_those_of_git_and_are_seen_as_a_whole(self):
        self.start("--pipeline", self.write("p.yaml", SAYS))
        unseen = ["\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u0085", "\u00ad", "\u3164", "\U000e0041", "\n"]
        wrong = [("branch", name) for name in ("a:b", "@{-1}", "*", "HEAD", "HEAD/x", "@", "a..b", "a b", "a.lock", "a//b", "a~1")]
        wrong += [(field, "a" + one + "b") for one in unseen for field in ("branch", "work_item", "repo")]
        for field, value in wrong:
            status, answer = self.create(**{field: value})
            self.assertEqual(status, 400, (field, value, answer))
            said = answer["error"]["message"]
            self.assertRegex(said, f'^(field "{field}"|{field}:) must not ')
            self.assertTrue(said.isascii(), said)
            told = self.pawl("submit", "W", "--repo", "shop", "--pipeline", "says", "--socket", self.socket,
                             "--branch", value) if field == "branch" else None
            if told:
                self.assertEqual((told.returncode, told.stdout), (2, ""), told)
                self.assertIn(said, told.stderr)
        self.assertEqual(self.ask("POST", "/v1/repos", {"repo": "shop\u200b", "url": "/srv/shop.git"})[0], 400)
        self.assertEqual(self.ask("GET", "/v1/tasks", headers={"Pawl-Actor": "oper\u200bator".encode()})[0], 400)
        boot = self.ask("POST", "/v1/boots", {"name": "w\u202e", "boot_id": "b1", "pid": 1, "pid_start": 1, "host": "h",
                                              "version": "1"})
        self.assertEqual(boot[0], 400, boot)
        self.assertIn("name: must not contain \\u{202e}", boot[1]["error"]["message"])
        self.assertEqual(self.ask("GET", "/v1/tasks")[1]["items"], [])
        # Free text is free.
        self.assertEqual(self.create(branch="fine")[0], 201)
        self.assertEqual(self.ask("POST", "/v1/tasks/1/note", {"text": HIDES})[0], 200)

    def on_terminal(self, *words):
        """The output of a successful command on a terminal."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([BIN / "pawl", *words, "--socket", self.socket], stdin=subprocess.DEVNULL, stdout=theirs,
                              stderr=subprocess.PIPE) as command:
            os.close(theirs)
            got = b""
            try:
                while piece := os.read(ours, 65536):
                    got += piece
            except OSError:  # EIO: the last process that had it open has ended
                pass
            os.close(ours)
            self.assertEqual((command.wait(), command.stderr.read()), (0, b""))
        return got.decode("utf-8", "replace").replace("\r\n", "\n")

    def test_what_cannot_be_seen_is_shown_where_people_read(self):
        self.write("secret", "our own secret\n")
        self.write("page", "#!/bin/sh\nprintf '%s|' \"$PAWL_ALERT_SUMMARY\" \"$PAWL_ALERT_BRANCH\" >>alerted\n", 0o700)
        self.start("--pipeline", self.write("p.yaml", PRINTS), "--pipeline",
                   self.write("w.yaml", WAITS), "--log", "text", "--generic-secret-file",
                   self.folder / "secret", "--alert-command", self.folder / "page")
        self.assertEqual(self.create(pipeline="prints")[0], 201)
        self.wait_until(lambda: self.ends(1))
        self.assertEqual(self.ask("POST", "/v1/tasks/1/note", {"text": HIDES})[0], 200)
        self.assertEqual(self.create(work_item="W-2", pipeline="waits")[0], 201)
        self.assertEqual(self.ask("POST", "/v1/tasks/2/cancel", {"reason": HIDES})[0], 200)
        # Text for people, on a terminal or not.
        at = ("--socket", self.socket)
        for words in (("tail", "--no-follow", *at), ("task", "1", "--history", *at), ("explain", self.data, "task:1"),
                      ("explain", self.data, "task:2")):
            told = self.pawl(*words)
            self.assertEqual(told.returncode, 0, told)
            as_json = "--history" in words  # inside it, ASCII controls are already escaped
            self.assertIn(SHOWN.replace("\\x1b", "\\u001b") if as_json else SHOWN, told.stdout, words)
            self.seen_by_people(told.stdout)
        page = self.folder / "page.html"
        self.assertEqual(self.pawl("explain", self.data, "task:1", "--html", page).returncode, 0)
        self.assertIn(json.dumps(SHOWN), page.read_text(encoding="utf-8"))
        self.seen_by_people(page.read_text(encoding="utf-8"))
        # Exact, for programs.
        exact = [json.loads(line) for line in self.pawl("export", "log", "--data", self.data).stdout.split("\n") if line]
        self.assertIn(HIDES, [record["data"].get("text") for record in exact])
        # What a run printed.
        raw = subprocess.run([BIN / "pawl", "log", "1", *at], capture_output=True, timeout=PATIENCE_S,
                             check=True).stdout.decode()
        self.assertEqual(raw, "\x1b[31mred\x1b[0m\n\x1b[2J\x1b]0;t\x07 100 %\rok \u202e grün\r\n")
        self.assertEqual(self.on_terminal("log", "1", "--raw"), raw)
        for words in (("log", "1"), ("jobs", "1", "--log")):
            self.assertEqual(self.on_terminal(*words),
                             "\x1b[31mred\x1b[0m\n\\x1b[2J\\x1b]0;t\\x07 100 %\\x0dok \\u{202e} grün\n\x1b[0m")
        # An alert, the daemon's own log, and the answer to the sender.
        body = json.dumps({"event": "start", "repo": "shop", "work_item": "W-3", "branch": "a\u202eb\u009b",
                           "id": "1", "by": "mal\u2066lory\nforged line"}).encode()
        signature = hmac.new(b"our own secret", body, hashlib.sha256).hexdigest()
        status, answer = self.ask("POST", "/webhooks/generic", body, {"X-Pawl-Signature": signature})
        self.assertEqual((status, answer["result"]), (202, "refused"), answer)
        self.assertIn("must not contain \\u{202e}", answer["message"])
        alerted = self.data / "alerted"
        self.wait_until(lambda: alerted.exists() and alerted.read_text().endswith("|"))
        self.assertIn("|a\\u{202e}b\\u{9b}|", alerted.read_text(encoding="utf-8"))
        self.seen_by_people(alerted.read_text(encoding="utf-8"))
        self.wait_until(lambda: "webhook_refused" in self.said() or "malformed: " in self.said())
        self.assertIn("by mal\\u{2066}lory forged line", self.said())
        self.assertFalse([line for line in self.said().splitlines() if line.startswith("forged")], self.said())
        self.seen_by_people(self.said())
        told = self.pawl("task", "no\u202esuch", *at)
        self.assertIn("'no\\u{202e}such'", told.stderr)
        self.seen_by_people(told.stderr)

    def seen_by_people(self, text):
        hidden = [letter for letter in text if letter != "\n" and (unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp"))]
        self.assertEqual(hidden, [], text)

    def test_paths_lead_nowhere_else(self):
        self.start("--pipeline", self.write("p.yaml", SAYS))
        self.create()
        self.wait_until(lambda: self.ends(1))
        self.write("secret.log", "5ecret")
        for job in ("..%2f..%2fsecret", "1%2f..%2f..%2fsecret", "../../secret", "1-1", "%00", "-1", "+1", "01", "1e0"):
            status, answer = self.ask("GET", f"/v1/jobs/{job}/log")
            self.assertIn(status, (400, 404), (job, answer))
        for query in ("attempt=../1", "attempt=1%2f..", "attempt=-1", "from=-1", "attempt=99999999999999999999"):
            self.assertEqual(self.ask("GET", f"/v1/jobs/1/log?{query}")[0], 400, query)
        # A step's name from outside does not become a file name until the machine knows that step.
        for step in ("../../../pwned", "/pwned", "x/../y"):
            for happened in (True, False):
                self.ask("POST", "/v1/tasks/1/resolve", {"step": step, "happened": happened})
            self.ask("POST", "/v1/tasks/1/steps", {"type": "StepStarted", "version": 1, "to": "done", "step": step,
                                                   "run": "../../pwned"})
        for boot in ("..%2f..", "%2e%2e", "a%2fb"):
            self.ask("DELETE", f"/v1/boots/{boot}")
        self.assertTrue(self.nothing_was_executed())


SAYS = r"""
name: says
branch: create
agents:
  sayer:
    run: |
      printf '%s\0%s\0' "$PAWL_WORK_ITEM" "$PAWL_BRANCH"
      [ ! -e .git ] || git push -q origin "HEAD:refs/heads/$PAWL_BRANCH"
stages:
  - name: work
    agent: sayer
    gate:
      run: [printf, '%s']
    to: done
    steps:
      - name: ship
        run: 'printf %s "$PAWL_BRANCH" "$PAWL_WORK_ITEM" "$PAWL_REPO" >/dev/null'
"""
HIDES = "a \u202e\u2066b \u2028 \x1b[2J \x9b31m \u200b \U000e0041 z"
SHOWN = "a \\u{202e}\\u{2066}b \\u{2028} \\x1b[2J \\u{9b}31m \\u{200b} \\u{e0041} z"
PRINTS = r"""
name: prints
agents:
  printer:
    run: ['printf', '\033[31mred\033[0m\n\033[2J\033]0;t\007 100 %%\rok \342\200\256 grün\r\n']
stages:
  - name: work
    agent: printer
    to: done
"""
WORKS = """
name: works
agents:
  here: {run: 'sleep 600'}
stages:
  - name: work
    agent: here
    to: done
"""

WAITS = """
name: waits
agents:
  outside: {}
stages:
  - name: work
    agent: outside
    to: done
"""


class Crowds(Pawld):
    """Thousands of clients, while others are still served."""

    CROWD = 10_000
    MEMORY_KIB_MAX = 64 * 1024  # limit for the crowd; a connection costs some 5 KiB, and 1,024 are kept

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def room_for(self, wanted):
        """How many connections this process may open: as many as requested, if the system allows it."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        unlimited = hard == resource.RLIM_INFINITY
        if not unlimited and hard < wanted + 100:
            print(f"only {hard} descriptors are allowed here: a smaller crowd")
        more = wanted + 100 if unlimited else min(hard, wanted + 100)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, more), hard))
        return min(wanted, more - 100)

    def crowd(self, count, says):
        """Connections that stay open; each sends something, and none ever reads."""
        crowd = []
        for i in range(count):
            if i % 2:
                each = socket.create_connection(("127.0.0.1", self.port_), timeout=PATIENCE_S)
            else:
                each = socket.socket(socket.AF_UNIX)
                each.settimeout(PATIENCE_S)
                each.connect(self.socket)
            self.addCleanup(each.close)
            crowd.append(each)
            try:
                each.send(says)
            except OSError:
                pass  # The server has already closed it, for newer ones.
        return crowd

    def check_crowd(self, says):
        count = self.room_for(self.CROWD)
        self.start("--listen", "127.0.0.1:0")
        self.port_ = self.port()
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})
        before = self.memory_kib()
        for begin in range(0, count, 1000):
            self.crowd(min(1000, count - begin), says)
            for tcp in (False, True):
                self.assertEqual(self.ask("GET", "/v1/tasks/1", tcp=tcp)[0], 200, f"after {begin + 1000}")
        self.assertEqual(self.ask("POST", "/v1/tasks/1/note", {"text": "still here"})[0], 200)
        grown = self.memory_kib() - before
        print(f"{count} connections: {grown} KiB more, {self.descriptors()} descriptors")
        self.assertLess(grown, self.MEMORY_KIB_MAX)
        self.assertLess(self.descriptors(), 1024 + 200)

    def test_ten_thousand_idle_connections_keep_nobody_out(self):
        self.check_crowd(b"")

    def test_ten_thousand_unfinished_requests_keep_nobody_out(self):
        self.check_crowd(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX: ")

    def test_pawld_begun_with_few_descriptors_has_enough(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start("--listen", "127.0.0.1:0")
        self.port_ = self.port()
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2048) if hard > 0 else 2048, hard))
        crowd = self.crowd(1200, b"")
        self.assertEqual(self.ask("GET", "/queue")[0], 200)
        self.assertEqual(len(crowd), 1200)


class Surroundings(Pawld):
    """What a service manager, a terminal or a small machine does to pawld, and what must not happen."""

    def spawn(self, stderr=None, before_exec=None, prefix=()):
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen([*prefix, BIN / "pawld", "--data", self.data, "--socket", self.socket],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr or log,
                                           preexec_fn=before_exec, start_new_session=True)
        self.addCleanup(self.kill)

    def note(self):
        return self.ask("POST", "/v1/tasks/1/note", {"text": "still here"})[0]

    def dropped(self):
        return self.ask("GET", "/queue")[1]["messages"]["dropped_total"]

    def end(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        return self.daemon.wait(PATIENCE_S)

    def test_pawld_whose_stderr_nobody_reads_takes_writes_and_ends(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.spawn(writer)
        self.wait_until(self.is_ready)
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})
        # Its own end of the pipe: opened twice, so that it has its own flags.
        with open(os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0) as full:
            while full.write(b"." * 4096) is not None or full.write(b".") is not None:
                pass
        os.close(writer)
        (self.data / "sealed.new").mkdir()  # so that there is a message whenever the log falls idle
        dropped = self.fill_queue_of_messages()

        def more_is_dropped():
            self.assertEqual(self.note(), 200)
            time.sleep(0.25)
            return self.dropped() > dropped + 3

        self.wait_until(more_is_dropped)
        self.assertEqual(self.end(), 0)

    def fill_queue_of_messages(self):
        """SIGHUP without tokens prints a line each time. Several that a busy machine delivers at once are one."""
        def is_full():
            for _ in range(100):
                self.daemon.send_signal(signal.SIGHUP)
                time.sleep(0.001)
            return self.dropped() > 0

        self.assertEqual(self.dropped(), 0)
        self.wait_until(is_full)
        return self.dropped()

    def test_pawld_whose_reader_of_stderr_has_gone_goes_on(self):
        reader, writer = os.pipe()
        self.spawn(writer)
        os.close(writer)
        self.wait_until(self.is_ready)
        os.close(reader)
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_until(lambda: self.dropped() > 0)
        self.assertEqual(self.note(), 200)
        self.assertEqual(self.end(), 0)

    def test_what_is_said_is_in_no_file_of_the_log_where_standard_descriptors_are_closed(self):
        def close_all():
            for descriptor in (0, 1, 2):
                os.close(descriptor)

        self.spawn(before_exec=close_all)
        self.wait_until(self.is_ready)
        files = {os.readlink(f"/proc/{self.daemon.pid}/fd/{number}") for number in (0, 1, 2)}
        self.assertFalse([name for name in files if name.startswith(str(self.folder))], files)
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_until(lambda: self.dropped() > 0)
        self.assertEqual(self.end(), 0)
        replayed = self.pawl("replay", str(self.data))
        self.assertEqual(replayed.returncode, 0, replayed.stderr)

    def test_hangup_ends_pawld_of_a_terminal_and_no_other(self):
        self.spawn()
        self.wait_until(self.is_ready)
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_until(lambda: "SIGHUP is ignored" in self.said())
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(self.end(), 0)

        child, terminal = pty.fork()
        if child == 0:
            os.execv(BIN / "pawld", ["pawld", "--data", str(self.data), "--socket", self.socket])
        seen = b""
        while b"serving on" not in seen:
            seen += os.read(terminal, 4096)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertFalse(os.path.exists(self.socket))

    def test_removed_socket_is_made_again(self):
        self.spawn()
        self.wait_until(self.is_ready)
        os.unlink(self.socket)
        self.wait_until(lambda: os.path.exists(self.socket) and "created again" in self.said())
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(self.end(), 0)
        self.assertFalse(os.path.exists(self.socket))

    def test_limits_that_are_too_low_are_named_in_a_sentence(self):
        lines = {"descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))}
        prefix = ()
        if os.geteuid() == 0 and shutil.which("setpriv"):  # the process limit does not apply to root
            self.folder.chmod(0o755)
            self.data.mkdir()
            shutil.chown(self.data, 65534)
            prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "prlimit", "--nproc=20:20")
            if os.access(BIN / "pawld", os.X_OK) and subprocess.run([*prefix[:4], BIN / "pawld", "--version"],
                                                                    capture_output=True, check=False).returncode == 0:
                lines["threads"] = None
        for what, limit in lines.items():
            with self.subTest(what):
                self.spawn(before_exec=limit, prefix=prefix if what == "threads" else ())
                self.assertEqual(self.daemon.wait(PATIENCE_S), 1, self.said())
                self.assertIn(what, self.said())


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
