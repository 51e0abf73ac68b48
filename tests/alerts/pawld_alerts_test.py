#!/usr/bin/env python3
"""Alerts of a real pawld, from a forced release to a webhook and a command. Takes pawld's path."""

import http.server
import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/delivery"))
from pawl_example import UnixConnection  # noqa: E402

PAWLD = None
PATIENCE_S = 60
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/alerts/telegram.json"


class Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.put((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class PawldAlerts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.socket = str(self.folder / "pawl.sock")
        self.webhook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self.webhook.posts = queue.Queue()
        thread = threading.Thread(target=self.webhook.serve_forever)
        thread.start()
        self.addCleanup(self.webhook.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.webhook.shutdown)
        self.daemon = None

    def command(self, *options):
        return [PAWLD, "--data", self.folder / "data", "--socket", self.socket, *options]

    def start(self):
        (self.folder / "url").write_text(f"http://127.0.0.1:{self.webhook.server_port}/botTOKEN/sendMessage\n")
        (self.folder / "headers").write_text("Authorization: Bearer SECRET\n")
        for secret in "url", "headers":
            (self.folder / secret).chmod(0o600)
        told = self.folder / "told"
        options = ["--alert-url-file", self.folder / "url", "--alert-header-file", self.folder / "headers",
                   "--alert-body", EXAMPLE]
        for word in "/bin/sh", "-c", f'echo "$PAWL_ALERT_REASON $PAWL_ALERT_WORK_ITEM" >>{told}':
            options += ["--alert-command", word]
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen(self.command(*options), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           env=os.environ | {"no_proxy": "127.0.0.1"})
        self.addCleanup(self.kill)
        self.wait_until(self.is_ready)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def said(self):
        return (self.folder / "pawld.log").read_text(encoding="utf-8")

    def is_ready(self):
        self.assertIsNone(self.daemon.poll(), self.said())
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def wait_until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        self.fail(f"never came true\n{self.said()}")

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket, PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read() or "null")
        finally:
            connection.close()

    def boot(self, boot_id):
        boot = {"name": "tester", "boot_id": boot_id, "pid": os.getpid(), "pid_start": 1, "host": "elsewhere", "version": "1"}
        self.assertEqual(self.request("POST", "/v1/boots", boot)[0], 201)

    def lease(self, key):
        self.boot("tester-1")
        owner = {"boot_id": "tester-1", "pid": 1, "actor": "tester"}
        self.assertEqual(self.request("POST", "/v1/leases", {"key": key, "owner": owner})[0], 201)

    def test_alerts_reach_webhook_and_command(self):
        self.start()
        self.request("POST", "/v1/tasks", {"work_item": 'W "1"', "repo": "shop", "branch": "w"})
        self.lease("task:1")
        self.assertEqual(self.request("POST", "/transition-lease/release?work_item=W%20%221%22")[0], 200)
        path, authorization, body = self.webhook.posts.get(timeout=PATIENCE_S)
        self.assertEqual(path, "/botTOKEN/sendMessage")
        self.assertEqual(authorization, "Bearer SECRET")
        self.assertRegex(body["text"], r'^pawl: lease_reclaimed:forced\nW "1" of shop, at analysis\n'
                                       r"task 1, record (\d+), by operator\npawl incident \1\n\d{4}-")
        pasted = re.compile(f"look into it: pawl incident {re.escape(str((self.folder / 'data').resolve()))} \\d+\"")
        self.wait_until(lambda: pasted.search(self.said()))
        told = self.folder / "told"
        self.wait_until(lambda: told.exists() and told.read_text() == 'lease_reclaimed:forced W "1"\n')
        self.wait_until(lambda: self.request("GET", "/queue")[1]["alerts"] == {
            "queued": 0, "sent_total": 2, "failed_total": 0, "dropped_total": 0})

    def test_what_recovery_reclaims_is_told_too(self):
        self.start()
        self.lease("nightly")
        self.kill()
        self.start()
        self.boot("tester-2")
        body = self.webhook.posts.get(timeout=PATIENCE_S)[2]
        self.assertIn("pawl: lease_reclaimed:stale_boot", body["text"])
        told = self.folder / "told"
        self.wait_until(lambda: told.exists() and "lease_reclaimed:stale_boot" in told.read_text())
        self.assertEqual([word for word in ("TOKEN", "SECRET") if word in self.said()], [], "a secret in the log")

    def test_what_cannot_work_is_refused_before_anything_is_made(self):
        (self.folder / "body").write_text('{\n"text": "{resaon}"}')
        refused = subprocess.run(self.command("--alert-url", "http://127.0.0.1:1/", "--alert-body", self.folder / "body"),
                                 capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("body:2: unknown placeholder {resaon}", refused.stderr)
        self.assertFalse((self.folder / "data").exists())


if __name__ == "__main__":
    PAWLD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
