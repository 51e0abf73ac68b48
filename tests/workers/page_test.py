#!/usr/bin/env python3
"""page_test PAWLD: the worker in docs/API.md, exactly as printed, against a real pawld: the page alone must suffice."""

import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 60
PAWLD = sys.argv.pop(1)


def program():
    page = (ROOT / "docs/API.md").read_text(encoding="utf-8")
    return re.search(r"^<!-- worker -->\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.start([PAWLD, "--data", self.folder / "data", "--listen", "127.0.0.1:0"])
        port = self.until(lambda: re.search(r"127\.0\.0\.1 port (\d+)", self.said()), "pawld serves")[1]
        self.where = f"127.0.0.1:{port}"
        self.until(lambda: self.ask("GET", "/readyz")[0] == 200, "pawld is ready")

    def start(self, words):
        with open(self.folder / "said", "ab") as said:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def start_worker(self, text, script):
        (self.folder / "worker.py").write_text(text, encoding="utf-8")
        self.start([sys.executable, self.folder / "worker.py", self.where, "/bin/sh", "-c", script])

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.where, timeout=PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except ConnectionError:
            return None, None
        finally:
            connection.close()

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        return self.fail(f"never came true: {what}\n{self.said()}")

    def said(self):
        return (self.folder / "said").read_text(encoding="utf-8")

    def submit(self):
        body = {"work_item": "W-1", "repo": "shop", "branch": "w-1", "stage": "development"}
        self.assertEqual(self.ask("POST", "/v1/tasks", body)[0], 201)

    def task(self):
        return self.ask("GET", "/v1/tasks/1")[1]

    def job(self):
        return self.ask("GET", "/v1/jobs/1")[1]

    # ---- the tests
    def test_work_that_is_done_moves_the_task_on(self):
        self.submit()
        self.start_worker(program(), "exit 0")
        self.until(lambda: self.task()["stage"] == "review", "the task has moved on")
        self.assertEqual((self.job()["status"], self.job()["exit_code"]), ("done", 0))

    def test_host_and_process_are_those_that_the_daemon_sees(self):
        self.start_worker(program(), "exit 0")
        boots = self.until(lambda: (lambda found: found if len(found) == 2 else None)(
            {boot["name"]: boot for boot in self.ask("GET", "/v1/boots")[1]["items"]}), "the worker has registered")
        self.assertEqual(boots["worker-1"]["host"], boots["pawld"]["host"])
        self.assertGreater(boots["worker-1"]["pid_start"], 0)

    def test_cancel_reaches_a_worker_that_nobody_here_can_see(self):
        text = program()
        for words, quicker in ((", within_s=30)", ", within_s=0.2)"), ('" ".join(host)', '"elsewhere"')):
            self.assertIn(words, text)
            text = text.replace(words, quicker)
        self.submit()
        self.start_worker(text, "exec sleep 1000")
        pid = self.until(lambda: self.job()["pid"], "the agent's start is reported")
        self.assertEqual(self.ask("POST", "/v1/tasks/1/cancel", {"reason": "not wanted"})[0], 202)
        self.until(lambda: self.task()["stage"] == "cancelled", "the task is cancelled")
        self.assertEqual(self.job()["status"], "cancelled")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))


if __name__ == "__main__":
    unittest.main()
