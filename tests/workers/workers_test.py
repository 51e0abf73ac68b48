#!/usr/bin/env python3
"""The example workers, against a real pawld and, for what a real one does too rarely, against a fake one.

Nothing waits for a fixed time: each wait ends with its condition; its bound only makes a faulty test fail.
"""

import argparse
import http.server
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/delivery"))
from pawl_example import UnixConnection  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 60

PAWLD = None
WORKER = None


def worker_command(agent, script):
    """The worker's arguments: a shell script is its agent."""
    if WORKER == "sh":
        return [ROOT / "examples/workers/worker.sh", agent, "/bin/sh", "-c", script]
    return [sys.executable, ROOT / "examples/workers/worker.py", "--agent", agent, "/bin/sh", "-c", script]


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] != "Z"


class WorkerTest(unittest.TestCase):
    """What both kinds of test share: a folder, a worker in it, and patience."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.workers = []
        self.addCleanup(self.end_workers)

    def end_workers(self):
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
                try:
                    worker.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    worker.kill()
                    worker.wait()

    def start_worker(self, script, **where):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PAWL_")}
        with open(self.folder / "worker.log", "ab") as log:
            worker = subprocess.Popen(
                worker_command("analyst", script), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=environment | where)
        self.workers.append(worker)
        return worker

    def said(self):
        return self.path("worker.log").read_text(encoding="utf-8")

    def path(self, name):
        return self.folder / name

    def wait_until(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        return self.fail(f"never came true: {what}\n{self.said()}")

    def wait_for_file(self, name):
        return self.wait_until(lambda: self.path(name).exists() and self.path(name).read_text(), f"there is {name}")


class WithDaemon(WorkerTest):
    def setUp(self):
        super().setUp()
        self.socket = str(self.path("pawl.sock"))
        self.daemon = None
        self.start_daemon()
        self.addCleanup(self.kill_daemon)

    def start_daemon(self):
        with open(self.path("pawld.log"), "ab") as log:
            self.daemon = subprocess.Popen(
                [PAWLD, "--data", self.path("data"), "--socket", self.socket], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        self.wait_until(self.is_ready, "pawld is ready")

    def is_ready(self):
        self.assertIsNone(self.daemon.poll(), self.path("pawld.log").read_text(encoding="utf-8"))
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def kill_daemon(self):
        self.daemon.kill()
        self.daemon.wait()

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket, PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def submit(self, work_item, branch="w"):
        body = {"work_item": work_item, "repo": "shop", "branch": branch}
        self.assertEqual(self.request("POST", "/v1/tasks", body)[0], 201)

    def records(self, kind):
        """The data of all accepted records of that type, oldest first."""
        found = []
        after = 0
        while True:
            status, text = self.request("GET", f"/v1/events?after={after}&wait_s=0")
            self.assertEqual(status, 200)
            records = [json.loads(line) for line in text.splitlines() if line]
            if not records:
                return found
            after = records[-1]["seq"]
            found += [each["data"] for each in records if each["type"] == kind and each["outcome"] == "accepted"]

    def job(self, job=1):
        status, text = self.request("GET", f"/v1/jobs/{job}")
        self.assertEqual(status, 200)
        return json.loads(text)

    def worker(self, script):
        return self.start_worker(script, PAWL_SOCKET=self.socket)

    # ---- the tests

    def test_agent_gets_its_facts_and_its_exit_code_is_reported(self):
        self.submit("W 1, {a}", "feature/x")
        self.worker('echo "$PAWL_JOB $PAWL_ATTEMPT $PAWL_TASK $PAWL_VERSION|$PAWL_WORK_ITEM|$PAWL_REPO|$PAWL_BRANCH|'
                    '$PAWL_STAGE" >>facts; echo $$ >>pid; exit 3')
        exited = self.wait_until(lambda: self.records("RunExited"), "the exit is recorded")[0]
        self.assertEqual(exited, {"job": 1, "attempt": 1, "exit_code": 3})
        # Exit code 3 is tried again, perhaps already: only the first attempt's output counts.
        self.assertEqual(self.wait_for_file("facts").splitlines()[0], "1 1 1 1|W 1, {a}|shop|feature/x|analysis")
        started = self.records("RunStarted")[0]
        self.assertEqual(started["pid"], int(self.path("pid").read_text().splitlines()[0]))
        self.assertGreater(started["pid_start"], 0)

    def test_worker_outlives_the_daemon_and_keeps_its_job(self):
        self.submit("W-1")
        self.worker("echo $$ >pid; until [ -e go ]; do sleep 0.05; done; exit 0")
        self.wait_until(lambda: self.records("RunStarted"), "the agent's start is recorded")
        self.kill_daemon()
        self.start_daemon()
        job = self.job()
        self.assertEqual((job["status"], job["attempts"]), ("running", 1))
        self.kill_daemon()
        self.path("go").touch()  # so that the report gets no answer
        self.wait_until(lambda: "retrying" in self.said(), "the worker notices that pawld is away")
        self.start_daemon()
        exited = self.wait_until(lambda: self.records("RunExited"), "the exit is recorded")
        self.assertEqual(exited, [{"job": 1, "attempt": 1, "exit_code": 0}])
        self.assertEqual(self.records("JobReaped"), [])
        self.assertEqual(len(self.records("JobClaimed")), 1)

    def test_worker_that_dies_loses_its_job_at_once(self):
        self.submit("W-1")
        worker = self.worker("echo $$ >pid; exec sleep 1000")
        self.wait_until(lambda: self.records("RunStarted"), "the agent's start is recorded")
        agent = int(self.wait_for_file("pid"))
        worker.kill()
        worker.wait()
        # Long before the reaper's first pass is due: the daemon holds a pidfd of the worker.
        reaped = self.wait_until(lambda: self.records("JobReaped"), "the job is reaped")[0]
        self.assertEqual((reaped["job"], reaped["attempt"], reaped["tier"]), (1, 1, "1"))
        self.assertEqual(self.job()["status"], "queued")
        self.wait_until(lambda: not is_alive(agent), "its agent is ended too")

    def test_claim_that_waits_survives_a_restart(self):
        self.worker("touch ran")
        self.wait_until(lambda: "works for" in self.said(), "the worker is registered")
        self.kill_daemon()
        self.wait_until(lambda: "retrying" in self.said(), "the worker notices that pawld is away")
        self.start_daemon()
        self.submit("W-1")
        self.wait_until(lambda: self.records("RunExited"), "the exit is recorded")
        self.assertTrue(self.path("ran").exists())

    def test_sigterm_ends_the_agent_and_gives_the_job_back(self):
        self.submit("W-1")
        worker = self.worker("echo $$ >pid; sleep 1000 & echo $! >grandchild; wait")
        self.wait_until(lambda: self.records("RunStarted"), "the agent's start is recorded")
        pids = [int(self.wait_for_file(name)) for name in ("pid", "grandchild")]
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(PATIENCE_S), 0, self.said())
        for pid in pids:
            self.wait_until(lambda: not is_alive(pid), f"{pid} is gone")
        job = self.job()
        self.assertEqual((job["status"], job["attempts"], job["interruptions"]), ("queued", 1, 1))
        self.assertEqual([each["reason"] for each in self.records("BootEnded")], ["clean"])

    def test_sigterm_ends_a_claim_that_waits(self):
        worker = self.worker("true")
        self.wait_until(lambda: "works for" in self.said(), "the worker is registered")
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(PATIENCE_S), 0, self.said())
        self.assertLess(time.monotonic() - began, 29, "it sat out its long poll")
        self.assertEqual(len(self.records("BootEnded")), 1)

    def test_worker_that_was_ended_is_refused_and_goes(self):
        self.submit("W-1")
        worker = self.worker("until [ -e go ]; do sleep 0.05; done")
        self.wait_until(lambda: self.records("RunStarted"), "the agent's start is recorded")
        boot = self.records("BootStarted")[-1]["boot_id"]
        self.assertEqual(self.request("DELETE", f"/v1/boots/{boot}")[0], 200)
        self.path("go").touch()
        self.assertEqual(worker.wait(PATIENCE_S), 1, self.said())
        self.assertIn("exited was refused: 409", self.said())
        self.assertIn("no more jobs: 409", self.said())
        self.assertIn("stale_boot", self.said())
        self.assertEqual(self.records("RunExited"), [])


class FalsePawld(http.server.BaseHTTPRequestHandler):
    """Answers from a script of (status, body); status 0 closes the connection instead, after the request has
    arrived."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append((self.path, self.headers["Idempotency-Key"], body))
        self.server.tokens.append(self.headers["Authorization"])
        status, answer = self.server.script.pop(0) if self.server.script else (409, '{"error":{"code":"stale_boot"}}')
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_DELETE = do_POST

    def log_message(self, *_):
        pass


class WithFalseDaemon(WorkerTest):
    def asked_at(self, prefix, suffix, context=None, **more):
        """Where a worker asks that is told PAWL_URL=PREFIXHOST:PORTSUFFIX."""
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FalsePawld) as server:
            server.requests = []
            server.tokens = []
            server.script = [(201, "{}")]
            if context:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                place = f"{prefix}127.0.0.1:{server.server_port}{suffix}"
                worker = self.start_worker("true", PAWL_URL=place, no_proxy="*", **more)
                self.assertEqual(worker.wait(PATIENCE_S), 1, self.said())
            finally:
                server.shutdown()
                thread.join()
        self.tokens = server.tokens
        return [path for path, _, _ in server.requests]

    def test_url_may_be_what_pawl_takes(self):
        self.assertEqual(self.asked_at("", ""), ["/v1/boots", "/v1/jobs/claim"])
        self.assertEqual(self.asked_at("http://", ""), ["/v1/boots", "/v1/jobs/claim"])
        self.assertEqual(self.asked_at("http://", "/"), ["/v1/boots", "/v1/jobs/claim"])
        self.assertEqual(self.asked_at("http://", "/behind/a"), ["/behind/a/v1/boots", "/behind/a/v1/jobs/claim"])

    def test_token_goes_over_tls_to_a_trusted_server(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=pawl", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.path("key"), "-out",
             self.path("certificate")], check=True, capture_output=True)
        self.path("token").write_text("of-a-worker\n", encoding="ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("certificate"), self.path("key"))
        asked = self.asked_at("https://", "/behind", context, PAWL_TOKEN_FILE=str(self.path("token")),
                              PAWL_CACERT=str(self.path("certificate")))
        self.assertEqual(asked, ["/behind/v1/boots", "/behind/v1/jobs/claim"])
        self.assertEqual(self.tokens, ["Bearer of-a-worker"] * 2)

    def test_url_of_another_kind_is_refused(self):
        for wrong in "ftp://127.0.0.1:1", "https://", "http:///behind", "127.0.0.1", "":
            worker = self.start_worker("true", PAWL_URL=wrong)
            self.assertEqual(worker.wait(PATIENCE_S), 2, wrong)
            self.assertIn("PAWL_URL", self.said())

    def test_lost_answers_are_asked_for_again_with_the_same_key(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FalsePawld) as server:
            server.requests = []
            server.tokens = []
            server.script = [(0, ""), (201, "{}"), (503, "{}"), (0, ""), (204, "")]
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                worker = self.start_worker("true", PAWL_URL=f"127.0.0.1:{server.server_port}", no_proxy="*")
                self.assertEqual(worker.wait(PATIENCE_S), 1, self.said())
            finally:
                server.shutdown()
                thread.join()
        paths = [path for path, _, _ in server.requests]
        self.assertEqual(paths, ["/v1/boots"] * 2 + ["/v1/jobs/claim"] * 4)
        keys = [key for _, key, _ in server.requests]
        bodies = [body for _, _, body in server.requests]
        for same in (0, 1), (2, 3), (3, 4):
            self.assertEqual(keys[same[0]], keys[same[1]])
            self.assertEqual(bodies[same[0]], bodies[same[1]])
        self.assertEqual(len({keys[0], keys[2], keys[5]}), 3, "another request has another key")
        self.assertLessEqual(max(len(key) for key in keys), 64)


def main():
    global PAWLD, WORKER
    parser = argparse.ArgumentParser()
    parser.add_argument("--pawld", required=True)
    parser.add_argument("--worker", required=True, choices=["sh", "py"])
    arguments, rest = parser.parse_known_args()
    PAWLD = pathlib.Path(arguments.pawld).resolve()
    WORKER = arguments.worker
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
