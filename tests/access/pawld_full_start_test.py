#!/usr/bin/env python3
"""Starts a pawld with the maximum of boots, leases and live tasks. Takes the folder with pawld and pawl."""

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pawld_access_test  # noqa: E402

PATIENCE_S = pawld_access_test.PATIENCE_S
BOOTS, LEASES, TASKS = 2048 - 1, 16384, 65536  # one boot is the daemon's own
AT_ONCE = 128
WRITERS = 8


class FullStart(pawld_access_test.Pawld):
    CPU_S_MAX = 2  # pawld's own processor time until it is ready: other load does not count

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def write_all(self, path, bodies):
        """Creates all of them, pipelined over a few connections; each must succeed."""
        failed = []

        def some(mine):
            with socket.socket(socket.AF_UNIX) as each:
                each.settimeout(PATIENCE_S)
                each.connect(self.socket)
                for begin in range(0, len(mine), AT_ONCE):
                    piece = mine[begin:begin + AT_ONCE]
                    text = b""
                    for body in piece:
                        sent = json.dumps(body).encode()
                        text += (f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
                                 f"Content-Length: {len(sent)}\r\n\r\n").encode() + sent
                    each.sendall(text)
                    answers = b""
                    while answers.count(b"HTTP/1.1 ") < len(piece) or not answers.endswith(b"}"):
                        answers += each.recv(256 * 1024)
                    made = answers.count(b"HTTP/1.1 201 ")
                    if made != len(piece):
                        failed.append(answers[:2000])
                        return

        threads = [threading.Thread(target=some, args=(bodies[i::WRITERS],)) for i in range(WRITERS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(failed, [])

    def test_start_with_all_that_may_be_is_soon_ready(self):
        self.start()
        answer = self.ask("POST", "/v1/settings", {"quota.share_percent": 100})
        self.assertEqual(answer[0], 200, answer)
        boot = {"pid": 7, "pid_start": 1, "host": "elsewhere", "version": "1"}
        begun = time.monotonic()
        self.write_all("/v1/boots", [boot | {"name": f"w{i}", "boot_id": f"w{i}"} for i in range(BOOTS)])
        self.write_all("/v1/leases", [{"key": f"place/{i}", "owner": {"boot_id": f"w{i % BOOTS}", "pid": 7, "actor": "w"}}
                                      for i in range(LEASES)])
        self.write_all("/v1/tasks", [{"work_item": f"W-{i}", "repo": f"repo-{i % 100}", "branch": f"b-{i}"}
                                     for i in range(TASKS)])
        writing_s = time.monotonic() - begun
        full = self.ask("POST", "/v1/tasks", {"work_item": "one more", "repo": "shop"})
        self.assertEqual(full[0], 429, full)
        for how in (signal.SIGTERM, signal.SIGKILL):
            self.daemon.send_signal(how)
            self.daemon.wait(PATIENCE_S)
            begun = time.monotonic()
            self.start()
            start_s = time.monotonic() - begun
            cpu_s = self.cpu_s()
            print(f"{BOOTS} boots, {LEASES} leases and {TASKS} tasks: written in {writing_s:.1f} s; a start after "
                  f"{how.name} is ready in {start_s:.2f} s, {cpu_s:.2f} s of the processors")
            self.assertLess(cpu_s, self.CPU_S_MAX)
            self.assertEqual(self.ask("POST", "/v1/tasks", {"work_item": "one more", "repo": "shop"})[0], 429)


if __name__ == "__main__":
    pawld_access_test.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
