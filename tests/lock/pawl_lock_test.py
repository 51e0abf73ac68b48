#!/usr/bin/env python3
"""`pawl lock` against a real pawld: is it at least as good as flock(1)? Takes the folder with pawld and pawl.

A command here writes its pid to a file and then reads a FIFO, so a test knows when it runs and decides when it ends."""

import contextlib
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = None
PATIENCE_S = 60


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


class Locks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pawl-")  # short: it holds a socket
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / "data"
        self.daemon = None
        self.start()
        self.addCleanup(lambda: self.stop(signal.SIGKILL))

    def start(self):
        with open(self.folder / "pawld.log", "ab") as log:
            self.daemon = subprocess.Popen([BIN / "pawld", "--data", self.data], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)
        self.until(lambda: self.pawl("settings").returncode == 0)

    def stop(self, number=signal.SIGTERM):
        self.daemon.send_signal(signal.SIGCONT)
        self.daemon.send_signal(number)
        self.daemon.wait()

    def until(self, condition):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.02)
        self.fail("never came true\n" + (self.folder / "pawld.log").read_text(encoding="utf-8"))

    def pawl(self, *words, **more):
        return subprocess.run([BIN / "pawl", *words[:1], "--data", self.data, *words[1:]], capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False, **more)

    def lock(self, *options, command=("true",), key="slot", wrap=(), **more):
        """Starts a `pawl lock`. The end of the test kills what it leaves running."""
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        begun = subprocess.Popen([*wrap, BIN / "pawl", "lock", "--data", self.data, *options, key, "--", *command],
                                 text=True, start_new_session=True, **more)
        self.addCleanup(self.clear, begun)
        return begun

    def clear(self, begun):
        self.daemon.send_signal(signal.SIGCONT)
        for lease in self.leases() if self.daemon.poll() is None else []:
            self.end(lease["owner"]["pid"])
        begun.kill()
        begun.communicate()

    @staticmethod
    def end(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def held(self, name):
        """A command that reports that it runs, and goes on until let_go(name)."""
        os.mkfifo(self.folder / f"{name}.go")
        return ["sh", "-c", f"echo $$ > {self.folder}/{name}.new; mv {self.folder}/{name}.new {self.folder}/{name}.pid; "
                            f"exec cat {self.folder}/{name}.go"]

    def pid_of(self, name):
        path = self.folder / f"{name}.pid"
        pid = int(self.until(lambda: path.exists() and path.read_text(encoding="utf-8")))
        self.addCleanup(self.end, pid)
        return pid

    def let_go(self, name):
        os.close(os.open(self.folder / f"{name}.go", os.O_WRONLY))

    def leases(self):
        return json.loads(self.pawl("leases", "--json").stdout)

    def lease(self):
        return self.until(self.leases)[0]

    def records(self, **fields):
        lines = self.pawl("export", "log").stdout.splitlines()
        return [record for record in map(json.loads, lines)
                if all(record[name] == value for name, value in fields.items())]

    def assert_ends(self, begun, code, *said):
        out, err = begun.communicate(timeout=PATIENCE_S)
        self.assertEqual(begun.returncode, code, err)
        for text in said:
            self.assertIn(text, err)
        return out


class Held(Locks):
    def test_the_next_begins_after_the_command_of_a_killed_lock(self):
        first = self.lock(command=self.held("first"))
        pid = self.pid_of("first")
        first.kill()
        second = self.lock("--wait", "60", "--actor", "second",
                           command=["sh", "-c", f"if kill -0 {pid}; then echo beside; else echo alone; fi"])
        refused = {"type": "LeaseAcquired", "outcome": "lease_held", "actor": "second"}
        self.until(lambda: len(self.records(**refused)) > 1)
        self.assertTrue(is_alive(pid))
        self.let_go("first")
        self.assertEqual(self.assert_ends(second, 0), "alone\n")

    def test_the_guard_outlives_the_process_group_of_the_lock(self):
        first = self.lock(command=["sh", "-c", 'setsid "$@"', "sh", *self.held("first")])
        pid = self.pid_of("first")
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        self.assertTrue(is_alive(pid))
        self.assertEqual(self.pawl("lock", "slot", "--", "true").returncode, 1)
        self.let_go("first")
        self.until(lambda: not self.leases())

    def test_what_the_command_leaves_behind_keeps_the_lease_and_holds_up_nobody(self):
        leaves = ["sh", "-c", 'setsid "$@" >/dev/null 2>&1 </dev/null & exit 3', "sh", *self.held("rest")]
        # It ends and closes its streams, although the process that it left behind goes on.
        self.assert_ends(self.lock(command=leaves), 3)
        self.assertTrue(is_alive(self.pid_of("rest")))
        self.assertEqual(self.pawl("lock", "slot", "--", "true").returncode, 1)
        self.let_go("rest")
        self.assertEqual(self.pawl("lock", "--wait", "60", "slot", "--", "true").returncode, 0)

    def test_with_o_the_lease_is_the_commands_alone(self):
        leaves = ["sh", "-c", 'setsid "$@" >/dev/null 2>&1 </dev/null & exit 3', "sh", *self.held("rest")]
        self.assert_ends(self.lock("-o", command=leaves), 3)
        self.assertEqual(self.leases(), [])
        self.assertTrue(is_alive(self.pid_of("rest")))
        self.let_go("rest")

    def test_what_cannot_be_executed_gives_the_lease_back_at_once(self):
        for command, code, why in ((str(self.folder / "none"), 127, "No such file"), (str(self.folder), 126, "denied")):
            ran = self.pawl("lock", "slot", "--", command)
            self.assertEqual((ran.returncode, self.leases()), (code, []), ran.stderr)
            self.assertIn(why, ran.stderr)

    def test_exit_codes_are_those_of_a_shell(self):
        for script, code in (("exit 0", 0), ("exit 200", 200), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
            self.assertEqual(self.pawl("lock", "slot", "--", "sh", "-c", script).returncode, code, script)

    def test_what_is_typed_wrongly_takes_nothing(self):
        for words in (["-E", "256"], ["-E", "x"], ["--lost-exit", "-1"], ["--ttl", "0"], ["--ttl", "x"], ["-x"], ["-E"]):
            self.assertEqual(self.pawl("lock", *words, "slot", "--", "true").returncode, 2, words)
        self.assertEqual(self.records(type="LeaseAcquired"), [])

    def test_a_lease_is_renewed_beyond_its_ttl(self):
        first = self.lock("--ttl", "3", command=self.held("first"))
        token = str(self.lease()["token"])
        self.until(lambda: sum(str(each["data"].get("token")) == token
                               for each in self.records(type="LeaseAcquired", outcome="accepted")) >= 5)
        self.assertTrue(is_alive(self.pid_of("first")))
        self.let_go("first")
        self.assert_ends(first, 0)

    def test_only_where_the_daemon_does_not_see_the_guard_there_is_a_ttl(self):
        here = self.lock(command=self.held("here"))
        self.assertIsNone(self.lease()["ttl"])
        self.pid_of("here")
        self.let_go("here")
        self.assert_ends(here, 0)
        there = ["unshare", "--pid", "--fork", "--kill-child"]
        if subprocess.run([*there, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("pid namespaces are not permitted here")
        far = self.lock(command=["cat", self.folder / "far.go"], wrap=there) if self.held("far") else None
        self.assertEqual(self.lease()["ttl"], 60)
        self.let_go("far")
        self.assert_ends(far, 0)


class Lost(Locks):
    def lose(self, code, *options):
        first = self.lock(*options, command=["sh", "-c", '"$@" & wait', "sh", *self.held("first")])
        pid = self.pid_of("first")
        self.assertEqual(self.pawl("release", "slot", "--token", str(self.lease()["token"])).returncode, 0)
        self.assert_ends(first, code, "the lease 'slot' was lost")
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.leases(), [])

    def test_the_command_ends_when_its_lease_is_taken_away(self):
        self.lose(125)

    def test_the_exit_code_of_that_can_be_chosen(self):
        self.lose(7, "-E", "7")

    def test_a_renewal_sees_it_too(self):
        self.lose(125, "--ttl", "6")

    def test_what_hears_no_signal_is_killed(self):
        first = self.lock("--ttl", "4", command=["sh", "-c", 'trap "" TERM; "$@"', "sh", *self.held("first")])
        pid = self.pid_of("first")
        self.daemon.send_signal(signal.SIGSTOP)
        self.assert_ends(first, 125, "could not be renewed")
        self.assertFalse(is_alive(pid))

    def test_the_command_of_a_stopped_guard_does_not_outlive_the_ttl(self):
        first = self.lock("--ttl", "4", command=self.held("first"))
        pid, guard = self.pid_of("first"), self.lease()["owner"]["pid"]
        os.kill(guard, signal.SIGSTOP)
        second = self.lock("--wait", "60", command=["sh", "-c", f"if kill -0 {pid}; then echo beside; else echo alone; fi"])
        self.assert_ends(first, 125, "stopped")
        self.assertEqual(self.assert_ends(second, 0), "alone\n")

    def test_a_guard_that_was_stopped_ends_the_command_when_it_goes_on(self):
        first = self.lock("--ttl", "4", command=self.held("first"))
        pid, guard = self.pid_of("first"), self.lease()["owner"]["pid"]
        os.kill(guard, signal.SIGSTOP)
        first.kill()  # so that nothing stands in for the guard
        self.until(lambda: self.pawl("lock", "slot", "--", "true").returncode == 0)
        os.kill(guard, signal.SIGCONT)
        self.until(lambda: not is_alive(pid))

    def test_a_command_does_not_outlive_its_killed_guard(self):
        first = self.lock(command=["sh", "-c", '"$@" & wait', "sh", *self.held("first")])
        pid, guard = self.pid_of("first"), self.lease()["owner"]["pid"]
        os.kill(guard, signal.SIGKILL)
        self.assert_ends(first, 125, "guard")
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.pawl("lock", "--wait", "60", "slot", "--", "true").returncode, 0)


class Away(Locks):
    def test_waiting_goes_on_over_a_restart(self):
        first = self.lock(command=self.held("first"))
        pid = self.pid_of("first")
        second = self.lock("--wait", "120", "--actor", "second", command=["sh", "-c", f"kill -0 {pid} || echo alone"])
        self.until(lambda: self.records(outcome="lease_held", actor="second"))
        self.stop(signal.SIGKILL)
        self.start()
        seen = len(self.records())
        self.until(lambda: any(each["outcome"] == "lease_held" for each in self.records()[seen:]))
        self.let_go("first")
        self.assertEqual(self.assert_ends(second, 0), "alone\n")
        self.assert_ends(first, 0)

    def test_waiting_begins_before_the_daemon(self):
        self.stop()
        first = self.lock("--wait", "120", command=["echo", "ran"])
        self.assertIn("no daemon answers", first.stderr.readline())
        self.start()
        self.assertEqual(self.assert_ends(first, 0), "ran\n")

    def test_without_waiting_a_daemon_that_is_away_is_said_at_once(self):
        self.stop()
        self.assert_ends(self.lock(), 1, "no daemon answers")
        self.start()

    def test_a_lease_is_kept_over_a_restart(self):
        first = self.lock(command=self.held("first"))
        self.pid_of("first")
        token = self.lease()["token"]
        for number in (signal.SIGKILL, signal.SIGTERM):
            self.stop(number)
            self.start()
            self.assertEqual(self.lease()["token"], token)
        self.let_go("first")
        self.assert_ends(first, 0)
        self.assertEqual(self.leases(), [])

    def test_a_command_that_ends_while_the_daemon_is_away_keeps_its_exit_code(self):
        first = self.lock(command=self.held("first"))
        self.pid_of("first")
        self.stop()
        self.let_go("first")
        self.assert_ends(first, 0, "could not be given back")
        self.start()
        self.assertEqual(self.pawl("lock", "--wait", "60", "slot", "--", "true").returncode, 0)

    def test_a_signal_ends_the_waiting(self):
        first = self.lock(command=self.held("first"))
        self.pid_of("first")
        second = self.lock("--wait", "600", "--actor", "second")
        self.until(lambda: self.records(outcome="lease_held", actor="second"))
        second.terminate()
        self.assert_ends(second, 143, "signal")
        third = self.lock("--wait", "600", "--actor", "third")
        self.until(lambda: self.records(outcome="lease_held", actor="third"))
        third.kill()
        self.until(lambda: self.records(type="BootEnded", actor="third"))
        self.let_go("first")
        self.assert_ends(first, 0)


class Terminal(Locks):
    def test_signals_reach_the_command(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            name = number.name
            first = self.lock(command=self.held(name))
            self.pid_of(name)
            first.send_signal(number)
            self.assert_ends(first, 128 + number)
            self.assertEqual(self.leases(), [])

    def test_an_ignored_signal_stays_ignored(self):
        first = self.lock(command=["sh", "-c", "kill -HUP $$; kill -HUP $PPID; echo on"], wrap=["nohup"])
        self.assertEqual(self.assert_ends(first, 0), "on\n")

    def test_the_command_reads_what_the_lock_was_given(self):
        ran = self.pawl("lock", "slot", "--", "cat", input="text\n")
        self.assertEqual((ran.returncode, ran.stdout), (0, "text\n"))

    def at_terminal(self, script, typed):
        """Runs a lock on its own terminal, and types when it asks; returns its exit code and output."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(BIN / "pawl", ["pawl", "lock", "--data", str(self.data), "slot", "--", "sh", "-c", script])
        self.addCleanup(os.close, terminal)
        self.addCleanup(self.end, pid)
        printed = b""
        with contextlib.suppress(OSError):  # a terminal ends with EIO
            while piece := os.read(terminal, 4096):
                if b"ready" not in printed and b"ready" in printed + piece:
                    os.write(terminal, typed)
                printed += piece
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed.decode()

    def test_the_terminal_stays_the_commands(self):
        code, printed = self.at_terminal("echo ready; read line; echo got $line from $(tty)", b"word\n")
        self.assertEqual(code, 0, printed)
        self.assertIn("got word from /dev/", printed)

    def test_what_is_typed_ends_the_command_once(self):
        code, printed = self.at_terminal("trap 'echo heard; exit 4' INT; echo ready; while :; do read line; done",
                                         b"\x03")
        self.assertEqual(code, 4, printed)
        self.assertEqual(printed.count("heard"), 1)
        self.assertEqual(self.leases(), [])


if __name__ == "__main__":
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
