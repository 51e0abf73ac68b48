"""Requests that an actor might send, and random changes to them."""

import json

OTHERS = ["", "0", "-1", "1", "2", "99999999999999999999", "%00", "..%2f..", "1e3", "pawld", "null"]
WRONG = [None, True, False, -1, 0, 1 << 62, 1 << 70, 1.5, "", "x", "x" * 5000, "\u202e", "../../x", [], {}, [1, 2], {"a": {}},
         "$(touch pwned)", "-x", "1"]


class Request:
    """A request: headers are a list, so that one may come twice; the body is bytes or None."""

    def __init__(self, method, path, body=None, headers=()):
        self.method = method
        self.path = path
        self.fields = body
        self.headers = list(headers)
        self.raw = None

    def copy(self):
        other = Request(self.method, self.path, json.loads(json.dumps(self.fields)), self.headers)
        other.raw = self.raw
        return other

    @property
    def body(self):
        if self.raw is not None:
            return self.raw
        return None if self.fields is None else json.dumps(self.fields).encode()

    def __repr__(self):
        return f"{self.method} {self.path[:200]} {self.headers} {(self.body or b'')[:300]!r}"


def batch_of(requests):
    """One request that has all of them."""
    return Request("POST", "/v1/batch", {"requests": [{"method": each.method, "path": each.path, "body": each.fields,
                                                       "headers": dict(each.headers)} for each in requests]})


class Mutator:
    """Changes one to three things in a request. `boots` are those of others; `tokens` are lease tokens."""

    def __init__(self, chance, boots=(), tokens=(), paths=True):
        self.chance = chance
        self.boots = [*boots, "", "x", "b" * 65]
        self.tokens = [*tokens, 0, 1, 1 << 40]
        self.ways = [self.drop, self.unknown, self.wrong_type, self.swap_boot, self.swap_token, self.duplicate_name,
                     self.cut_body, self.no_json, self.deep, self.boot_header, self.actor_header, self.key_header,
                     self.header_twice, self.long_header]
        if paths:
            self.ways += [self.method, self.other_id, self.query, self.encoded_path]

    def mutated(self, request):
        request = request.copy()
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(self.ways)(request)
        return request

    def field(self, request):
        return self.chance.choice(sorted(request.fields)) if isinstance(request.fields, dict) and request.fields else None

    def drop(self, request):
        if name := self.field(request):
            del request.fields[name]

    def unknown(self, request):
        if isinstance(request.fields, dict):
            request.fields[self.chance.choice(["principal", "boot", "seq", "outcome", "digest", "actor", "by", "x"])] = \
                self.chance.choice(WRONG)

    def wrong_type(self, request):
        if name := self.field(request):
            request.fields[name] = self.chance.choice(WRONG)

    def swap_boot(self, request):
        if isinstance(request.fields, dict):
            for holder in (request.fields, request.fields.get("owner")):
                if isinstance(holder, dict) and "boot_id" in holder:
                    holder["boot_id"] = self.chance.choice(self.boots)

    def swap_token(self, request):
        if isinstance(request.fields, dict):
            request.fields[self.chance.choice(["token", "repo_token", "expected_version", "started"])] = \
                self.chance.choice(self.tokens)

    def duplicate_name(self, request):
        if name := self.field(request):
            text = json.dumps(request.fields)
            request.raw = (text[:-1] + f", {json.dumps(name)}: {json.dumps(self.chance.choice(WRONG))}}}").encode()

    def cut_body(self, request):
        if body := request.body:
            request.raw = body[:self.chance.randrange(len(body))]

    def no_json(self, request):
        if request.method != "GET":
            request.raw = self.chance.choice([b"", b"null", b"[]", b"\xff\xfe", b"{" * 100, b"a=b", b'"x"', b"{}" * 2])

    def deep(self, request):
        if name := self.field(request):
            request.raw = json.dumps({name: 0}).replace("0", "[" * 40 + "]" * 40).encode()

    def boot_header(self, request):
        request.headers.append(("Pawl-Boot", self.chance.choice(self.boots)))

    def actor_header(self, request):
        request.headers.append(("Pawl-Actor", self.chance.choice(["pawld", "reaper", "executor", "webhook", "monitor", ""])))

    def key_header(self, request):
        request.headers.append(("Idempotency-Key", self.chance.choice(["victim", "k", "k" * 65, "a b", ""])))

    def header_twice(self, request):
        if request.headers:
            request.headers.append(self.chance.choice(request.headers))

    def long_header(self, request):
        request.headers.append(("X-Long", "y" * self.chance.choice([1, 8000, 20000])))

    def method(self, request):
        request.method = self.chance.choice(["GET", "POST", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS", "BREW"])

    def other_id(self, request):
        parts = request.path.split("/")
        at = self.chance.randrange(1, len(parts)) if len(parts) > 1 else 0
        parts[at] = self.chance.choice(OTHERS)
        request.path = "/".join(parts) if parts[0] == "" else "/" + "/".join(parts)

    def query(self, request):
        request.path += "?" + self.chance.choice(["limit=0", "after=-1", "wait_s=0&wait_s=1", "x=y", "token=1", "&&=", "reason=%00"])

    def encoded_path(self, request):
        request.path = request.path.replace("/v1", self.chance.choice(["/%761", "//v1", "/v1/.", "/V1", "/v1/../v1"]), 1)


def all_calls(world):
    """A request for each call that writes; each would do harm if its sender were allowed to make it."""
    a, b, job_a, job_b = world.held, world.claimed, world.held_job, world.claimed_job
    start = world.step_start
    owner = {"boot_id": world.daemon_boot, "pid": 1, "actor": "x"}
    boot = {"name": "pawld", "boot_id": "forged", "pid": 1, "pid_start": 1, "host": "unknown", "version": "1"}
    return [
        Request("POST", "/v1/tasks", {"work_item": "X-1", "repo": "shop", "pipeline": "held"}),
        Request("POST", f"/v1/tasks/{a}/cancel", {"reason": "x"}),
        Request("POST", f"/v1/tasks/{a}/resolve", {"step": "ship", "happened": False}),
        Request("POST", f"/v1/tasks/{a}/retry", {}),
        Request("POST", f"/v1/tasks/{a}/unblock", {}),
        Request("POST", f"/v1/tasks/{a}/note", {"text": "x"}),
        Request("POST", f"/v1/tasks/{a}/advance", {}),
        Request("POST", f"/v1/tasks/{a}/transition", {"to": "done", "expected_version": 1, "token": world.held_token}),
        Request("POST", f"/v1/tasks/{a}/steps", {"type": "StepFinished", "version": 1, "step": "ship", "started": start,
                                                 "outcome": "did_not_happen", "by": "probe", "token": world.held_token}),
        Request("POST", f"/v1/tasks/{a}/gate", {"gate": "work", "version": 1, "passed": True}),
        Request("POST", "/v1/leases", {"key": f"task:{b}", "owner": owner, "token": world.claimed_token}),
        Request("DELETE", f"/v1/leases/task:{b}?token={world.claimed_token}"),
        Request("DELETE", f"/v1/leases?key=task:{a}&token={world.held_token}"),
        Request("POST", "/v1/boots", boot),
        Request("DELETE", "/v1/boots/boot-b"),
        Request("DELETE", f"/v1/boots/{world.daemon_boot}"),
        Request("POST", "/v1/jobs/claim", {"agents": ["far", "sayer"], "owner": owner}),
        Request("POST", f"/v1/jobs/{job_a}/exited", {"attempt": 1, "exit_code": 1}),
        Request("POST", f"/v1/jobs/{job_b}/exited", {"attempt": 1, "exit_code": 0}),
        Request("POST", f"/v1/jobs/{job_b}/started", {"attempt": 1, "pid": world.step_pid, "pid_start": world.step_pid_start}),
        Request("POST", f"/v1/jobs/{job_b}/renew", {"attempt": 1}),
        Request("POST", f"/v1/jobs/{job_b}/finished", {"attempt": 1, "result": "failed"}),
        Request("POST", "/v1/settings", {"ownership.enabled": False}),
        Request("POST", "/v1/pipelines", {"name": "held", "stages": [{"name": "work", "to": "done"}]}),
        Request("POST", "/v1/repos", {"repo": "shop", "url": "/tmp/elsewhere"}),
        Request("DELETE", "/v1/repos?repo=shop"),
        Request("POST", f"/transition-lease/release?work_item=A&repo=shop"),
        Request("POST", "/v1/reaper/run"),
    ]


READS = ["/v1/tasks", "/v1/tasks/1", "/v1/tasks/1/history", "/v1/tasks/1/logs", "/v1/tasks/1/log", "/v1/leases", "/v1/boots",
         "/v1/jobs", "/v1/jobs/1", "/v1/jobs/1/log", "/v1/events", "/v1/head", "/v1/settings", "/v1/pipelines", "/v1/repos",
         "/v1/stuck?all=true", "/queue"]
