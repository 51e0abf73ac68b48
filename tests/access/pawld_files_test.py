#!/usr/bin/env python3
"""A real pawld and the files around it: who owns its folder, what is in it, and what it reads at its start. Takes the
folder with pawld and pawl."""

import hashlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pawld_access_test as access  # noqa: E402

PATIENCE_S = access.PATIENCE_S
SOMEBODY = 65534
IS_ROOT = os.geteuid() == 0 and shutil.which("setpriv") is not None
AS_SOMEBODY = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
FOLDERS = ["log", "logs", "runs", "steps", "repos", "work"]
LINE = f"ci work {hashlib.sha256(b'token').hexdigest()}\n"

DELIVERS = """
name: delivers
agents:
  writer:
    run: 'umask >"$OUT/umask"; echo made >made; echo said'
stages:
  - name: work
    agent: writer
    gate:
      run: test -s made
    to: out
  - name: out
    to: done
    steps:
      - name: deploy
        run: 'cat made; echo deployed'
        probe: 'exit 1'
        irreversible: true
"""


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


class Files(access.Pawld):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "out"
        self.out.mkdir()

    def refused(self, *options, prefix=(), code=1):
        """The message of a pawld that exits at once. A pipe without a writer would block it forever."""
        answer = subprocess.run([*prefix, access.BIN / "pawld", "--data", self.data, "--socket", self.socket, *options],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(answer.returncode, code, answer.stderr)
        return answer.stderr

    def end(self):
        self.daemon.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.wait(PATIENCE_S), 0, self.said())
        pathlib.Path(self.socket).unlink(missing_ok=True)

    def begin(self, *options):
        self.start(*options)
        self.end()

    def deliver(self):
        """A task from its submission to its end: agent, gate, step."""
        self.start("--pipeline", self.write("p.yaml", DELIVERS.replace("$OUT", str(self.out))))
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "pipeline": "delivers"})
        self.wait_until(lambda: self.ask("GET", "/v1/tasks/1")[1]["stage"] == "done")

    def open_to_others(self, folder):
        """Files with a mode beyond 0640, and folders beyond 0750, except the worktrees, which belong to their
        agents."""
        found = []
        for path in [folder, *folder.rglob("*")]:
            about = path.lstat()
            if (folder / "work").joinpath("x").parent in path.parents or stat.S_ISSOCK(about.st_mode):
                continue
            most = 0o2750 if stat.S_ISDIR(about.st_mode) else 0o640
            if stat.S_IMODE(about.st_mode) & ~most:
                found.append(f"{path} {oct(about.st_mode)}")
        return found

    # ---- who owns the folder

    def test_folder_that_others_may_write_is_refused_with_what_mends_it(self):
        self.data.mkdir()
        for wide in (0o777, 0o757, 0o775, 0o770, 0o720, 0o1777, 0o2770):
            with self.subTest(mode=oct(wide)):
                self.data.chmod(wide)
                said = self.refused()
                self.assertIn(f"chmod go-w {self.data}", said)
                self.assertEqual((list(self.data.iterdir()), mode(self.data)), ([], wide), "nothing was changed")
        subprocess.run(["chmod", "go-w", self.data], check=True)
        self.begin()

    def test_a_name_with_a_space_is_quoted_in_the_command(self):
        self.data = self.folder / "my data's"
        self.data.mkdir()
        self.data.chmod(0o777)
        said = self.refused()
        command = said[said.index("chmod"):].splitlines()[0].removesuffix('"}').replace("\\\\", "\\")
        subprocess.run(["/bin/sh", "-c", command], check=True)
        self.assertEqual(mode(self.data), 0o755, command)

    @unittest.skipUnless(IS_ROOT, "needs root to act as another user")
    def test_folder_of_another_user_is_refused_also_to_root(self):
        self.begin()
        subprocess.run(["chown", "-R", str(SOMEBODY), self.data], check=True)
        before = sorted((path, os.lstat(path).st_mtime_ns) for path in self.data.rglob("*"))
        said = self.refused()
        for word in ("sudo -u", "chown -R", str(self.data)):
            self.assertIn(word, said)
        self.assertEqual(before, sorted((path, os.lstat(path).st_mtime_ns) for path in self.data.rglob("*")))
        # A reader is not refused anything.
        for words in (("check",), ("replay",), ("export", "log", "--data")):
            self.assertEqual(self.pawl(*words, str(self.data)).returncode, 0, words)
        self.assertEqual(self.pawl("backup", str(self.data), str(self.folder / "copy")).returncode, 0)
        subprocess.run(["chown", "-R", "0", self.data], check=True)
        self.begin()

    @unittest.skipUnless(IS_ROOT, "needs root to act as another user")
    def test_folder_of_root_is_refused_to_another_user(self):
        self.folder.chmod(0o755)
        if subprocess.run([*AS_SOMEBODY, access.BIN / "pawld", "--version"], capture_output=True, check=False).returncode:
            self.skipTest("another user cannot execute pawld here")
        self.data.mkdir()
        self.data.chmod(0o755)
        said = self.refused(prefix=AS_SOMEBODY)
        self.assertIn(f"chown -R", said)
        self.assertEqual((mode(self.data), list(self.data.iterdir())), (0o755, []))
        os.chown(self.data, SOMEBODY, SOMEBODY)
        with open(self.folder / "pawld.log", "ab") as log:
            self.socket = str(self.data / "pawl.sock")
            self.daemon = subprocess.Popen([*AS_SOMEBODY, access.BIN / "pawld", "--data", self.data],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.kill)
        self.wait_until(self.is_ready)
        self.assertEqual(mode(self.data), 0o750)

    def test_folder_that_others_may_read_is_narrowed_and_that_is_said_once(self):
        self.begin()
        self.assertNotIn("chmod", self.said())
        self.data.chmod(0o2755)
        for name in FOLDERS:
            (self.data / name).mkdir(exist_ok=True)
            (self.data / name).chmod(0o775)
        for path in (self.data / "LOCK", self.data / "member", self.data / "sealed", *(self.data / "log").iterdir()):
            path.chmod(0o666)
        self.assertEqual(self.pawl("check", str(self.data)).returncode, 0)
        self.assertEqual(mode(self.data), 0o2755, "a reader changes nothing")
        self.begin()
        self.assertEqual(mode(self.data), 0o2750)
        self.assertEqual(self.open_to_others(self.data), [])
        lines = [line for line in self.said().splitlines() if "narrowed" in line]
        self.assertEqual(len([line for line in lines if "others had access" in line and f"{self.data}:" in line]), 1, lines)
        self.begin()
        self.assertEqual([line for line in self.said().splitlines() if "narrowed" in line], lines)

    def test_folder_may_be_named_by_a_link(self):
        real = self.folder / "disk"
        real.mkdir()
        self.data.symlink_to(real)
        self.begin()
        self.assertTrue((real / "log/CURRENT").exists())

    # ---- links in it

    def test_links_in_the_place_of_what_is_pawls_are_refused(self):
        self.begin()
        for name in ["LOCK", "member", "sealed", "probe", *FOLDERS]:
            with self.subTest(name):
                here, there = self.data / name, self.out / name
                if not here.exists():
                    here.mkdir()
                here.rename(there)
                before = there.stat() if there.is_dir() else there.read_bytes()
                here.symlink_to(there)
                said = self.refused()
                self.assertIn(f"{here}", said)
                self.assertIn("is a link", said)
                self.assertEqual(there.stat() if there.is_dir() else there.read_bytes(), before)
                here.unlink()
                there.rename(here)
        self.begin()

    def test_lock_that_is_a_link_to_what_is_not_there_makes_nothing(self):
        self.data.mkdir(mode=0o750)
        (self.data / "LOCK").symlink_to(self.out / "new")
        self.assertIn("is a link", self.refused())
        self.assertFalse((self.out / "new").exists())

    def test_links_among_the_files_of_the_log_are_refused(self):
        self.begin()
        precious = self.out / "precious"
        precious.write_text("precious", encoding="utf-8")
        for name in ("CURRENT", "999999.log", "LOCK"):
            with self.subTest(name):
                here = self.data / "log" / name
                if here.exists():
                    here.rename(self.folder / "aside")
                here.symlink_to(precious)
                self.assertIn(f"log/{name} is a link", self.refused())
                here.unlink()
                if (self.folder / "aside").exists():
                    (self.folder / "aside").rename(here)
        self.assertEqual(precious.read_text(encoding="utf-8"), "precious")
        os.mkfifo(self.data / "log/000998.log")
        self.assertIn("log/000998.log", self.refused())

    def test_lock_with_a_second_name_is_refused_and_not_written(self):
        self.data.mkdir(mode=0o750)
        precious = self.out / "precious"
        precious.write_text("precious", encoding="utf-8")
        os.link(precious, self.data / "LOCK")
        self.assertIn(f"rm {self.data / 'LOCK'}", self.refused())
        self.assertEqual(precious.read_text(encoding="utf-8"), "precious")

    def test_pipe_in_the_place_of_a_file_holds_up_no_start(self):
        self.begin()
        for name in ("LOCK", "member", "sealed", "probe"):
            with self.subTest(name):
                (self.data / name).rename(self.out / name)
                os.mkfifo(self.data / name)
                self.assertIn(str(self.data / name), self.refused())
                (self.data / name).unlink()
                (self.out / name).rename(self.data / name)

    def test_agent_that_puts_a_link_in_the_place_of_logs_has_nothing_written_there(self):
        self.write("p.yaml", f"""
name: sly
agents:
  sly:
    run: 'mkdir -p {self.data}/logs; ln -sfn {self.out} {self.data}/logs/task-1; ln -sfn {self.out}/runs {self.data}/runs/{'0' * 32}.lock'
stages:
  - name: work
    agent: sly
    gate:
      run: echo judged
    to: done
""")
        self.start("--pipeline", self.folder / "p.yaml")
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "pipeline": "sly"})
        self.wait_until(lambda: (self.ask("GET", "/v1/tasks/1")[1].get("gate") or {}).get("reason") or list(self.out.iterdir()))
        self.assertEqual(list(self.out.iterdir()), [])
        self.assertIn("logs/task-1: this path, or a folder on it, is a link", self.ask("GET", "/v1/tasks/1")[1]["gate"]["reason"])

    # ---- modes

    def test_nothing_is_open_to_others_whatever_the_umask(self):
        for mask in (0o000, 0o022, 0o077):
            with self.subTest(umask=oct(mask)):
                before = os.umask(mask)
                try:
                    self.deliver()
                    self.end()
                finally:
                    os.umask(before)
                self.assertEqual(self.open_to_others(self.data), [])
                self.assertGreater(len(list(self.data.rglob("*.log"))), 3)
                # A command creates its files as it would without pawld.
                self.assertEqual(int((self.out / "umask").read_text(encoding="utf-8"), 8), mask)
                shutil.rmtree(self.data)

    def test_clones_are_closed_and_worktrees_are_the_agents(self):
        origin = self.folder / "origin"
        git = ["git", "-c", "user.name=x", "-c", "user.email=x", "-c", "init.defaultBranch=main", "-C", origin]
        origin.mkdir()
        subprocess.run([*git, "init", "--quiet"], check=True)
        (origin / "page").write_text("page", encoding="utf-8")
        (origin / "tool").write_text("#!/bin/sh\n", encoding="utf-8")
        (origin / "tool").chmod(0o755)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], check=True)
        subprocess.run([*git, "branch", "new"], check=True)
        before = os.umask(0o002)
        try:
            self.start("--repo", f"shop=file://{origin}", "--pipeline",
                       self.write("p.yaml", "name: stays\nagents:\n  a:\n    run: sleep 600\nstages:\n"
                                            "  - name: work\n    agent: a\n    gate:\n      run: 'true'\n    to: done\n"))
        finally:
            os.umask(before)
        self.ask("POST", "/v1/tasks", {"work_item": "W-1", "repo": "shop", "branch": "new", "pipeline": "stays"})
        tree = self.data / "work/task-1"
        self.wait_until(lambda: (tree / "tool").exists() and list((self.data / "logs").glob("job-1-*.log")))
        self.assertEqual((mode(tree / "page"), mode(tree / "tool"), mode(tree)), (0o664, 0o775, 0o775))
        self.assertEqual(self.open_to_others(self.data), [])

    def test_backup_and_restore_are_closed_whatever_the_umask(self):
        self.deliver()
        self.end()
        for path in (self.data / "log").iterdir():
            path.chmod(0o644)  # as an earlier pawl made them
        before = os.umask(0)
        try:
            for words in (("backup", self.data, self.folder / "copy"), ("restore", self.folder / "copy", self.folder / "again")):
                answer = self.pawl(*map(str, words))
                self.assertEqual(answer.returncode, 0, answer.stderr)
        finally:
            os.umask(before)
        self.assertEqual(self.open_to_others(self.folder / "again"), [])
        self.assertEqual(mode(self.folder / "copy") & 0o027, 0, "hard-linked files keep their mode, in a closed folder")
        self.data = self.folder / "again"
        self.begin()

    # ---- files read at the start

    def readers(self):
        """Each option that names a file, with the other options that it needs."""
        repo = ("--alert-url", "http://127.0.0.1:1/")
        return {"--tokens": (), "--pipeline": (), "--config": (), "--alert-url-file": (), "--alert-header-file": repo,
                "--alert-body": repo, "--gitea-secret-file": (), "--github-secret-file": (), "--gitlab-secret-file": (),
                "--plane-secret-file": (), "--generic-secret-file": ()}

    def test_what_is_no_regular_file_is_refused_and_waited_for_never(self):
        pipe, folder, sock = self.folder / "pipe", self.folder / "folder", self.folder / "sock"
        os.mkfifo(pipe, 0o600)
        folder.mkdir(mode=0o700)
        import socket
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(sock))
            for option, others in self.readers().items():
                for path, word in ((pipe, "is a pipe"), (folder, "is a folder"), (sock, "is a socket"),
                                   (pathlib.Path("/dev/null"), "is a device")):
                    with self.subTest(option=option, path=path.name):
                        said = self.refused(option, path, *others, code=2)
                        self.assertIn(word, said)
                        self.assertIn(str(path), said)
        self.assertFalse(self.data.exists())

    def test_process_substitution_is_refused_with_what_to_do_instead(self):
        answer = subprocess.run(["bash", "-c", f"exec {access.BIN}/pawld --data {self.data} --tokens <(echo)"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(answer.returncode, 2, answer.stderr)
        self.assertIn("is a pipe", answer.stderr)
        self.assertIn("write the content to a file", answer.stderr)

    def test_link_to_a_secret_is_followed_and_what_it_leads_to_is_judged(self):
        # As Kubernetes mounts a secret: tokens -> ..data/tokens, ..data -> ..2026
        real = self.folder / "..2026"
        real.mkdir()
        (real / "tokens").write_text(LINE, encoding="utf-8")
        (real / "tokens").chmod(0o644)
        (self.folder / "..data").symlink_to("..2026")
        (self.folder / "tokens").symlink_to("..data/tokens")
        self.begin("--listen", "127.0.0.1:0", "--tokens", self.folder / "tokens")
        (real / "tokens").chmod(0o666)
        self.assertIn("others may write", self.refused("--tokens", self.folder / "tokens", code=2))

    # ---- and reread

    def test_pipe_as_file_of_tokens_holds_up_no_hangup(self):
        tokens = self.write("tokens", LINE)
        self.start("--listen", "127.0.0.1:0", "--tokens", tokens)
        known = {"Authorization": "Bearer token"}
        for make in (lambda: os.mkfifo(tokens), tokens.mkdir, lambda: tokens.symlink_to("/dev/zero")):
            tokens.unlink()
            make()
            said = len(self.said())
            self.daemon.send_signal(signal.SIGHUP)
            self.wait_until(lambda: "the tokens read before stay in force" in self.said()[said:])
            self.assertEqual(self.ask("GET", "/queue", headers=known, tcp=True)[0], 200)
            shutil.rmtree(tokens) if tokens.is_dir() else tokens.unlink()
            self.write("tokens", LINE.replace("ci", "new"))
            said = len(self.said())
            self.daemon.send_signal(signal.SIGHUP)
            self.wait_until(lambda: "1 tokens read" in self.said()[said:])
        self.assertEqual(self.ask("GET", "/queue", headers=known, tcp=True)[0], 200)

    def test_file_of_tokens_without_any_is_refused_at_the_start_and_on_hangup(self):
        empty = ("", "\n \n", "# none yet\n")
        for text in empty:
            said = self.refused("--tokens", self.write("tokens", text), code=2)
            self.assertIn("no token", said)
            self.assertIn("NAME ROLE HASH", said)
        tokens = self.write("tokens", LINE)
        self.start("--listen", "127.0.0.1:0", "--tokens", tokens)
        for text in empty:
            self.write("tokens", text)
            said = len(self.said())
            self.daemon.send_signal(signal.SIGHUP)
            self.wait_until(lambda: "the tokens read before stay in force" in self.said()[said:])
            self.assertEqual(self.ask("GET", "/queue", headers={"Authorization": "Bearer token"}, tcp=True)[0], 200)


if __name__ == "__main__":
    access.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
