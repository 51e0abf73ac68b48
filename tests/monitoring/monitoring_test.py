#!/usr/bin/env python3
"""pawld under Debian's Prometheus, with the files of examples/monitoring. Takes the folder of pawld and pawl.

Alerts fire in the virtual time of `promtool test rules`. The scrapes and the dashboard's queries are real ones; each
wait is for a condition, with a generous limit.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = ROOT / "examples/monitoring"
BIN = None
PATIENCE_S = 60
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# Without a proxy, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# What lets each alert fire, by series; the values are those of promtool, one a minute. The second list lets none fire.
FIRING = {
    "PawlDown": {"up": "0x120"},
    "PawlWritesRefused": {"pawl_writes_accepted": "0x120"},
    "PawlSpaceLow": {"pawl_free_bytes": "100x120", "pawl_free_bytes_floor": "64x120"},
    "PawlTasksBlocked": {"pawl_tasks_blocked": "1x120"},
    "PawlQueueStands": {"pawl_jobs_queued": "3x120", "pawl_jobs_running": "0x120", 'pawl_holds{kind="frozen"}': "0x120"},
    "PawlCalendarUnplanned": {'pawl_holds{kind="unplanned"}': "1x120"},
    "PawlReaperStalled": {"pawl_reaper_enabled": "1x120", "pawl_reaper_last_pass_age_seconds": "0+60x120",
                          "pawl_reaper_interval_seconds": "60x120"},
    "PawlJobPastCeiling": {"pawl_reaper_oldest_past_ceiling_seconds": "0+60x120"},
    "PawlReaps": {'pawl_reaps_total{tier="1"}': "0+1x120"},
    "PawlRollbacks": {'pawl_rollbacks_total{stage="review"}': "0+1x120"},
    "PawlOriginTrouble": {"pawl_origins_unreachable": "1x120", "pawl_origins_refused": "0x120"},
    "PawlAlertsLost": {"pawl_alerts_failed_total": "0+1x120", "pawl_alerts_dropped_total": "0x120"},
    "PawlSyncSlow": {'pawl_sync_seconds_bucket{le="0.1"}': "0x120", 'pawl_sync_seconds_bucket{le="2.5"}': "0+9x120",
                     'pawl_sync_seconds_bucket{le="+Inf"}': "0+9x120"},
    "PawlCheckpointsBehind": {"pawl_log_durable_seq": "2000000x120", "pawl_log_checkpoint_seq": "5x120"},
    "PawlClockDrift": {"pawl_clock_drift_seconds": "-90x120"},
    "PawlErrors": {'pawl_http_requests_total{method="GET",route="/v1/tasks",status="500"}': "0+1x120"},
    "PawlDescriptorsLow": {"process_open_fds": "90x120", "process_max_fds": "100x120"},
    "PawlMessagesDropped": {"pawl_messages_dropped_total": "0+1x120"},
}
QUIET = {
    "up": "1x120",
    "pawl_writes_accepted": "1x120",
    "pawl_free_bytes": "1000x120",
    "pawl_free_bytes_floor": "64x120",
    "pawl_free_inodes": "0x120",
    "pawl_free_inodes_floor": "256x120",
    "pawl_tasks_blocked": "0x120",
    "pawl_jobs_queued": "3x120",
    "pawl_jobs_running": "1x120",
    "pawl_reaper_enabled": "1x120",
    "pawl_reaper_last_pass_age_seconds": "59x120",
    "pawl_reaper_interval_seconds": "60x120",
    "pawl_reaper_oldest_past_ceiling_seconds": "0x120",
    'pawl_reaps_total{tier="restart"}': "0+1x120",
    'pawl_rollbacks_total{stage="review"}': "0x120",
    "pawl_origins_unreachable": "0x120",
    "pawl_origins_refused": "0x120",
    "pawl_alerts_failed_total": "0x120",
    "pawl_alerts_dropped_total": "0x120",
    'pawl_sync_seconds_bucket{le="0.1"}': "0+9x120",
    'pawl_sync_seconds_bucket{le="+Inf"}': "0+9x120",
    "pawl_log_durable_seq": "99x120",
    "pawl_log_checkpoint_seq": "0x120",
    "pawl_clock_drift_seconds": "-1x120",
    'pawl_http_requests_total{method="GET",route="/v1/tasks",status="404"}': "0+1x120",
    'pawl_http_requests_total{method="GET",route="/readyz",status="503"}': "0+1x120",
    "process_open_fds": "9x120",
    "process_max_fds": "100x120",
    "pawl_messages_dropped_total": "0x120",
}


def with_instance(series):
    """pawl_x{a="b"} → pawl_x{a="b",job="pawl",instance="h"}"""
    name, _, labels = series.partition("{")
    return f'{name}{{{labels.rstrip("}") + "," if labels else ""}job="pawl",instance="h"}}'


def case_of(series, alerts, expected):
    return {"interval": "1m",
            "input_series": [{"series": with_instance(name), "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": f"count by (alertname) ({alerts})", "eval_time": "110m",
                                  "exp_samples": [{"labels": f'{{alertname="{each}"}}', "value": 1}
                                                  for each in expected]}]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metrics_named(text):
    return set(re.findall(r"\b(?:pawl|process)_[a-z_]+\b", text))


def known_metrics():
    """Those of docs/METRICS.md, with the names of a histogram's samples."""
    known = set()
    rows = re.findall(r"^\| `([a-z_]+)[^`]*` \| (\w+) \|", (ROOT / "docs/METRICS.md").read_text(encoding="utf-8"), re.M)
    for name, kind in rows:
        known |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return known


def dashboard_queries():
    dashboard = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]


class Promtool(unittest.TestCase):
    def run_promtool(self, *arguments, **more):
        ran = subprocess.run(["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def test_configuration_and_rules_are_valid(self):
        self.run_promtool("check", "config", str(FILES / "prometheus.yml"))
        self.run_promtool("check", "rules", str(FILES / "rules.yml"))

    def test_each_alert_fires_for_what_it_is_about_and_not_otherwise(self):
        cases = [case_of(series, f'ALERTS{{alertname="{alert}",alertstate="firing"}}', [alert])
                 for alert, series in FIRING.items()]
        cases.append(case_of(QUIET, "ALERTS", []))
        with tempfile.TemporaryDirectory(prefix="pawl-") as folder:
            file = pathlib.Path(folder) / "rules_test.yml"
            # Each JSON document is a YAML document.
            file.write_text(json.dumps({"rule_files": [str(FILES / "rules.yml")], "evaluation_interval": "1m",
                                        "tests": cases}), encoding="utf-8")
            self.run_promtool("test", "rules", str(file))

    def test_each_alert_has_a_case_and_a_runbook_whose_commands_exist(self):
        rules = (FILES / "rules.yml").read_text(encoding="utf-8")
        alerts = re.findall(r"- alert: (\w+)", rules)
        self.assertEqual(sorted(alerts), sorted(FIRING))
        runbooks = re.findall(r'runbook: "(.*)"', rules)
        self.assertEqual(len(runbooks), len(alerts))
        usage = subprocess.run([BIN / "pawl", "--help"], check=True, capture_output=True, text=True).stdout
        commands = set(re.findall(r"^  ([a-z]+) ", usage, re.M))
        for runbook in runbooks:
            self.assertIn("Type: ", runbook)
            for command in re.findall(r"\bpawl ([a-z]+)", runbook.split("Type: ")[1]):
                self.assertIn(command, commands, runbook)

    def test_rules_and_dashboard_name_only_what_there_is(self):
        named = metrics_named((FILES / "rules.yml").read_text(encoding="utf-8"))
        named |= set().union(*(metrics_named(query) for _, query in dashboard_queries()))
        self.assertEqual(named - known_metrics(), set())


class UnderPrometheus(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.address = f"127.0.0.1:{free_port()}"
        self.token = self.token_of("prometheus", "read")
        self.worker = self.token_of("worker", "operate")
        self.begin("pawld", [BIN / "pawld", "--data", self.folder / "data", "--listen", self.address, "--tokens",
                             self.folder / "tokens"])
        self.wait_until(lambda: self.ask("/readyz")[0] == 200)

    def token_of(self, name, role):
        command = [BIN / "pawl", "tokens", "add", name, "--role", role, "--file", self.folder / "tokens"]
        added = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(added.returncode, 0, added.stderr)
        return added.stdout.strip()

    def begin(self, name, command):
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                       env={key: os.environ[key] for key in os.environ if not key.startswith("PAWL_")})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.processes = getattr(self, "processes", []) + [(name, process)]

    def wait_until(self, is_so):
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            for name, process in self.processes:
                if process.poll() is not None or time.monotonic() > end:
                    self.fail(f"{name}: " + (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace"))
            time.sleep(0.05)

    def ask(self, path, token=None, accept=None, address=None, body=None, boot=None, method=None):
        headers = {"Authorization": f"Bearer {token}" if token else None, "Accept": accept, "Pawl-Boot": boot}
        request = urllib.request.Request(f"http://{address or self.address}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={name: value for name, value in headers.items() if value})
        try:
            with OPENER.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode(), answer.headers["Content-Type"]
        except OSError:
            return 0, "", ""

    def work(self):
        """One task that is claimed, and whose run ends."""
        owner = {"boot_id": "w1", "pid": os.getpid(), "actor": "worker"}
        calls = [("/v1/tasks", {"work_item": "W-1", "repo": "shop"}, None),
                 ("/v1/boots", {"name": "w", "boot_id": "w1", "pid": os.getpid(), "pid_start": 1, "host": "elsewhere",
                                "version": "1"}, None),
                 ("/v1/jobs/claim", {"agents": ["analyst"], "owner": owner}, "w1"),
                 ("/v1/jobs/1/exited", {"attempt": 1, "exit_code": 1}, "w1")]
        for path, body, boot in calls:
            status, answer, _ = self.ask(path, self.worker, body=body, boot=boot)
            self.assertIn(status, (200, 201), answer)

    def test_metrics_are_as_promtool_wants_them_and_need_a_token(self):
        self.work()
        self.assertEqual(self.ask("/metrics")[0], 401)
        status, text, kind = self.ask("/metrics", self.token)
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        ran = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stdout + ran.stderr), (0, ""))
        status, text, kind = self.ask("/metrics", self.token, OPEN_METRICS)
        self.assertEqual((status, kind), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertEqual(self.ask("/metrics", self.token, method="POST", body={})[0], 405)
        self.assertEqual(self.ask("/metrics", self.token, method="HEAD")[:2], (200, ""))

    def query(self, query):
        status, text, _ = self.ask("/api/v1/query?" + urllib.parse.urlencode({"query": query}), address=self.prometheus)
        return json.loads(text)["data"]["result"] if status == 200 else self.fail(f"{query}: {text}")

    def test_prometheus_scrapes_it_and_evaluates_rules_and_dashboard(self):
        self.work()
        self.prometheus = f"127.0.0.1:{free_port()}"
        (self.folder / "token").write_text(self.token, encoding="utf-8")
        config = (FILES / "prometheus.yml").read_text(encoding="utf-8")
        for old, new in (("15s", "200ms"), ("127.0.0.1:7777", self.address), ("rules.yml\n\n", f"{FILES}/rules.yml\n\n"),
                         ("# authorization", "authorization"), ("#   credentials_file: /etc/prometheus/pawl.token",
                                                                f"  credentials_file: {self.folder}/token")):
            self.assertIn(old, config)
            config = config.replace(old, new)
        (self.folder / "prometheus.yml").write_text(config, encoding="utf-8")
        self.begin("prometheus", ["prometheus", f"--config.file={self.folder}/prometheus.yml",
                                  f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address={self.prometheus}"])
        self.wait_until(lambda: self.ask("/-/ready", address=self.prometheus)[0] == 200)
        self.wait_until(lambda: any(each["value"][1] == "1" for each in self.query('up{job="pawl"}')))
        # Two scrapes: a rate needs them.
        self.wait_until(lambda: any(float(each["value"][1]) >= 2 for each in
                                    self.query('pawl_http_requests_total{route="/metrics",status="200"}')))
        self.assertEqual(self.query('pawl_job_run_seconds_count{agent="analyst"}')[0]["value"][1], "1")
        for title, query in dashboard_queries():
            self.query(query.replace("$__rate_interval", "1m").replace("$instance", ".*"))
        # Prometheus evaluates them too, without an error.
        rules = json.loads(self.ask("/api/v1/rules", address=self.prometheus)[1])["data"]["groups"][0]["rules"]
        self.assertEqual({rule["name"] for rule in rules}, set(FIRING))
        self.wait_until(lambda: all(rule["health"] == "ok" for rule in json.loads(
            self.ask("/api/v1/rules", address=self.prometheus)[1])["data"]["groups"][0]["rules"]))


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
