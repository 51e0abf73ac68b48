#!/usr/bin/env python3
"""What a real pawld does while a calendar closes a pipeline, when it is killed, and where no time zones are known.
Takes the paths of pawld and pawl."""

import datetime
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "alerts"))
from pawld_kit import PATIENCE_S, PawldTest, UnixConnection, run  # noqa: E402

# Half an hour off: a local time taken for UTC would not be closed now.
ZONE = "Asia/Kolkata"
OFFSET = datetime.timedelta(hours=5, minutes=30)
STAGES = """name: delivery
agents:
  worker: {run: ["true"]}
stages:
  - {name: build, agent: worker, to: deploy}
  - {name: deploy, agent: worker, to: done}
"""


def clock(hours):
    """The time of day in that zone, so many hours from now."""
    local = datetime.datetime.now(datetime.timezone.utc) + OFFSET + datetime.timedelta(hours=hours)
    return local.strftime("%H:%M")


def closed(begins, ends, stages="", zone=ZONE):
    """A pipeline with one span, between times of day or in hours from now."""
    begins, ends = (each if isinstance(each, str) else clock(each) for each in (begins, ends))
    return (STAGES + f"calendar:\n  zone: {zone}\n  closed:\n"
            f"    - {{from: '{begins}', until: '{ends}', reason: the fair{stages}}}\n")


class Calendars(PawldTest):
    pawl = None  # its path

    def write(self, text):
        path = self.folder / "pipeline.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, text, *options):
        self.start_pawld("--pipeline", self.write(text), *options)

    def run_pawl(self, *words, exit_code=0):
        done = subprocess.run([self.pawl, *words, "--socket", self.socket], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, exit_code, done.stdout + done.stderr)
        return done.stdout

    def submit(self):
        return self.wants(201, "POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop"})["task"]["id"]

    def stage(self, task):
        return self.wants(200, "GET", f"/v1/tasks/{task}")["stage"]

    def records(self, kind):
        lines = self.run_pawl("tail", "--after", "0", "--no-follow", "--json").splitlines()
        return [record for record in map(json.loads, lines) if record["type"] == kind]

    def plans(self):
        return [record for record in self.records("FreezePlanned") if record["outcome"] == "accepted"]

    def metrics(self):
        connection = UnixConnection(self.socket, PATIENCE_S)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def stuck(self):
        return self.run_pawl("stuck", "--all")

    def test_closed_pipeline_rests_until_an_operator_lets_a_task_past(self):
        begins, ends = clock(-1), clock(2)
        self.start(closed(begins, ends))
        task = self.submit()
        held = self.wants(200, "GET", "/v1/holds")["items"]
        self.assertTrue(held[0]["freeze"] and held[0]["active"], held[0])
        self.assertEqual(held[0]["reason"], f"closed every day {begins} to {ends} {ZONE}: the fair")
        self.assertIn(held[0]["reason"], self.stuck())
        self.assertIn('pawl_holds{kind="frozen"} 1\n', self.metrics())
        self.run_pawl("override", str(task), "--reason", "it mends the outage")
        self.wait_until(lambda: self.stage(task) == "deploy")
        self.assertIn("is frozen until", self.stuck(), "its next stage is closed again")

    def test_stages_that_are_open_go_on(self):
        self.start(closed(-1, 2, ", stages: deploy"))
        task = self.submit()
        self.wait_until(lambda: self.stage(task) == "deploy")
        self.assertIn("is frozen until", self.stuck())
        self.run_pawl("override", str(task), "--reason", "it mends the outage")
        self.wait_until(lambda: self.stage(task) == "done")

    def test_killed_pawld_plans_on_without_its_files_and_says_nothing_twice(self):
        self.start(closed(-1, 2))
        task = self.submit()
        plans = self.plans()
        self.assertEqual(len(plans), 1)
        self.assertGreaterEqual(len(plans[0]["data"]["windows"]), 60)
        self.start_pawld()
        self.assertIn("is frozen until", self.stuck())
        self.assertEqual(self.stage(task), "build")
        self.assertEqual(len(self.plans()), 1)

    def test_another_calendar_counts_at_once_for_tasks_that_began_before(self):
        self.start(closed(-1, 2))
        task = self.submit()
        self.run_pawl("pipelines", "apply", str(self.write(closed(3, 4))))
        self.wait_until(lambda: self.stage(task) == "done")
        self.assertEqual(len(self.plans()), 2)

    def test_open_spans_close_the_rest_of_the_week(self):
        self.start(closed(2, 3).replace("closed:", "open:"))
        task = self.submit()
        self.assertIn("closed outside of every day", self.stuck())
        self.run_pawl("pipelines", "apply", str(self.write(STAGES)))
        self.wait_until(lambda: self.stage(task) == "done")

    def test_zone_that_is_not_known_is_named_with_the_nearest(self):
        self.start(STAGES)
        path = self.write(closed(-1, 2, zone="Asia/Kolkatta"))
        meant = "'Asia/Kolkatta' is not a zone of this machine's time zone database; did you mean 'Asia/Kolkata'?"
        done = subprocess.run([self.pawl, "pipelines", "check", path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (2, f"pawl: {path}:8: {meant}\n"))
        definition = self.wants(200, "GET", "/v1/pipelines")["items"][0]["definition"]
        definition["calendar"] = {"zone": "Asia/Kolkatta", "closed": [{"from": "22:00", "until": "23:00"}]}
        answer = self.wants(422, "POST", "/v1/pipelines", definition)
        self.assertIn(meant, json.dumps(answer))

    def test_hold_may_end_on_the_clock_of_a_zone(self):
        self.start(STAGES)
        self.run_pawl("hold", "pipeline:delivery", "--until", f"2999-07-01 18:00 {ZONE}")
        self.assertEqual(self.wants(200, "GET", "/v1/holds")["items"][0]["until_at"], "2999-07-01T12:30:00.000000Z")
        for until in f"2999-07-01 25:00 {ZONE}", "2999-07-01 18:00 Asia/Kolkatta", "soon":
            self.run_pawl("hold", "pipeline:delivery", "--until", until, exit_code=2)

    def test_machine_without_time_zones_refuses_to_start_and_names_the_package(self):
        self.start(closed(-1, 2))
        self.submit()
        self.kill()
        empty = self.folder / "zoneinfo"
        empty.mkdir()
        before = self.run_offline("replay", self.folder / "data")
        done = subprocess.run(self.command(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                              env=os.environ | {"TZDIR": str(empty)})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"the calendar of pipeline 'delivery': the zone '{ZONE}' cannot be read", done.stderr)
        self.assertIn("install the package tzdata", done.stderr)
        self.assertEqual(self.run_offline("replay", self.folder / "data"), before, "the log was changed")
        os.environ["TZDIR"] = str(empty)
        self.addCleanup(os.environ.pop, "TZDIR")
        self.assertIn("install the package tzdata", self.refused_file(closed(-1, 2)))
        (self.folder / "data").rename(self.folder / "other")
        self.start(closed(-1, 2, zone="UTC"))

    def refused_file(self, text):
        done = subprocess.run([self.pawl, "pipelines", "check", self.write(text)], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def run_offline(self, *words):
        done = subprocess.run([self.pawl, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        return done.stdout


if __name__ == "__main__":
    Calendars.pawl = pathlib.Path(sys.argv.pop(2)).resolve()
    run(Calendars)
