#!/usr/bin/env python3
"""no_room_test BINARIES INTO EXAMPLE disk|rights: a pawld that may not write, or has no room to.

`disk` needs its own file systems: a small tmpfs and a folder mounted read-only, both in an unprivileged mount
namespace. Where the kernel forbids that, it exits with 77 (a skipped test) and says so. `rights` needs nothing: it uses
folders and files whose mode forbids what pawld needs, and a limit on file size. """

import argparse
import contextlib
import errno
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("binaries", type=pathlib.Path)
options.add_argument("into", type=pathlib.Path)
options.add_argument("example", help="the folder of pawl_example.py")
options.add_argument("what", choices=["disk", "rights"])
options.add_argument("--rounds", type=int, default=4, help="rounds for each way to run out of room (4)")
options.add_argument("--seed", type=int, default=1)
options.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
options = options.parse_args()

sys.dont_write_bytecode = True
sys.path.insert(0, options.example)
from account import against_log, against_time  # noqa: E402
from kill_clients import Board, Client  # noqa: E402
from pawl_example import Example  # noqa: E402
from wire import Wire  # noqa: E402

SKIPPED = 77
PATIENCE_S = 60
WRITERS = 8
MIB = 1024 * 1024
# Root may do anything, whatever the mode; without these two capabilities it may not.
PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


class Writer(Client):
    """Writes as fast as it can, and keeps its account, until told to stop or pawld is gone."""

    def __init__(self, number, socket, board, seed, stopping, write):
        super().__init__(number, socket, board, None, seed, stopping)
        self.write = write
        self.was_turned_away = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            self.write(self)
            if self.account and self.account[-1].status == 503:
                self.was_turned_away.set()


def write_note(writer):
    writer.ask("note", "POST", "/v1/tasks/1/note", {"text": "x" * writer.dice.randrange(1, 4000)}, 1)


LONG = ["/bin/true", "w" * 60000]
STEP = {"run": LONG, "probe": LONG, "timeout_s": 1, "irreversible": False, "exclusive": False,
        "not_done_exit_codes": [], "settle_s": 0}
STAGE = {"name": "a", "agent": "", "gate": None, "to": "done", "rollback": "",
         "steps": [{"name": f"s{number}"} | STEP for number in range(4)]}


def write_much(writer):
    """Half a MiB at once: a record that is torn in the middle."""
    writer.ask("pipeline", "POST", "/v1/pipelines",
               {"name": f"{writer.name}-{writer.sent}", "agents": [], "stages": [STAGE]})


class NoRoom(unittest.TestCase):
    def setUp(self):
        self.folder = options.into / self.id().rpartition(".")[2]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.data = self.folder / "data"
        self.seed = f"{options.seed} {self.id()}"
        self.dice = random.Random(self.seed)
        self.example = self.prepare()
        self.entries = []

    def prepare(self):
        return Example(options.binaries, self.folder, pathlib.Path(__file__).parent / "kill_world/contest.yaml",
                       ["--repo", "r="])

    def tearDown(self):
        if self.example.daemon and self.example.daemon.poll() is None:
            self.example.kill()

    # ---- verbs
    def begin(self):
        """A log with a task in it."""
        self.example.start()
        status, answer = self.example.request(
            "POST", "/v1/tasks", {"work_item": "W-1", "repo": "r", "pipeline": "contest"})
        self.assertEqual(status, 201, answer)

    def refused_start(self, *prefix):
        """The message of a pawld that must not start; its exit code is 1."""
        ran = subprocess.run([*prefix, options.binaries / "pawld", "--data", self.data, "--socket",
                              self.example.socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S)
        self.assertEqual(ran.returncode, 1, ran.stdout)
        return ran.stdout

    def pawl(self, *words, prefix=()):
        ran = subprocess.run([*prefix, options.binaries / "pawl", *words], stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE_S)
        return ran.returncode, ran.stdout, ran.stderr

    def content(self):
        """The exact contents of the data folder, except for who last tried to open it."""
        def digest(path):
            return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        return {str(path.relative_to(self.data)): digest(path)
                for path in sorted(self.data.rglob("*")) if not path.is_socket() and path != self.data / "LOCK"}

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        return self.fail(f"never came true: {what}")

    def write_until_it_ends(self, write, meanwhile=lambda: None):
        """All writers write until pawld ends, or refuses a write. Returns its exit code; None if it still runs."""
        stopping = threading.Event()
        first = len(self.entries)
        writers = [Writer(number, self.example.socket, Board(), self.seed, stopping, write)
                   for number in range(first, first + WRITERS)]
        for writer in writers:
            writer.start()
        try:
            meanwhile()
            self.until(lambda: self.example.daemon.poll() is not None
                       or any(writer.was_turned_away.is_set() for writer in writers), "pawld ends or refuses a write")
            return self.example.daemon.poll()
        finally:
            stopping.set()
            for writer in writers:
                writer.join()
                self.assertIsNone(writer.failure)
                self.entries.append(writer.account)

    def assert_nothing_is_lost(self):
        self.example.spawn()
        self.until(lambda: self.answers("/healthz"), "it serves again")  # it is ready only with enough room
        self.assertEqual(self.example.stop(), 0)
        for command in ("check", "replay"):
            code, said, error = self.pawl(command, self.data)
            self.assertEqual(code, 0, said + error)
        entries = [entry for account in self.entries for entry in account]
        self.entries = []
        self.assertGreater(sum(entry.status in (200, 201) for entry in entries), 0, "nothing was written at all")
        problems = against_log(entries, list(self.records())) + against_time(entries)
        self.assertEqual(problems[:5], [], f"seed {options.seed}; the log is in {self.data}")

    def answers(self, path):
        self.assertIsNone(self.example.daemon.poll(), self.example.log_file.read_text())
        try:
            return self.example.request("GET", path)[0] == 200
        except OSError:
            return False

    def records(self):
        code, said, error = self.pawl("export", "log", "--data", self.data)
        self.assertEqual(code, 0, error)
        return map(json.loads, said.splitlines())


# ---- a disk that is full or read-only

def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


class FullDisk(NoRoom):
    SIZE_MIB = 144  # 64 for the floor, and what RocksDB preallocates

    def prepare(self):
        self.mount()
        self.addCleanup(self.unmount)
        return super().prepare()

    def mount(self):
        self.data.mkdir(exist_ok=True)
        mount("-t", "tmpfs", "-o", f"size={self.SIZE_MIB}m,mode=0750", "none", self.data)

    def unmount(self):
        subprocess.run(["umount", "-l", self.data], check=True)

    def fill(self, leave_bytes=0):
        """A file that takes all the room except that much; asked again, also what has become free since."""
        with open(self.data / "ballast", "ab") as ballast:
            self.until(lambda: self.takes_the_rest(ballast, leave_bytes), "the disk is full")

    def takes_the_rest(self, ballast, leave_bytes):
        stat = os.statvfs(self.data)
        rest = stat.f_bavail * stat.f_frsize - leave_bytes
        if rest > 0:
            try:
                os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, rest)
            except OSError as error:  # pawld has taken some of it meanwhile, and the ballast got nothing
                self.assertEqual(error.errno, errno.ENOSPC)
                return False
        return True

    def make_room(self):
        """A larger disk: a start needs the size of the log once more, however fast the writers were."""
        (self.data / "ballast").unlink()
        mount("-o", f"remount,size={4 * self.SIZE_MIB}m", self.data)

    def test_writes_are_refused_and_reads_go_on_until_there_is_room(self):
        self.begin()
        wire = Wire(self.example.socket, PATIENCE_S)
        before = self.example.get("/queue")["seq"]
        keyed = {"Idempotency-Key": "once"}

        def refused():
            self.fill(leave_bytes=MIB)  # RocksDB may have given back what it had preallocated
            answer = wire.request("POST", "/v1/tasks/1/note", {"text": "too late"})
            return answer if answer.status != 200 else None
        answer = self.until(refused, "a write is refused")
        self.assertEqual((answer.status, answer.error), (503, "disk_full"))
        answer = wire.request("POST", "/v1/tasks/1/note", {"text": "once there is room"}, keyed)
        self.assertEqual((answer.status, answer.error), (503, "disk_full"))
        status, ready = self.example.request("GET", "/readyz")
        self.assertEqual((status, ready["ready"], ready["reason"]), (503, False, "disk_full"))
        self.assertLess(ready["free_bytes"], ready["free_bytes_floor"])
        self.assertEqual(self.example.request("GET", "/healthz")[0], 200)
        for path in ("/v1/tasks/1", "/v1/tasks", "/queue", "/v1/leases", f"/v1/events?after={before - 1}"):
            self.assertEqual(wire.request("GET", path).status, 200, path)
        self.make_room()
        self.until(lambda: self.example.request("GET", "/readyz")[0] == 200, "it is ready again, by itself")
        answer = wire.request("POST", "/v1/tasks/1/note", {"text": "once there is room"}, keyed)
        self.assertEqual((answer.status, answer.replayed), (200, False), "it was never decided before")
        self.assertEqual(self.example.stop(), 0)
        notes = [record["data"]["text"] for record in self.records() if record["type"] == "TaskNote"]
        self.assertEqual(notes.count("once there is room"), 1)
        self.assertEqual(self.pawl("check", self.data)[0], 0)

    def begin_where_nobody_sees_it_coming(self):
        """The free-space check finds plenty, as with a quota: only a write discovers that there is none."""
        blind = self.folder / "pawld"
        # Otherwise a sanitizer's runtime insists on loading first; it does not mind an interposed statvfs.
        blind.write_text(f"#!/bin/sh\nLD_PRELOAD='{options.binaries / 'librosy_statvfs.so'}' "
                         f"ASAN_OPTIONS=verify_asan_link_order=0 exec '{options.binaries / 'pawld'}' \"$@\"\n")
        blind.chmod(0o755)
        self.example.binaries = self.folder
        self.begin()
        self.example.binaries = options.binaries

    def test_disk_whose_end_is_found_by_a_write(self):
        for _ in range(options.rounds):
            self.begin_where_nobody_sees_it_coming()
            before = Writer(1000, self.example.socket, Board(), self.seed, threading.Event(), write_much)
            for _ in range(self.dice.randrange(50, 60)):  # most of what RocksDB preallocated
                write_much(before)
            self.entries.append(before.account)
            leave = self.dice.randrange(0, 2 * MIB)
            self.assertEqual(self.write_until_it_ends(write_much, lambda: self.fill(leave)), 1)
            words = self.example.log_file.read_text()
            self.assertIn("the log cannot be written; ending at once", words)
            self.assertIn("No space left on device", words)
            if os.statvfs(self.data).f_bavail == 0:
                self.assertIn(str(self.data), self.refused_start())
            self.make_room()
            self.assert_nothing_is_lost()
            self.unmount()
            self.mount()

    def test_start_without_room_is_refused_and_takes_nothing(self):
        self.begin()
        self.example.kill()
        before = list(self.records())
        self.fill()
        words = self.refused_start()
        self.assertIn(str(self.data), words)
        self.assertIn("No space left on device", words)
        self.assertEqual(list(self.records()), before)
        self.make_room()
        self.example.start()
        self.assertEqual(self.example.stop(), 0)
        self.assertEqual(list(self.records())[:len(before)], before)


class FewInodes(NoRoom):
    """A file system of small files runs out of inodes long before it runs out of bytes."""

    def prepare(self):
        example = super().prepare()
        self.data.mkdir()
        mount("-t", "tmpfs", "-o", "size=200m,nr_inodes=600,mode=0750", "none", self.data)
        self.addCleanup(subprocess.run, ["umount", "-l", self.data], check=False)
        (self.data / "lost+found").mkdir()  # as a new file system has
        return example

    def note(self):
        return self.example.request("POST", "/v1/tasks/1/note", {"text": "n"})

    def test_writes_are_refused_and_reads_go_on_until_there_are_some(self):
        self.begin()
        litter = self.data / "lost+found"
        for number in range(500):
            (litter / str(number)).touch()
        self.until(lambda: self.note()[0] == 503, "a write is refused")
        self.assertEqual(self.example.request("GET", "/v1/tasks/1")[0], 200)
        status, readiness = self.example.request("GET", "/readyz")
        self.assertEqual((status, readiness["reason"]), (503, "disk_full"))
        self.assertLess(readiness["free_inodes"], readiness["free_inodes_floor"])
        shutil.rmtree(litter)
        self.until(lambda: self.note()[0] == 200, "writes are taken again")
        self.assertEqual(self.example.stop(), 0)


PRINTER = """
name: printer
agents:
  printer: {run: "yes 'and one more line of what nobody will ever read'", timeout_s: 600}
stages:
  - {name: print, agent: printer, to: done}
"""


class Output(NoRoom):
    """Command output stops before the log does, and the log before records that end something."""

    def prepare(self):
        self.data.mkdir()
        mount("-t", "tmpfs", "-o", "size=300m,mode=0750", "none", self.data)
        self.addCleanup(subprocess.run, ["umount", "-l", self.data], check=False)
        (self.data / "lost+found").mkdir()
        pipeline = self.folder / "printer.yaml"
        pipeline.write_text(PRINTER)
        return Example(options.binaries, self.folder, pipeline, ["--repo", "r="])

    def leave(self, mib):
        """Takes or frees room until that much is free."""
        ballast = self.data / "lost+found/ballast"
        ballast.unlink(missing_ok=True)
        stat = os.statvfs(self.data)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, stat.f_bavail * stat.f_frsize - mib * MIB)

    def log(self):
        return self.example.request("GET", "/v1/tasks/1/logs")[1]["items"][0]

    def write(self, path, body):
        return self.example.request("POST", path, body)[0]

    def test_output_stops_first_and_what_ends_something_is_taken_last(self):
        self.example.start()
        self.assertEqual(self.write("/v1/settings", {"stop.kill_after_s": 1}), 200)
        self.leave(100)
        self.assertEqual(self.write("/v1/tasks", {"work_item": "W-1", "repo": "r", "pipeline": "printer"}), 201)
        self.until(lambda: self.example.request("GET", "/v1/jobs/1")[1]["pid"], "the agent runs")
        self.until(lambda: self.example.request("GET", "/v1/tasks/1/logs")[1]["items"], "it has a log")
        time.sleep(1)  # of any length: it prints all the time, and none of it may be written
        self.assertEqual(self.log()["kept"], 0)
        self.assertEqual(self.write("/v1/tasks/1/note", {"text": "n"}), 200)

        self.leave(200)
        self.until(lambda: self.log()["kept"] > 0, "output is written again")
        self.assertGreater(self.log()["bytes"], self.log()["kept"], "the omitted output is counted")
        answer = Wire(self.example.socket, PATIENCE_S).request("GET", "/v1/tasks/1/log")
        self.assertEqual(answer.status, 200)

        self.leave(32)
        self.until(lambda: self.write("/v1/tasks/1/note", {"text": "n"}) == 503, "nothing is begun")
        self.assertEqual(self.write("/v1/tasks", {"work_item": "W-2", "repo": "r", "pipeline": "printer"}), 503)
        self.assertEqual(self.write("/v1/settings", {"stop.kill_after_s": 2}), 200)
        self.assertIn(self.write("/v1/tasks/1/cancel", {}), (200, 202))
        self.until(lambda: self.example.request("GET", "/v1/tasks/1")[1]["stage"] == "cancelled", "it is cancelled")
        self.until(lambda: self.example.request("GET", "/v1/jobs/1")[1]["status"] == "cancelled", "so is its job")
        self.leave(8)
        self.until(lambda: self.write("/v1/settings", {"stop.kill_after_s": 3}) == 503, "the reserve has an end")
        self.assertEqual(self.example.stop(), 0)
        self.assertEqual(self.pawl("check", self.data)[0], 0)


class ReadOnlyDisk(NoRoom):
    def test_pawld_says_which_folder_and_the_tools_read_on(self):
        self.begin()
        self.example.kill()
        (self.data / "pawl.sock").unlink(missing_ok=True)
        before = self.content()
        mount("--bind", self.data, self.data)
        self.addCleanup(subprocess.run, ["umount", "-l", self.data], check=False)
        mount("-o", "remount,bind,ro", self.data)
        words = self.refused_start()
        self.assertIn(str(self.data), words)
        self.assertIn("Read-only file system", words)
        for command in ("check", "replay"):
            self.assertEqual(self.pawl(command, self.data)[0], 0, command)
        self.assertGreater(len(list(self.records())), 2)
        self.assertEqual(self.content(), before)


# ---- permissions, and files that may not grow

class Rights(NoRoom):
    def forbidden(self, path, mode):
        """pawld's message for a folder or file with that mode. pawld changes nothing."""
        before = self.content()
        had = path.stat().st_mode
        path.chmod(mode)
        try:
            words = self.refused_start(*PLAIN)
            code, _, error = self.pawl("check", self.data, prefix=PLAIN)
        finally:
            path.chmod(had)
        self.assertEqual(self.content(), before)
        self.assertIn(str(path), words)
        self.assertRegex(words, "Permission denied")
        if code != 0:  # a tool may still read what pawld may not write
            self.assertEqual(code, 2, error)
            self.assertIn(str(path), error)
            self.assertIn("Permission denied", error)

    def end(self):
        self.assertEqual(self.example.stop(), 0)
        (self.data / "pawl.sock").unlink(missing_ok=True)

    def test_data_folder(self):
        self.begin()
        self.end()
        for mode in (0o500, 0o400, 0o300, 0o000):
            with self.subTest(mode=oct(mode)):
                self.forbidden(self.data, mode)

    def test_log_folder(self):
        self.begin()
        self.end()
        for mode in (0o500, 0o400, 0o300, 0o000):
            with self.subTest(mode=oct(mode)):
                self.forbidden(self.data / "log", mode)

    def test_files_of_the_log(self):
        self.begin()
        self.end()
        for path in [self.data / "sealed", self.data / "LOCK", self.data / "log/CURRENT",
                     *(self.data / "log").glob("MANIFEST-*"), *(self.data / "log").glob("*.log")]:
            with self.subTest(path=path.name):
                self.forbidden(path, 0o000)

    def test_folder_that_cannot_be_made(self):
        self.data.mkdir()
        self.data.chmod(0o500)
        self.data = self.data / "new"
        words = self.refused_start(*PLAIN)
        self.data.parent.chmod(0o700)
        self.assertIn(str(self.data), words)
        self.assertFalse(self.data.exists())


class FileSizeLimit(NoRoom):
    """The kernel cuts off an append (EFBIG): the same effect as ENOSPC, where nothing can be mounted."""

    def start_limited(self, bytes_max):
        """The limit applies once it serves: at its start it may write replayed data to files of any size."""
        self.example.binaries = self.folder
        deaf = self.folder / "pawld"
        deaf.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec '{options.binaries / 'pawld'}' \"$@\"\n")
        deaf.chmod(0o755)
        self.example.start()
        self.example.binaries = options.binaries
        resource.prlimit(self.example.daemon.pid, resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

    def test_append_that_is_cut_off(self):
        self.begin()
        self.assertEqual(self.example.stop(), 0)
        for _ in range(options.rounds):
            self.start_limited(self.dice.randrange(100_000, 300_000))
            self.assertEqual(self.write_until_it_ends(write_note), 1)
            self.assertIn("the log cannot be written; ending at once", self.example.log_file.read_text())
        self.assert_nothing_is_lost()


class FolderGone(NoRoom):
    """The data folder's name leads elsewhere while pawld runs."""

    def note(self):
        try:
            return self.example.request("POST", "/v1/tasks/1/note", {"text": "x"})[0]
        except OSError:
            return None

    @contextlib.contextmanager
    def asleep(self):
        """pawld looks every 3 s: it must not look between two actions here that belong together."""
        self.example.daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.example.daemon.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        yield
        self.example.daemon.send_signal(signal.SIGCONT)

    def ends_at_once(self, what):
        """It acknowledges nothing more, and says why it ends."""
        self.assertNotIn(self.note(), (200, 201))
        self.until(lambda: self.example.daemon.poll() is not None, "it ends")
        self.assertEqual(self.example.daemon.poll(), 1)
        self.assertIn(what, self.example.log_file.read_text())

    def test_moved_away(self):
        self.begin()
        self.data.rename(self.folder / "away")
        self.ends_at_once("moved away or removed")
        self.assertFalse(self.data.exists())

    def test_replaced_while_nothing_is_asked(self):
        self.begin()
        code, _, error = self.pawl("backup", self.data, self.folder / "backup")
        self.assertEqual(code, 0, error)
        with self.asleep():
            self.data.rename(self.folder / "away")
            shutil.copytree(self.folder / "backup", self.data)
            before = self.content()
        self.until(lambda: self.example.daemon.poll() is not None, "it ends by itself")
        self.assertEqual(self.example.daemon.poll(), 1)
        self.assertIn("replaced by another folder", self.example.log_file.read_text())
        self.assertEqual(self.content(), before)
        self.example.start()
        self.assertEqual(self.note(), 200)

    def test_a_link_that_leads_to_the_same_folder_is_no_other(self):
        self.begin()
        with self.asleep():
            self.data.rename(self.folder / "away")
            self.data.symlink_to(self.folder / "away")
        self.assertEqual(self.note(), 200)

    def test_removed_locks_let_nobody_in(self):
        self.begin()
        for name in ("LOCK", "log/LOCK"):
            (self.data / name).unlink()
        first = self.example.socket
        self.example.socket = self.folder / "second.sock"
        self.assertIn("is in use by process", self.refused_start())
        self.example.socket = first
        self.assertEqual(self.note(), 200)


def enter_namespace():
    """Re-executes this script where it may mount; returns the reason if that is impossible."""
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    if probe.returncode != 0:
        return probe.stdout.strip()
    os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv, "--in-namespace"])


def main():
    options.binaries = options.binaries.resolve()
    options.into = options.into.resolve()
    classes = [Rights, FolderGone, FileSizeLimit]
    if options.what == "disk":
        if not options.in_namespace:
            print(f"SKIPPED: no file system can be mounted here: {enter_namespace()}")
            return SKIPPED
        classes = [FullDisk, FewInodes, Output, ReadOnlyDisk]
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(each) for each in classes)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
