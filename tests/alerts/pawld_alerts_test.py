#!/usr/bin/env python3
"""Alerts of a real pawld, from a forced release to a webhook and a command. Takes pawld's path."""

import json
import os
import re

from pawld_kit import PATIENCE_S, SOURCE, PawldTest, recording_hook, run

EXAMPLE = SOURCE / "examples/alerts/telegram.json"


class PawldAlerts(PawldTest):
    def setUp(self):
        super().setUp()
        self.hook = self.serve(recording_hook())

    def start(self):
        url = self.secret("url", f"http://127.0.0.1:{self.hook.server_port}/botTOKEN/sendMessage\n")
        headers = self.secret("headers", "Authorization: Bearer SECRET\n")
        options = ["--alert-url-file", url, "--alert-header-file", headers, "--alert-body", EXAMPLE]
        for word in "/bin/sh", "-c", f'echo "$PAWL_ALERT_REASON $PAWL_ALERT_WORK_ITEM" >>{self.folder / "told"}':
            options += ["--alert-command", word]
        self.start_pawld(*options)

    def next_post(self):
        _, path, headers, body = self.hook.requests.get(timeout=PATIENCE_S)
        return path, headers["Authorization"], json.loads(body)

    def boot(self, boot_id):
        boot = {"name": "tester", "boot_id": boot_id, "pid": os.getpid(), "pid_start": 1, "host": "elsewhere", "version": "1"}
        self.wants(201, "POST", "/v1/boots", boot)

    def lease(self, key):
        self.boot("tester-1")
        owner = {"boot_id": "tester-1", "pid": 1, "actor": "tester"}
        self.wants(201, "POST", "/v1/leases", {"key": key, "owner": owner})

    def test_alerts_reach_webhook_and_command(self):
        self.start()
        self.request("POST", "/v1/tasks", {"work_item": 'W "1"', "repo": "shop", "branch": "w"})
        self.lease("task:1")
        self.wants(200, "POST", "/transition-lease/release?work_item=W%20%221%22")
        path, authorization, body = self.next_post()
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
        self.assertIn("pawl: lease_reclaimed:stale_boot", self.next_post()[2]["text"])
        told = self.folder / "told"
        self.wait_until(lambda: told.exists() and "lease_reclaimed:stale_boot" in told.read_text())
        self.assertEqual([word for word in ("TOKEN", "SECRET") if word in self.said()], [], "a secret in the log")

    def test_what_cannot_work_is_refused_before_anything_is_made(self):
        (self.folder / "body").write_text('{\n"text": "{resaon}"}')
        said = self.refused("--alert-url", "http://127.0.0.1:1/", "--alert-body", self.folder / "body")
        self.assertIn("body:2: unknown placeholder {resaon}", said)


if __name__ == "__main__":
    run(PawldAlerts)
