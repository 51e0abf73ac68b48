#!/usr/bin/env python3
"""A real pawld behind real proxies, configured as in docs/SECURITY.md. Takes the folder of pawld."""

import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from smuggled import ATTACKS  # noqa: E402

BIN = None
PATIENCE_S = 60
SOURCE = pathlib.Path(__file__).resolve().parents[2]
PATH = os.environ.get("PATH", "") + ":/usr/sbin"  # Debian keeps daemons there
TOKENS = {role: hashlib.sha256(role.encode()).hexdigest() for role in ("read", "work", "operate")}
SECRET = "of the webhooks"

PIPELINE = """
name: waits
agents:
  outside: {}
stages:
  - name: work
    agent: outside
    to: done
"""


def documented(proxy):
    page = (SOURCE / "docs/SECURITY.md").read_text(encoding="utf-8")
    return re.search(rf"^<!-- {proxy} -->\n```{proxy}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]


def replaced(text, words):
    for old, new in words.items():
        if old not in text:
            raise AssertionError(f"'{old}' is not in the documented configuration")
        text = text.replace(old, new)
    return text


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def becomes_true(condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Endpoint:
    """Where requests go: a proxy with TLS, or pawld's own port."""

    def __init__(self, name, port, context=None):
        self.name, self.port, self.context = name, port, context

    def open(self):
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        return self.context.wrap_socket(plain, server_hostname="pawl.example") if self.context else plain

    def connection(self):
        connection = http.client.HTTPConnection("pawl.example", timeout=PATIENCE_S)
        connection.sock = self.open()
        connection.auto_open = 0
        return connection

    def ask(self, method, path, body=None, headers=None, connection=None, role="operate"):
        """Status, headers and JSON; the body is sent as it is unless it is a dictionary."""
        own = connection or self.connection()
        try:
            sent = json.dumps(body).encode() if isinstance(body, dict) else body
            bearer = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
            own.request(method, path, sent, bearer | (headers or {}))
            response = own.getresponse()
            text = response.read().decode()
            is_json = response.getheader("Content-Type") == "application/json"
            return response.status, response.headers, json.loads(text or "null") if is_json else text
        finally:
            if not connection:
                own.close()


class Behind:
    """The tests for each proxy, over TCP and over the socket."""

    PROXY = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.socket = cls.folder / "s"
        cls.write("tokens", "".join(f"{role} {role} {hashlib.sha256(token.encode()).hexdigest()}\n"
                                    for role, token in TOKENS.items()))
        cls.write("secret", SECRET)
        cls.write("p.yaml", PIPELINE)
        port = free_port()
        cls.run_in_background("pawld", BIN / "pawld", "--data", cls.folder / "data", "--socket", cls.socket, "--listen",
                              f"127.0.0.1:{port}", "--tokens", cls.folder / "tokens", "--generic-secret-file",
                              cls.folder / "secret", "--pipeline", cls.folder / "p.yaml")
        cls.direct = Endpoint("direct", port)
        cls.make_certificate()
        context = ssl.create_default_context(cafile=str(cls.folder / "proxy.pem"))
        cls.proxied = []
        for over, pawld in (("tcp", f"127.0.0.1:{port}"), ("socket", cls.socket)):
            endpoint = Endpoint(over, free_port(), context)
            cls.start_proxy(over, endpoint.port, pawld)
            cls.proxied.append(endpoint)
        for endpoint in (cls.direct, *cls.proxied):
            if not becomes_true(lambda endpoint=endpoint: cls.is_ready(endpoint)):
                raise AssertionError(f"{endpoint.name} never answered\n{cls.said()}")

    @classmethod
    def write(cls, name, text):
        path = cls.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    @classmethod
    def run_in_background(cls, name, *words):
        with open(cls.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)

    @classmethod
    def said(cls):
        return "\n".join(f"{log.name}: {log.read_text(encoding='utf-8', errors='replace')}"
                         for log in sorted(cls.folder.glob("*.log")))

    @classmethod
    def make_certificate(cls):
        made = cls.write("proxy.pem", "")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=pawl.example", "-addext", "subjectAltName=DNS:pawl.example,IP:127.0.0.1",
                        "-keyout", made, "-out", cls.folder / "proxy.crt"], check=True, capture_output=True)
        with open(made, "a", encoding="utf-8") as both:
            both.write((cls.folder / "proxy.crt").read_text(encoding="utf-8"))

    @staticmethod
    def is_ready(endpoint):
        try:
            return endpoint.ask("GET", "/readyz", role=None)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    @staticmethod
    def program(proxy):
        found = shutil.which(proxy, path=PATH)
        if not found:
            raise AssertionError(f"{proxy} is not installed: cmake/setup does that")
        return found

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(self.said(), file=sys.stderr)

    def each(self, function):
        for endpoint in self.proxied:
            with self.subTest(proxy=self.PROXY, over=endpoint.name):
                function(endpoint)

    def submitted(self, work_item, repo="shop", pipeline="waits"):
        status, _, answer = self.direct.ask("POST", "/v1/tasks", {"work_item": work_item, "repo": repo, "pipeline": pipeline})
        self.assertEqual(status, 201, answer)
        return answer["task"]["id"]

    def test_calls_are_answered_as_without_a_proxy(self):
        def tried(at):
            keyed = {"Idempotency-Key": f"key-{at.name}"}
            task = {"work_item": f"A-{at.name}", "repo": f"calls-{at.name}", "pipeline": "waits"}
            status, headers, made = at.ask("POST", "/v1/tasks", task, keyed)
            self.assertEqual(status, 201, made)
            status, headers, again = at.ask("POST", "/v1/tasks", task, keyed)
            self.assertEqual((status, again["seq"], headers["Idempotency-Replayed"]), (201, made["seq"], "true"))
            number = made["task"]["id"]
            self.assertEqual(at.ask("GET", f"/v1/tasks/{number}", role="read")[2]["work_item"], task["work_item"])
            self.assertEqual(at.ask("GET", f"/v1/tasks?work_item=A-{at.name}")[2]["items"][0]["id"], number)
            # A key that contains a slash, in a path.
            key = f"a/{at.name}"
            owner = self.boot(at, f"boot-{at.name}")
            status, _, lease = at.ask("POST", "/v1/leases", {"key": f"repo:{key}", "owner": owner}, role="work")
            self.assertEqual(status, 201, lease)
            path = f"/v1/leases/repo%3Aa%2F{at.name}?token={lease['lease']['token']}"
            self.assertEqual(at.ask("DELETE", path, role="work")[0], 200)
            for method, path, role, expected in (("GET", "/v1/nothing", "read", 404), ("PUT", "/v1/tasks", "read", 405),
                                                 ("POST", "/v1/settings", "work", 403), ("GET", "/healthz", None, 200)):
                self.assertEqual(at.ask(method, path, b"{}" if method != "GET" else None, role=role)[0], expected, path)
            head = at.ask("HEAD", "/v1/tasks")
            self.assertEqual((head[0], head[2]), (200, None))

        self.each(tried)
        self.assertEqual(self.proxied[0].ask("GET", "/v1/tasks", role=None)[0], 401)

    def boot(self, at, name):
        """Registers a boot on a machine that pawld does not know; returns its owner."""
        boot = {"name": name, "boot_id": name, "pid": 2, "pid_start": 0, "host": "unknown", "version": "1"}
        self.assertEqual(at.ask("POST", "/v1/boots", boot, role="work")[0], 201)
        return {"boot_id": name, "pid": 2, "actor": "test"}

    def test_event_stream_goes_on_where_it_was_and_comes_at_once(self):
        def tried(at):
            before = self.direct.ask("GET", "/queue")[2]["seq"]
            self.submitted(f"B-{at.name}-1", repo=f"stream-{at.name}")
            last = self.direct.ask("GET", "/queue")[2]["seq"]
            with at.open() as stream:
                stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: pawl.example\r\nAuthorization: Bearer {TOKENS['read']}\r\n"
                               f"Accept: text/event-stream\r\nLast-Event-ID: {before}\r\n\r\n".encode())
                lines = stream.makefile("rb")
                self.assertEqual([self.next_id(lines) for _ in range(before, last)], list(range(before + 1, last + 1)))
                # A buffering proxy would hold this one back: nothing follows it.
                self.submitted(f"B-{at.name}-2", repo=f"stream-{at.name}")
                self.assertEqual(self.next_id(lines), last + 1)

        self.each(tried)

    def test_pawl_asks_and_follows_through_it(self):
        token = self.write("operate.token", TOKENS["operate"])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PAWL_")}
        environment |= {"XDG_CONFIG_HOME": str(self.folder), "PAWL_TOKEN_FILE": str(token),
                        "PAWL_CACERT": str(self.folder / "proxy.crt")}

        def tried(at):
            own = environment | {"PAWL_URL": f"https://127.0.0.1:{at.port}"}
            with subprocess.Popen([BIN / "pawl", "tail", "--json"], stdout=subprocess.PIPE, text=True, env=own) as tail:
                self.addCleanup(tail.kill)
                made = subprocess.run([BIN / "pawl", "submit", f"P-{at.name}", "--repo", f"pawl-{at.name}", "--pipeline",
                                       "waits"], capture_output=True, text=True, check=False, env=own, timeout=PATIENCE_S)
                self.assertEqual((made.returncode, made.stderr), (0, ""))
                self.assertTrue(any(f'"P-{at.name}"' in line for line in tail.stdout))
                tail.kill()

        self.each(tried)

    @staticmethod
    def next_id(lines):
        for line in lines:
            if found := re.fullmatch(rb"id: ?(\d+)\r?\n", line):
                return int(found[1])
        return None

    def test_long_poll_is_answered_when_something_happens(self):
        def tried(at):
            seq = self.direct.ask("GET", "/queue")[2]["seq"]
            connection = at.connection()
            self.addCleanup(connection.close)
            connection.request("GET", f"/v1/events?after={seq}&wait_s=60",
                               headers={"Authorization": f"Bearer {TOKENS['read']}"})
            self.submitted(f"C-{at.name}", repo=f"poll-{at.name}")
            response = connection.getresponse()
            self.assertEqual((response.status, json.loads(response.read().splitlines()[0])["seq"]), (200, seq + 1))

        self.each(tried)

    def test_job_is_not_given_to_a_client_that_has_gone(self):
        self.direct.ask("POST", "/v1/settings", {"queue.max_concurrency": 64})
        claim = {"agents": ["outside"], "owner": self.boot(self.direct, "w"), "ttl_s": 300}
        as_worker = {"Pawl-Boot": "w"}
        while self.direct.ask("POST", "/v1/jobs/claim", claim, as_worker, role="work")[0] == 200:
            pass  # takes the jobs of the other tests

        def tried(at):
            connection = at.connection()
            connection.request("POST", "/v1/jobs/claim", json.dumps(claim | {"wait_s": 60}),
                               {"Authorization": f"Bearer {TOKENS['work']}", **as_worker})
            time.sleep(0.3)  # only gives the request time to arrive
            before = self.connections(at)
            connection.close()
            self.assertTrue(becomes_true(lambda: self.connections(at) < before), "the proxy waits on without its client")
            self.submitted(f"D-{at.name}", repo=f"gone-{at.name}")
            status, _, answer = at.ask("POST", "/v1/jobs/claim", claim | {"wait_s": 30}, as_worker, role="work")
            self.assertEqual(status, 200, answer)

        self.each(tried)

    def test_claim_that_was_read_stays_with_its_client(self):
        self.direct.ask("POST", "/v1/settings", {"queue.max_concurrency": 64})
        owner = self.boot(self.direct, "reads")

        def tried(at):
            for turn in range(4):  # on new connections of the proxy, and on kept ones
                self.submitted(f"I-{at.name}-{turn}", repo=f"read-{at.name}-{turn}")
                claim = {"agents": ["outside"], "owner": owner, "ttl_s": 300, "wait_s": 30}
                status, _, answer = at.ask("POST", "/v1/jobs/claim", claim, {"Pawl-Boot": "reads"}, role="work")
                self.assertEqual(status, 200, answer)
                time.sleep(0.2)  # only gives pawld time to take the answer for unread
                job = self.direct.ask("GET", f"/v1/jobs/{answer['job']['id']}")[2]
                self.assertEqual((job["status"], job["attempts"]), ("running", answer["job"]["attempts"]))

        self.each(tried)

    def connections(self, at):
        """How many connections a proxy has to pawld, counted on pawld's side."""
        kind, place = ("unix", f" 03 .* {re.escape(str(self.socket))}$") if at.name == "socket" else (
            "tcp", f"^ *\\d+: 0100007F:{self.direct.port:04X} \\S+ 01 ")
        listed = pathlib.Path(f"/proc/net/{kind}").read_text(encoding="utf-8")
        return len(re.findall(place, listed, re.MULTILINE))

    def test_bodies_of_any_size_and_coding(self):
        def tried(at):
            text = json.dumps({"event": "merged", "repo": "none", "branch": "b", "id": f"long-{at.name}"})
            for size in (1 << 20, 4 << 20, (4 << 20) + 1):
                body = text[:-1].encode() + b" " * (size - len(text)) + b"}"
                status, _, answer = at.ask("POST", "/webhooks/generic", body, self.signed(body), role=None)
                self.assertEqual(status // 100, 2, answer)
                self.assertEqual(answer.get("reason") == "body_too_large", size == (4 << 20) + 1, answer)
            note = json.dumps({"work_item": f"E-{at.name}", "repo": f"chunked-{at.name}", "pipeline": "waits"}).encode()
            connection = at.connection()
            self.addCleanup(connection.close)
            for round_ in range(3):
                connection.request("POST", "/v1/tasks", (note[i:i + 7] for i in range(0, len(note), 7)),
                                   {"Authorization": f"Bearer {TOKENS['operate']}", "Idempotency-Key": f"chunked-{at.name}"},
                                   encode_chunked=True)
                response = connection.getresponse()
                self.assertEqual((response.status, json.loads(response.read())["task"]["work_item"]),
                                 (201, f"E-{at.name}"), round_)
            self.assertEqual(at.ask("POST", "/v1/tasks", b" " * ((1 << 20) + 1))[0], 413)

        self.each(tried)

    @staticmethod
    def signed(body):
        return {"X-Pawl-Signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}

    def test_webhooks_need_one_signature_and_no_token(self):
        def tried(at):
            body = json.dumps({"event": "start", "repo": f"hooks-{at.name}", "work_item": "F-1", "pipeline": "waits",
                               "id": f"start-{at.name}"}).encode()
            self.assertEqual(at.ask("POST", "/webhooks/generic", body, role=None)[0], 401)
            wrong = {"X-Pawl-Signature": "0" * 64}
            self.assertEqual(at.ask("POST", "/webhooks/generic", body, wrong, role=None)[0], 401)
            right = self.signed(body)
            self.assertEqual(at.ask("POST", "/webhooks/generic", body, right, role=None)[0] // 100, 2)
            with at.open() as twice:
                lines = f"X-Pawl-Signature: {wrong['X-Pawl-Signature']}\r\nX-Pawl-Signature: {right['X-Pawl-Signature']}\r\n"
                twice.sendall(f"POST /webhooks/generic HTTP/1.1\r\nHost: pawl.example\r\nContent-Length: {len(body)}\r\n"
                              f"{lines}Connection: close\r\n\r\n".encode() + body)
                self.assertEqual(statuses(twice), [400])
            found = self.direct.ask("GET", f"/v1/tasks?repo=hooks-{at.name}")[2]["items"]
            self.assertEqual([task["work_item"] for task in found], ["F-1"])

        self.each(tried)

    def test_answers_are_never_swapped(self):
        tasks = [self.submitted(f"G-{i}", repo=f"many-{i}") for i in range(8)]
        wrong = []

        def client(at, task, is_rude):
            connection = at.connection()
            for turn in range(60):
                asked = ("GET", f"/v1/tasks/{task}") if turn % 2 else ("POST", f"/v1/tasks/{task}/advance")
                _, _, answer = at.ask(asked[0], asked[1], b"{}" if asked[0] == "POST" else None, connection=connection,
                                      headers={"Pawl-Actor": f"client-{task}"})
                got = answer.get("id") or (answer.get("task") or answer["error"].get("current") or {}).get("id")
                if got != task:
                    wrong.append((at.name, task, answer))
                if is_rude and turn % 10 == 0:  # a client that pawld refuses, on connections shared with the others
                    status = at.ask("POST", f"/v1/tasks/{task}/note", b"{", {"Content-Type": "x"})[0]
                    if status != 400:
                        wrong.append((at.name, task, status))
            connection.close()

        def tried(at):
            clients = [threading.Thread(target=client, args=(at, task, i % 4 == 0)) for i, task in enumerate(tasks)]
            for each in clients:
                each.start()
            for each in clients:
                each.join()

        self.each(tried)
        self.assertEqual(wrong, [])

    def test_smuggled_request_is_never_served(self):
        victim = self.submitted("H-1", repo="victim")
        for at in (self.direct, *self.proxied):
            for name, attack in ATTACKS.items():
                with self.subTest(proxy=self.PROXY, over=at.name, attack=name), at.open() as attacker:
                    hidden = (f"POST /v1/tasks/{victim}/note HTTP/1.1\r\nHost: pawl.example\r\nPawl-Actor: smuggler\r\n"
                              f"Authorization: Bearer {TOKENS['operate']}\r\nContent-Length: 12\r\n\r\n{{\"text\":\"x\"}}").encode()
                    attacker.sendall(attack(f"Host: pawl.example\r\nAuthorization: Bearer {TOKENS['operate']}\r\n".encode(),
                                            f"/v1/tasks/{victim}/advance".encode(), hidden))
                    attacker.settimeout(0.1)
                    answered = statuses(attacker)
                    # The proxies accept a lone LF as a line end, and forward two requests: that hides nothing.
                    if at is self.direct:
                        self.assertLessEqual(sum(status < 300 for status in answered), 1, answered)
                # Clients that share connections with it still get their own answers.
                for _ in range(3):
                    status, _, answer = at.ask("GET", f"/v1/tasks/{victim}", role="read")
                    self.assertEqual((status, answer.get("id")), (200, victim), name)
        # The proxies set the actor of every request they see: one with its own actor was hidden from them.
        for at, actor in ((self.direct, "honest"), *((each, "proxied") for each in self.proxied)):
            at.ask("POST", f"/v1/tasks/{victim}/note", {"text": f"by {at.name}"}, {"Pawl-Actor": "honest"})
            self.assertIn((actor, f"by {at.name}"), self.notes(victim))
        self.assertNotIn("smuggler", [actor for actor, _ in self.notes(victim)])

    def notes(self, task):
        history = self.direct.ask("GET", f"/v1/tasks/{task}/history?limit=1000")[2]["items"]
        return [(record["actor"], record["data"]["text"]) for record in history if record["type"] == "TaskNote"]


def statuses(connection):
    """The statuses of all answers until the other side closes, or sends nothing for a moment."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except OSError:
        pass
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", got)]


class Nginx(Behind, unittest.TestCase):
    PROXY = "nginx"

    @classmethod
    def start_proxy(cls, over, port, pawld):
        own = cls.folder / over
        own.mkdir()
        at = f"unix:{pawld}" if over == "socket" else pawld
        server = replaced(documented("nginx"), {
            "443 ssl": f"127.0.0.1:{port} ssl", "127.0.0.1:7777": at, "/etc/pawl/proxy.pem": str(cls.folder / "proxy.pem"),
            "proxy_set_header Host $host;": "proxy_set_header Host $host; proxy_set_header Pawl-Actor proxied;"})
        paths = "".join(f"{each}_temp_path {own};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;\n" if os.geteuid() == 0 else ""
        config = cls.write(f"{over}.conf", f"{user}daemon off;\npid {own}/pid;\nerror_log stderr;\nevents {{}}\n"
                                           f"http {{\naccess_log off;\n{paths}{server}}}\n")
        cls.run_in_background(f"nginx.{over}", cls.program("nginx"), "-p", own, "-e", "stderr", "-c", config)


class Haproxy(Behind, unittest.TestCase):
    PROXY = "haproxy"

    @classmethod
    def start_proxy(cls, over, port, pawld):
        at = f"unix@{pawld}" if over == "socket" else pawld
        config = cls.write(f"{over}.cfg", replaced(documented("haproxy"), {
            ":443 ssl": f"127.0.0.1:{port} ssl", "/etc/pawl/proxy.pem": str(cls.folder / "proxy.pem"),
            "127.0.0.1:7777": at, "default_backend": "http-request set-header Pawl-Actor proxied\n    default_backend"}))
        cls.run_in_background(f"haproxy.{over}", cls.program("haproxy"), "-db", "-f", config)


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
