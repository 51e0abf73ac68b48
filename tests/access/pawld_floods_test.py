#!/usr/bin/env python3
"""A real pawld, and one client at a time that wants all of it. Takes the folder with pawld and pawl.

Answer times of others are measured as a ratio to those in quiet times: no test depends on the machine's speed."""

import hashlib
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pawld_access_test  # noqa: E402

PATIENCE_S = pawld_access_test.PATIENCE_S
CROWD = 1100  # more than the connection limit
MIB = 1024 * 1024


class Floods(pawld_access_test.Pawld):
    # A ratio of medians; a client that is shut out is refused, or beyond any ratio. Observed: 1 to 3, and 20 for
    # writes, as they wait for the disk and each record goes to each stream; more on a busy machine.
    RATIO_MAX = 300
    CALLS = 40

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CROWD + 200
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, max(hard, wanted)))
        self.token_of = {name: os.urandom(32).hex() for name in ("reader", "other", "worker", "people")}
        roles = {"reader": "read", "other": "read", "worker": "work", "people": "operate"}
        lines = [f"{name} {roles[name]} {hashlib.sha256(token.encode()).hexdigest()}\n"
                 for name, token in self.token_of.items()]
        self.write("tokens", "".join(lines))
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        self.port_ = self.port()
        self.assertEqual(self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})[0], 201)
        for _ in range(5):
            self.medians()  # so that the quiet baseline is warm too
        self.quiet = self.medians()
        self.before = self.memory_kib()

    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))

    def bearing(self, name):
        return {"Authorization": f"Bearer {self.token_of[name]}"}

    def head(self, line, name, more=""):
        return (f"{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token_of[name]}\r\n"
                f"{more}\r\n").encode()

    def others(self):
        """The requests of the others, each over its own connection."""
        note = {"text": "still here"}
        return {"health check": lambda: self.tcp("GET", "/healthz"),
                "reader over TCP": lambda: self.tcp("GET", "/v1/tasks/1", self.bearing("other")),
                "operator over TCP": lambda: self.tcp("POST", "/v1/tasks/1/note", self.bearing("people"), note),
                "operator over the socket": lambda: self.ask("POST", "/v1/tasks/1/note", note)[0]}

    def tcp(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port_, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body if body is None else json.dumps(body).encode(), headers or {})
            return connection.getresponse().status
        finally:
            connection.close()

    def medians(self):
        medians = {}
        for name, call in self.others().items():
            times = []
            for _ in range(self.CALLS):
                begun = time.perf_counter()
                self.assertEqual(call(), 200, name)
                times.append(time.perf_counter() - begun)
            medians[name] = sorted(times)[self.CALLS // 2]
        return medians

    def crowd(self, says, count=CROWD):
        """Connections that stay open; each sends something, and none ever reads."""
        crowd = []
        for _ in range(count):
            each = socket.create_connection(("127.0.0.1", self.port_), timeout=PATIENCE_S)
            self.addCleanup(each.close)
            crowd.append(each)
            try:
                each.sendall(says)
            except OSError:
                pass  # The server has already closed it, for newer ones.
        return crowd

    def statuses(self, crowd):
        """The clients' answers so far, by status; 0 for no answer."""
        counts = {}
        for each in crowd:
            each.setblocking(False)
            try:
                line = each.recv(64)
            except (BlockingIOError, ConnectionError):
                line = b""
            status = int(line.split()[1]) if line.startswith(b"HTTP/") else 0
            counts[status] = counts.get(status, 0) + 1
        return counts

    def check_others(self, what, mib_max):
        flooded = self.medians()
        grown = self.memory_kib() - self.before
        ratios = {name: flooded[name] / self.quiet[name] for name in flooded}
        print(f"{what}: {grown} KiB more; " +
              ", ".join(f"{name} x{ratio:.1f} ({flooded[name] * 1000:.1f} ms)" for name, ratio in ratios.items()))
        for name, ratio in ratios.items():
            self.assertLess(ratio, self.RATIO_MAX, f"{name}, beside {what}")
        self.assertLess(grown, mib_max * 1024, what)

    def test_streams_of_one_reader(self):
        crowd = self.crowd(self.head("GET /v1/events", "reader", "Accept: text/event-stream\r\n"))
        self.check_others("streams", 64)
        counts = self.statuses(crowd)
        self.assertGreaterEqual(counts.get(200), 512, counts)
        self.assertLess(counts.get(200), 700, f"some made room for others: {counts}")
        self.assertGreater(counts.get(429, 0), 0, counts)

    def test_streams_of_two_readers_and_a_worker(self):
        says = "Accept: text/event-stream\r\n"
        for name in ("reader", "other", "worker"):
            self.crowd(self.head("GET /v1/events", name, says), 400)
        self.check_others("streams of three", 64)

    def test_long_polls_of_one_reader(self):
        self.crowd(self.head("GET /v1/events?after=1000000&wait_s=60", "reader"))
        self.check_others("long polls", 64)

    def test_claims_of_one_worker_that_wait(self):
        boot = {"name": "w", "boot_id": "w", "pid": os.getpid(), "pid_start": 1, "host": "elsewhere", "version": "1"}
        self.assertEqual(self.tcp("POST", "/v1/boots", self.bearing("worker"), boot), 201)
        claim = json.dumps({"agents": ["nothing"], "owner": {"boot_id": "w", "pid": 2, "actor": "w"}, "wait_s": 60})
        self.crowd(self.head("POST /v1/jobs/claim", "worker",
                             f"Pawl-Boot: w\r\nContent-Length: {len(claim)}\r\n") + claim.encode())
        self.check_others("claims that wait", 64)

    def test_idle_connections_of_strangers(self):
        self.crowd(b"")
        self.check_others("idle connections", 64)

    def test_requests_that_are_never_complete(self):
        self.crowd(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX: ")
        self.check_others("half requests", 64)

    def test_bodies_that_are_never_complete(self):
        self.crowd(self.head("POST /v1/tasks", "people", f"Content-Length: {MIB}\r\n") + b" " * (MIB - 1), 400)
        self.check_others("1 MiB bodies", 128 + 64)

    def test_requests_without_an_end(self):
        """More than 2,000 requests a second, if the machine is fast enough: then the rest is refused."""
        ended = multiprocessing.Event()
        served, refused = (multiprocessing.Value("q") for _ in range(2))

        def flood():
            each = socket.create_connection(("127.0.0.1", self.port_), timeout=PATIENCE_S)
            piece = self.head("GET /v1/tasks/1", "reader") * 50
            with each:
                while not ended.is_set():
                    each.sendall(piece)
                    text = b""
                    while text.count(b"HTTP/1.1 ") < 50 or not text.endswith(b"}"):
                        text += each.recv(256 * 1024)
                    with served, refused:
                        served.value += text.count(b"HTTP/1.1 200 ")
                        refused.value += text.count(b"HTTP/1.1 429 ")

        # Processes: threads would take time from the measured clients.
        processes = [multiprocessing.Process(target=flood, daemon=True) for _ in range(2)]
        begun = time.monotonic()
        for each in processes:
            each.start()
        try:
            self.wait_until(lambda: served.value + refused.value > 20000)
            self.check_others("endless requests", 64)
        finally:
            ended.set()
            for each in processes:
                each.join()
        took = time.monotonic() - begun
        print(f"in {took:.1f} s {served.value} were served and {refused.value} refused")
        self.assertLessEqual(served.value, 4000 + 2000 * (took + 1) + 200)


class Quotas(pawld_access_test.Pawld):
    """One who registers, locks and submits without an end, beside one who works and one who operates."""
    MORE = 50  # tries beyond the share

    def setUp(self):
        super().setUp()
        roles = {"flood": "work", "worker": "work", "submitter": "operate", "people": "operate"}
        self.token_of = {name: os.urandom(32).hex() for name in roles}
        self.write("tokens", "".join(f"{name} {roles[name]} {hashlib.sha256(token.encode()).hexdigest()}\n"
                                     for name, token in self.token_of.items()))
        self.start("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        settings = {"quota.boots": 12, "quota.leases": 8, "quota.tasks": 8}
        self.assertEqual(self.as_who("people", "POST", "/v1/settings", settings)[0], 200)
        self.assertEqual(self.submit("people", "W-1")[0], 201)
        self.assertEqual(self.register("worker", "w-1")[0], 201)

    def as_who(self, name, method, path, body=None, boot=None):
        headers = {"Authorization": f"Bearer {self.token_of[name]}"}
        return self.ask(method, path, body, headers | ({"Pawl-Boot": boot} if boot else {}), tcp=True)

    def register(self, name, boot):
        return self.as_who(name, "POST", "/v1/boots", {"name": boot, "boot_id": boot, "pid": os.getpid(), "pid_start": 1,
                                                       "host": "elsewhere", "version": "1"})

    def lock(self, name, boot, key):
        return self.as_who(name, "POST", "/v1/leases",
                           {"key": key, "owner": {"boot_id": boot, "pid": 2, "actor": "locker"}}, boot)

    def submit(self, name, work_item):
        return self.as_who(name, "POST", "/v1/tasks", {"work_item": work_item, "repo": "shop"})

    def shares(self, name="people"):
        status, answer = self.as_who(name, "GET", "/queue")
        self.assertEqual(status, 200)
        return answer["shares"]

    def flood(self, kind, share, call):
        """`call(i)` until it is refused, and on; what the others do meanwhile is taken."""
        before = self.shares()
        taken = 0
        while (answer := call(taken))[0] == 201:
            taken += 1
            self.assertLessEqual(taken, share, kind)
        self.assertEqual((answer[0], answer[1]["error"]["code"]), (429, "quota"), kind)
        self.assertEqual(taken, share, kind)
        for i in range(self.MORE - 1):
            self.assertEqual(call(taken + 1 + i)[0], 429, kind)
            if i % 10 == 0:
                self.others(f"{kind}-{i}")
        after = self.shares()
        self.assertEqual(after["held"][kind], before["held"][kind] + share, kind)
        self.assertEqual(after["refused"][kind], before["refused"][kind] + self.MORE, kind)
        return after

    def others(self, tag):
        """A worker that comes, locks and leaves, and one who operates."""
        self.assertEqual(self.register("worker", tag)[0], 201)
        self.assertEqual(self.lock("worker", tag, f"w:{tag}")[0], 201)
        self.assertEqual(self.as_who("worker", "DELETE", f"/v1/boots/{tag}")[0], 200)
        self.assertEqual(self.as_who("people", "POST", "/v1/tasks/1/note", {"text": tag})[0], 200)
        self.assertEqual(self.submit("people", tag)[0], 201)
        task = self.as_who("people", "GET", "/v1/tasks")[1]["items"][-1]
        self.assertEqual(self.as_who("people", "POST", f"/v1/tasks/{task['id']}/cancel")[0], 200)

    def test_boots(self):
        after = self.flood("boots", 6, lambda i: self.register("flood", f"f-{i}"))
        self.assertEqual(after["refused_most"], [{"principal": "token:flood", "count": self.MORE}])
        self.assertIsNone(self.shares("worker")["refused_most"], "names are for operators")
        self.assertEqual(self.as_who("flood", "DELETE", "/v1/boots/f-0")[0], 200)
        self.assertEqual(self.register("flood", "f-again")[0], 201, "what it gave back it may have again")
        self.assertEqual(self.register("flood", "f-more")[0], 429)

    def test_leases(self):
        self.assertEqual(self.register("flood", "f")[0], 201)
        self.flood("leases", 4, lambda i: self.lock("flood", "f", f"f:{i}"))

    def test_submissions(self):
        after = self.flood("tasks", 4, lambda i: self.submit("submitter", f"S-{i}"))
        self.assertEqual(after["refused_most"], [{"principal": "token:submitter", "count": self.MORE}])
        text = subprocess.run([pawld_access_test.BIN / "pawl", "queue", "--socket", self.socket], capture_output=True,
                              text=True, timeout=PATIENCE_S, check=True).stdout
        self.assertIn(f"refused tasks {self.MORE}; evicted none; refused most: token:submitter {self.MORE}\n",
                      text)


if __name__ == "__main__":
    pawld_access_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
