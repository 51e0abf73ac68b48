#!/usr/bin/env python3
"""Each actor of docs/SECURITY.md, played against a real pawld over HTTP. Takes the folder of pawld and pawl.

threats_outside_test.py plays the actors that come by other ways."""

import hashlib
import hmac
import http.client
import json
import pathlib
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import stage  # noqa: E402
from mutations import READS, Mutator, Request, all_calls, batch_of  # noqa: E402

OWN = {"boot_id": "boot-a", "pid": 0, "actor": "worker"}


class Stranger(stage.Stage):
    """No token, over TCP: learns nothing, and leaves no trace."""

    def test_stranger_is_let_in_nowhere(self):
        self.each_seed(self.play)

    def play(self, chance):
        secret = self.folder / "gitea"
        secret.write_text("gitea's secret")
        secret.chmod(0o600)
        self.raise_curtain("--gitea-secret-file", secret)
        digest = hashlib.sha256(self.secret["boss"].encode()).hexdigest()
        tries = ["", "Bearer", "Bearer ", f"Bearer {digest}", "Bearer boss", f"Basic {self.secret['boss']}",
                 f"Bearer {self.secret['boss'][:-1]}", f"Bearer {self.secret['boss']}0", f"Bearer {self.secret['boss'].upper()}",
                 f"Bearer {self.secret['boss']},{self.secret['a']}", "Bearer \u00ff"]
        calls = [*all_calls(self), *(Request("GET", path) for path in READS)]
        mutator = Mutator(chance, boots=["boot-b", self.daemon_boot], tokens=[self.held_token, self.claimed_token])
        for number in range(max(stage.REQUESTS, len(calls))):
            request = calls[number % len(calls)]
            if number >= len(calls):
                request = mutator.mutated(request)
            wrong = chance.choice(tries)
            status, text = self.send(request, [("Authorization", wrong)] if wrong else [])
            with self.subTest(request=request, token=wrong):
                self.assertFalse(200 <= status < 300, text)
                self.assertNotIn(b'"W', text)
        for path in ("gitea", "plane", "github", "gitlab", "generic"):
            status, _ = self.send(Request("POST", f"/webhooks/{path}", {"event": "start", "repo": "shop", "work_item": "X"}))
            self.assertIn(status, (401, 403), path)
        self.assertEqual(self.send(Request("GET", "/healthz"))[0], 200)
        made = [record for record in self.records(self.begun_at) if record["boot"] != self.daemon_boot or record.get("principal")]
        self.assertEqual(made, [])
        self.let_down_curtain()


class Reader(stage.Stage):
    """A token of role `read`: sees everything except secrets and names of runs; changes nothing."""

    def test_reader_changes_nothing_and_sees_no_secret(self):
        self.each_seed(self.play)

    def play(self, chance):
        self.raise_curtain()
        as_reader = list(self.of("reader").items())
        for request in all_calls(self):
            with self.subTest(request=request):
                self.assertEqual(self.send(request, as_reader)[0], 403)
        status, text = self.send(batch_of(all_calls(self)), as_reader)
        self.assertEqual(status, 200, text)
        self.assertEqual({item["status"] for item in json.loads(text)["items"]}, {403}, text)
        hidden = [self.step_run, *self.secret.values(), *(hashlib.sha256(one.encode()).hexdigest() for one in self.secret.values())]
        for path in READS:
            status, text = self.send(Request("GET", path), as_reader)
            with self.subTest(path=path):
                self.assertEqual(status, 200, text)
                self.assertEqual([word for word in hidden if word.encode() in text], [])
        mutator = Mutator(chance, boots=["boot-b", self.daemon_boot], tokens=[self.held_token, self.claimed_token])
        calls = all_calls(self)
        for _ in range(stage.REQUESTS):
            request = mutator.mutated(chance.choice(calls))
            status, text = self.send(request, as_reader)
            if request.method not in ("GET", "HEAD"):
                with self.subTest(request=request):
                    self.assertFalse(200 <= status < 300, text)
        self.assertEqual(self.made_by("token:reader"), [])
        self.let_down_curtain()


class Worker(stage.Stage):
    """A token of role `work`: has its own boots, leases, jobs and steps, and lies about everyone else's."""

    MAY = {"TaskNote", "GateEvaluated", "GateResult", "BootStarted", "BootEnded", "LeaseAcquired", "LeaseReleased", "JobClaimed",
           "ClaimRenewed", "ClaimReturned", "RunStarted", "RunExited", "JobFinished", "StepStarted", "StepFinished",
           "StageTransition"}

    def test_worker_that_lies_moves_nothing_of_others(self):
        self.each_seed(self.play)

    def lies(self):
        """Lies, to be sent with its own boot, without a boot, with another worker's and with the daemon's."""
        a, b = self.held, self.claimed
        found = list(all_calls(self))
        for boot in ("boot-b", self.daemon_boot):
            owner = {"boot_id": boot, "pid": 0, "actor": "worker"}
            found += [Request("POST", "/v1/jobs/claim", {"agents": ["far", "sayer"], "owner": owner}),
                      Request("POST", "/v1/leases", {"key": f"task:{self.free}", "owner": owner}),
                      Request("POST", "/v1/leases", {"key": f"task:{b}", "owner": owner, "token": self.claimed_token}),
                      Request("POST", "/v1/leases", {"key": f"task:{a}", "owner": owner, "token": self.held_token}),
                      Request("DELETE", f"/v1/boots/{boot}?reason=owner_dead"),
                      Request("POST", "/v1/boots", {"name": "b", "boot_id": boot, "pid": 1, "pid_start": 1, "host": "h", "version": "1"})]
        found.append(Request("POST", "/v1/boots", {"name": "b", "boot_id": "boot-c", "pid": 1, "pid_start": 1, "host": "h", "version": "1"}))
        for task, token in ((a, self.held_token), (b, self.claimed_token)):
            found.append(Request("POST", f"/v1/tasks/{task}/transition", {"to": "done", "expected_version": 1, "token": token}))
            found.append(Request("POST", f"/v1/tasks/{task}/steps", {"type": "StepStarted", "version": 1, "step": "ship", "to": "done",
                                                                     "token": token, "run": self.step_run}))
            for outcome in ("done", "failed", "did_not_happen"):
                for by in ("command", "probe", "rerun", "operator"):
                    found.append(Request("POST", f"/v1/tasks/{task}/steps",
                                         {"type": "StepFinished", "version": 1, "step": "ship", "started": self.step_start,
                                          "outcome": outcome, "by": by, "token": token}))
        return found

    def play(self, chance):
        self.raise_curtain()
        as_a = list(self.of("a").items())
        host = next(row["host"] for row in self.wants(200, "GET", "/v1/boots")["items"] if row["boot_id"] == self.daemon_boot)
        self.wants(201, "POST", "/v1/boots", {"name": "a", "boot_id": "boot-a", "pid": 1, "pid_start": 1, "host": "unknown",
                                              "version": "1"}, self.of("a"))
        lies = self.lies()
        boots = ["boot-a", None, "boot-b", self.daemon_boot]
        for lie in lies:
            for boot in boots:
                self.send(lie, as_a + ([("Pawl-Boot", boot)] if boot else []))
        for boot in boots:
            self.assertEqual(self.send(batch_of(lies), as_a + ([("Pawl-Boot", boot)] if boot else []))[0], 200)
        mutator = Mutator(chance, boots=["boot-a", "boot-b", self.daemon_boot], tokens=[self.held_token, self.claimed_token, self.step_start])
        for _ in range(stage.REQUESTS):
            boot = chance.choice(boots)
            self.send(mutator.mutated(chance.choice(lies)), as_a + ([("Pawl-Boot", boot)] if boot else []))
        self.end_by_report(host)
        for record in self.accepted_of("token:a"):
            with self.subTest(record=record):
                self.judge(record)
        self.let_down_curtain()

    def end_by_report(self, host):
        """Plays a worker that reports the daemon's step as its agent, and dies."""
        as_a = self.of("a", **{"Pawl-Boot": "boot-z"})
        with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
            self.addCleanup(process.kill)
            stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
            boot = {"name": "z", "boot_id": "boot-z", "pid": process.pid, "host": host, "version": "1",
                    "pid_start": int(stat.rsplit(") ", 1)[1].split()[19])}
            self.wants(201, "POST", "/v1/boots", boot, self.of("a"))
            claim = {"agents": ["far"], "owner": {"boot_id": "boot-z", "pid": process.pid, "actor": "worker"}}
            status, answer = self.ask("POST", "/v1/jobs/claim", claim, as_a)
            if status == 200:
                report = {"attempt": answer["job"]["attempts"], "pid": self.step_pid, "pid_start": self.step_pid_start}
                self.ask("POST", f"/v1/jobs/{answer['job']['id']}/started", report, as_a)
            process.kill()
        self.wants(200, "POST", "/v1/reaper/run")

    def judge(self, record):
        kind, data = record["type"], record["data"]
        self.assertIn(kind, self.MAY)
        if kind != "TaskNote" and not kind.startswith("Gate"):
            self.assertNotIn(data.get("task"), (self.held, self.claimed))
            self.assertNotIn(data.get("job"), (self.held_job, self.claimed_job))
            self.assertNotIn(data.get("key"), (f"task:{self.held}", f"task:{self.claimed}"))
            self.assertNotIn((data.get("owner") or {}).get("boot_id"), ("boot-b", self.daemon_boot))
            self.assertNotIn(data.get("boot_id"), ("boot-b", self.daemon_boot))
        if kind == "BootStarted":
            self.assertNotIn(data["name"], ("pawld", "b"))
        if kind in ("StepStarted", "StepFinished", "RunStarted", "RunExited"):
            self.assertNotIn(record["boot"], ("boot-b", self.daemon_boot))


class Operator(stage.Stage):
    """A token of role `operate`: may do nearly everything, but cannot speak or own in the daemon's name."""

    def test_operator_speaks_for_no_process_of_the_daemon(self):
        self.each_seed(self.play)

    def play(self, chance):
        self.raise_curtain()
        a = self.held
        owner = {"boot_id": self.daemon_boot, "pid": 1, "actor": "executor"}
        asks = [Request("POST", f"/v1/tasks/{a}/resolve", {"step": "ship", "happened": False, "reason": "trust me"}),
                Request("POST", "/v1/jobs/claim", {"agents": ["far", "sayer"], "owner": owner}),
                Request("POST", "/v1/leases", {"key": f"task:{self.free}", "owner": owner}),
                Request("POST", "/v1/leases", {"key": "repo:shop", "owner": owner}),
                Request("POST", f"/v1/jobs/{self.held_job}/started", {"attempt": 1, "pid": 1, "pid_start": 1}),
                Request("POST", f"/v1/jobs/{self.held_job}/exited", {"attempt": 1, "exit_code": 1}),
                Request("POST", f"/v1/jobs/{self.claimed_job}/started", {"attempt": 1, "pid": 1, "pid_start": 1}),
                Request("POST", f"/v1/jobs/{self.claimed_job}/exited", {"attempt": 1, "exit_code": 0}),
                Request("POST", f"/v1/tasks/{a}/steps", {"type": "StepStarted", "version": 1, "step": "ship", "to": "done",
                                                         "token": self.held_token, "run": "forged"}),
                Request("POST", f"/v1/tasks/{a}/steps", {"type": "StepFinished", "version": 1, "step": "ship", "started": self.step_start,
                                                         "outcome": "did_not_happen", "by": "operator", "token": self.held_token}),
                Request("POST", f"/v1/tasks/{a}/steps", {"type": "StepFinished", "version": 1, "step": "ship", "started": self.step_start,
                                                         "outcome": "did_not_happen", "by": "probe", "token": self.held_token}),
                Request("POST", "/v1/boots", {"name": "pawld", "boot_id": "forged", "pid": 1, "pid_start": 1, "host": "h", "version": "1"}),
                Request("DELETE", f"/v1/boots/{self.daemon_boot}"),
                Request("POST", f"/v1/tasks/{a}/retry", {}),
                Request("POST", f"/v1/tasks/{a}/unblock", {}),
                Request("POST", "/v1/reaper/run")]
        as_boss = list(self.of("boss").items())
        for request in asks:
            for boot in (None, self.daemon_boot, "boot-b"):
                self.send(request, as_boss + ([("Pawl-Boot", boot)] if boot else []))
        mutator = Mutator(chance, boots=[self.daemon_boot], tokens=[self.held_token, self.step_start], paths=False)
        for _ in range(stage.REQUESTS):
            self.send(mutator.mutated(chance.choice(asks)), as_boss)
        for record in self.accepted_of("token:boss"):
            with self.subTest(record=record):
                self.judge(record)
        # The daemon's own step has not ended yet: no accepted record says otherwise.
        ends = [record for record in self.records() if record["type"] == "StepFinished" and record["data"]["task"] == a]
        self.assertEqual([record["data"]["outcome"] for record in ends if record["outcome"] == "accepted"], [])
        self.let_down_curtain()

    def judge(self, record):
        kind, data = record["type"], record["data"]
        self.assertNotEqual((data.get("owner") or {}).get("boot_id"), self.daemon_boot)
        self.assertNotIn(kind, ("RunStarted", "RunExited", "StepStarted", "StepFinished"))
        if kind in ("BootStarted", "BootEnded"):
            self.assertNotEqual(data.get("name"), "pawld")
            self.assertNotEqual(data["boot_id"], self.daemon_boot)


class Forge(stage.Stage):
    """A sender of webhooks, with the secret and without: nothing forged counts, and nothing counts twice."""

    SECRETS = {"gitea": "gitea's secret", "plane": "plane's secret", "github": "github's secret", "gitlab": "gitlab's token",
               "generic": "our own secret"}
    PROJECT = "22b6fc9c-1849-45da-8a64-a5b3a3c4d5e6"

    def test_forge_cannot_forge_or_repeat_a_delivery(self):
        self.each_seed(self.play)

    def options(self):
        for source, secret in self.SECRETS.items():
            yield f"--{source}-secret-file"
            yield self.write(source, secret)
        yield from ("--github-repo", "acme/shop=shop:HUB", "--github-member", "ada", "--gitlab-repo", "acme/shop=shop:LAB",
                    "--gitlab-member", "ada", "--gitea-repo", "acme/shop=shop", "--plane-project", f"{self.PROJECT}=shop:PLANE",
                    "--issue-pipeline", "outside", "--plane-pipeline", "outside")

    def deliveries(self, number):
        """A start from each source (from Gitea, which starts nothing, a push), with an id, and without if allowed."""
        issue = {"number": 100 + number, "state": "open", "user": {"login": "ada"}, "title": "t", "labels": []}
        hub = {"action": "labeled", "issue": issue, "label": {"name": "pawl:start"}, "sender": {"login": "ada", "type": "User"},
               "repository": {"name": "shop", "full_name": "acme/shop", "owner": {"login": "acme", "type": "Organization"}}}
        lab = {"object_kind": "note", "event_type": "note", "user": {"username": "ada"}, "project": {"path_with_namespace": "acme/shop"},
               "object_attributes": {"note": "/pawl start", "noteable_type": "Issue", "action": "create", "system": False,
                                     "id": number}}
        plane = {"event": "issue", "action": "created", "webhook_id": "w",
                 "data": {"id": f"p{number}", "sequence_id": 300 + number, "project": self.PROJECT,
                          "state": {"id": "s", "name": "In Progress", "group": "started"}}}
        return {
            "gitea": ({"X-Gitea-Event": "push", "X-Gitea-Delivery": f"g{number}"},
                      {"ref": "refs/heads/feature", "after": "1" * 40, "repository": {"name": "shop", "full_name": "acme/shop"}}),
            "plane": ({"X-Plane-Event": "issue", "X-Plane-Delivery": f"p{number}"}, plane),
            "github": ({"X-GitHub-Event": "issues", "X-GitHub-Delivery": f"h{number}"}, hub),
            "gitlab": ({"X-Gitlab-Event": "Note Hook", "Idempotency-Key": f"l{number}"},
                       lab | {"issue": {"iid": 200 + number, "labels": []}}),
            "gitlab without an id": ({"X-Gitlab-Event": "Note Hook"}, lab | {"issue": {"iid": 400 + number, "labels": []}}),
            "generic": ({}, {"event": "start", "repo": "shop", "work_item": f"G-{number}", "pipeline": "outside", "id": f"e{number}"}),
            "generic by header": ({"X-Pawl-Delivery": f"x{number}"},
                                  {"event": "merged", "repo": "shop", "branch": "feature"}),
        }

    def proof(self, source, body, secret=None):
        secret = secret or self.SECRETS[source]
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"gitlab": {"X-Gitlab-Token": secret}, "github": {"X-Hub-Signature-256": f"sha256={digest}"},
                "generic": {"X-Pawl-Signature": digest}}.get(source, {f"X-{source.capitalize()}-Signature": digest})

    def deliver(self, source, headers, body):
        """Status, JSON, and whether the delivery was recognised as a repeat."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port_, timeout=stage.PATIENCE_S)
        try:
            connection.request("POST", f"/webhooks/{source}", body, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text or b"null"), response.getheader("Idempotency-Replayed") == "true"
        finally:
            connection.close()

    def play(self, chance):
        options = list(self.options())
        self.raise_curtain(*options)
        self.wants(201, "POST", "/v1/tasks", {"work_item": "F", "repo": "shop", "branch": "feature", "pipeline": "outside"})
        self.forged(chance)
        first = {}
        for number in (1, 2):
            for what, (headers, fields) in self.deliveries(number).items():
                source = what.split()[0]
                body = json.dumps(fields).encode()
                sent = (source, headers | self.proof(source, body), body)
                status, answer, is_replay = self.deliver(*sent)
                with self.subTest(what):
                    self.assertLess(status, 300, answer)
                    self.assertFalse(is_replay)
                    if fields.get("event") != "merged" and source != "gitea":
                        self.assertEqual(status, 201, (what, answer))
                first[what, number] = (sent, answer)
        count = len(self.wants(200, "GET", "/v1/tasks")["items"])
        self.replay(first)
        self.end_all(first)
        self.restart(options)
        self.replay(first)
        self.assertEqual(len(self.wants(200, "GET", "/v1/tasks")["items"]), count)
        self.mutated(chance)
        for record in self.records(self.begun_at):
            if (record.get("principal") or "").startswith("webhook:"):
                self.assertIn(record["type"], ("TaskCreated", "CancelRequested", "TaskCancelled", "TaskNote"))
        self.step_goes_on()

    def replay(self, first):
        for (what, number), (sent, answer) in first.items():
            status, again, is_replay = self.deliver(*sent)
            with self.subTest(f"{what} {number} once more"):
                self.assertLess(status, 300, again)
                if answer["seq"] is not None:  # a delivery that did nothing has no key
                    self.assertTrue(is_replay, again)
                    self.assertEqual(again["seq"], answer["seq"])

    def end_all(self, first):
        """Ends all tasks, so that the state itself does not prevent a second start."""
        for _, answer in first.values():
            if answer.get("task"):
                self.assertIn(self.ask("POST", f"/v1/tasks/{answer['task']['id']}/cancel", {})[0], (200, 202, 409))

    def restart(self, options):
        self.kill()
        (self.out / "go").touch()
        (self.folder / "pawld.log").unlink()
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens", "--pipeline", self.folder / "held.yaml",
                   "--pipeline", self.folder / "outside.yaml", *options)
        self.port_ = self.port()

    def step_goes_on(self):
        self.wait_until(lambda: self.ask("GET", f"/v1/tasks/{self.held}")[1]["stage"] == "done")
        self.assertEqual(self.effects(), [f"{self.held}-1-ship"])
        self.is_sound()

    def forged(self, chance):
        """Deliveries without a signature, with another secret or body, or with part of the right signature."""
        before = self.records()[-1]["seq"]
        for what, (headers, fields) in self.deliveries(9).items():
            source = what.split()[0]
            body = json.dumps(fields).encode()
            (name, right), = self.proof(source, body).items()
            cut = chance.randrange(1, len(right))
            wrongs = [{}, {name: ""}, {name: right[:cut]}, {name: right[:-1]}, {name: right + "0"}, {name: right.upper()},
                      {name: "0" * len(right)}, {name: right.replace("sha256=", "sha1=") + "x"},
                      self.proof(source, body, "another secret"), self.proof(source, body, " ")]
            if source != "gitlab":  # its token does not cover the body
                wrongs.append(self.proof(source, body + b" "))
            for other in self.SECRETS:
                if other != source:
                    wrongs.append(self.proof(source, body, self.SECRETS[other]))
            for wrong in wrongs:
                with self.subTest(what=what, wrong=wrong):
                    self.assertEqual(self.deliver(source, headers | wrong, body)[0], 401)
        self.assertEqual([record for record in self.records(before) if record.get("principal")], [])

    def mutated(self, chance):
        """Correctly signed deliveries of any form are answered 2xx, so that no forge disables the webhook."""
        for number in range(stage.REQUESTS):
            what, (headers, fields) = chance.choice(sorted(self.deliveries(1000 + number).items(), key=lambda item: item[0]))
            source = what.split()[0]
            request = Mutator(chance, paths=False).mutated(Request("POST", "", fields))
            body = request.body or b""
            status, answer, _ = self.deliver(source, headers | self.proof(source, body), body)
            with self.subTest(source=source, body=body[:300]):
                self.assertIn(status, (200, 201, 202), answer)


if __name__ == "__main__":
    stage.access.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
