#!/usr/bin/env python3
"""An external worker: claims jobs from pawld, runs a command for each, and reports the result.

README.md says how to start it, and what each call is for. Needs only Python's standard library.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import uuid


class Leave(Exception):
    """SIGTERM or SIGINT came."""


class Refused(Exception):
    """pawld has refused."""

    def __init__(self, status, code, message):
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


def say(text):
    print(time.strftime("%H:%M:%S", time.gmtime()), text, file=sys.stderr, flush=True)


def process_start(pid):
    """When a process began: field 22 of its stat. The second field, a name in parentheses, may contain anything."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().rpartition(") ")[2].split()[19])
    except OSError:
        return 0  # it has ended already


def this_host():
    """This machine's name in pawld's form, so that pawld can see whether our processes are alive."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
        return f"{os.uname().nodename} {boot.read().strip()} {os.stat('/proc/self/ns/pid').st_ino}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Pawld:
    def __init__(self, socket_path, url, token=None, authorities=None):
        """At the socket, or else at HOST:PORT or http(s)://HOST[:PORT][/PREFIX]. ValueError: it is none of these."""
        self.socket = socket_path
        self.token = token
        if socket_path:
            url = "http://localhost"
        self.url = urllib.parse.urlsplit(url if "://" in url else "http://" + url)
        has_port = self.url.port is not None  # a ValueError if it is no number
        if self.url.scheme not in ("http", "https") or not self.url.hostname or not (has_port or "://" in url):
            raise ValueError(url)
        is_tls = self.url.scheme == "https"
        self.tls = ssl.create_default_context(cafile=authorities) if is_tls else None
        self.boot = None
        self.is_leaving = lambda: False

    def call(self, method, path, body=None, tries_max=None):
        """The answer's JSON, None for 204. Retries until pawld answers, through any restarts.

        All tries carry one key: if pawld did the request and only its answer got lost, it repeats that answer and does
        nothing twice. """
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4()), "Pawl-Actor": "worker"}
        if self.boot:
            headers["Pawl-Boot"] = self.boot
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        text = None if body is None else json.dumps(body)
        tries = 0
        while True:
            try:
                status, answer = self._once(method, path, text, headers)
                if status != 429 and status < 500:
                    break
                problem = f"{status} {answer}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            tries += 1
            if tries == tries_max:
                raise OSError(problem)
            if tries_max is None and self.is_leaving():
                raise Leave
            if tries == 1:
                say(f"pawld does not answer ({problem}); retrying")
            time.sleep(1)
        if status == 204:
            return None
        if status >= 400:
            error = answer.get("error", {})
            raise Refused(status, error.get("code"), error.get("message"))
        return answer

    def _once(self, method, path, text, headers):
        timeout = 90  # longer than any long poll
        if self.socket:
            connection = UnixConnection(self.socket, timeout)
        elif self.tls:
            connection = http.client.HTTPSConnection(
                self.url.hostname, self.url.port, timeout=timeout, context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=timeout)
        try:
            connection.request(method, self.url.path.rstrip("/") + path, text, headers)
            response = connection.getresponse()
            answer = response.read()
            try:
                return response.status, json.loads(answer) if answer else {}
            except ValueError as error:
                raise http.client.HTTPException("the answer is not JSON") from error
        finally:
            connection.close()


class Worker:
    def __init__(self, pawld, agents, command):
        self.pawld = pawld
        self.agents = agents
        self.command = command
        self.boot = str(uuid.uuid4())
        self.child = None
        self.leaving = False
        self.waiting = False  # in a claim, or waiting for the agent: where a signal may interrupt
        pawld.is_leaving = lambda: self.leaving
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, *_):
        self.leaving = True
        if self.waiting:
            raise Leave

    def _wait_for(self, what):
        try:
            self.waiting = True
            if self.leaving:  # it arrived just before
                raise Leave
            return what()
        finally:
            self.waiting = False

    def register(self, name):
        self._wait_for(lambda: self.pawld.call("POST", "/v1/boots", {
            "name": name, "boot_id": self.boot, "pid": os.getpid(), "pid_start": process_start(os.getpid()),
            "host": this_host(), "version": "worker.py"}))
        self.pawld.boot = self.boot

    def claim(self):
        """A job, or None if there was none for a while."""
        owner = {"boot_id": self.boot, "pid": os.getpid(), "actor": "worker"}
        answer = self._wait_for(lambda: self.pawld.call(
            "POST", "/v1/jobs/claim", {"agents": self.agents, "owner": owner, "wait_s": 30}))
        return answer and answer["job"]

    def work(self, job):
        task = self.pawld.call("GET", f"/v1/tasks/{job['task']}")
        task = task.get("task", task)
        say(f"job {job['id']}, attempt {job['attempts']}: {task['work_item']} of {task['repo']}, {job['stage']}")
        facts = {"JOB": job["id"], "ATTEMPT": job["attempts"], "TASK": job["task"], "VERSION": job["version"],
                 "STAGE": job["stage"], "WORK_ITEM": task["work_item"], "REPO": task["repo"],
                 "BRANCH": task["branch"] or ""}
        environment = os.environ | {f"PAWL_{name}": str(value) for name, value in facts.items()}
        try:
            # Its own process group, so that it can be ended with everything that it started.
            self.child = subprocess.Popen(self.command, env=environment, start_new_session=True)
        except OSError as error:
            say(f"job {job['id']}: {error}")
            self.report(job, "finished", {"result": "failed"})  # a retry would not help
            return
        self.report(job, "started", {"pid": self.child.pid, "pid_start": process_start(self.child.pid)})
        code = self._wait_for(self.child.wait)
        self.child = None
        say(f"job {job['id']}: exit code {code}")
        self.report(job, "exited", {"exit_code": code if code >= 0 else 128 - code})

    def report(self, job, what, facts):
        try:
            self.pawld.call("POST", f"/v1/jobs/{job['id']}/{what}", {"attempt": job["attempts"]} | facts)
        except Refused as refused:
            # Not our fault: the job was taken from us, and belongs to another by now.
            say(f"job {job['id']}: {what} was refused: {refused}")

    def leave(self):
        """Ends the agent, and exits: pawld queues its job again, without counting a failed try."""
        if self.child and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
        try:
            self.pawld.call("DELETE", f"/v1/boots/{self.boot}", tries_max=3)
        except (Refused, OSError) as error:
            say(f"pawld was not told: {error}")
        say("left")


def main():
    parser = argparse.ArgumentParser(description="Runs COMMAND for each job that pawld has for these agents.")
    parser.add_argument("--agent", action="append", required=True, help="an agent whose jobs to claim; repeatable")
    parser.add_argument("--name", help="this worker's name; a second worker with this name replaces it")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="with its arguments; no shell")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("COMMAND is missing")
    socket_path, url = os.environ.get("PAWL_SOCKET"), os.environ.get("PAWL_URL", "")
    token_file = os.environ.get("PAWL_TOKEN_FILE")
    try:
        token = open(token_file, encoding="ascii").readline().strip() if token_file else None
        pawld = Pawld(socket_path, url, token, os.environ.get("PAWL_CACERT"))
    except ValueError:
        parser.error("PAWL_SOCKET (a path) or PAWL_URL (HOST:PORT or https://HOST[:PORT][/PREFIX]) must say where "
                     "pawld is")
    except OSError as error:
        parser.error(f"PAWL_TOKEN_FILE or PAWL_CACERT: {error}")
    name = arguments.name or f"worker-{os.uname().nodename}-{arguments.agent[0]}"

    worker = Worker(pawld, arguments.agent, arguments.command)
    try:
        worker.register(name)
        say(f"{name} works for {', '.join(arguments.agent)}")
        while True:
            job = worker.claim()
            if job:
                worker.work(job)
    except Leave:
        worker.leave()
    except Refused as refused:
        say(f"no more jobs: {refused}")  # stale_boot: another worker with our name has started, or we were ended
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
