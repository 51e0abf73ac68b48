#!/usr/bin/env python3
"""The actors of docs/SECURITY.md that use files, processes and repositories. Takes the folder of pawld and pawl."""

import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import stage  # noqa: E402
from pawld_files_test import AS_SOMEBODY, IS_ROOT  # noqa: E402

ACCESS = stage.access

TRIES = r"""
import json, os, socket, sys
done = []
def attempt(what, do):
    try:
        do()
        done.append(what)
    except OSError:
        pass
for path in json.load(sys.stdin):
    if path.endswith("/"):
        attempt("list " + path, lambda: os.listdir(path))
        attempt("make in " + path, lambda: os.close(os.open(path + "made", os.O_CREAT | os.O_WRONLY)))
        attempt("link in " + path, lambda: os.symlink("/etc/passwd", path + "linked"))
    else:
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND):
            attempt("open " + path, lambda: os.close(os.open(path, flags | os.O_NONBLOCK)))
        attempt("remove " + path, lambda: os.unlink(path))
        attempt("move " + path, lambda: os.rename(path, path + ".moved"))
        def connect():
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(path)
        attempt("connect " + path, connect)
print(json.dumps(done))
"""


class LocalUser(stage.Stage):
    """Another user of the host, who can open neither the socket nor any of pawl's files."""

    @unittest.skipUnless(IS_ROOT, "needs root, to become another user")
    def test_local_user_opens_nothing(self):
        self.each_seed(self.play)

    def play(self, chance):
        before = os.umask(0)  # as permissive as possible: pawld itself must protect its files
        self.addCleanup(os.umask, before)
        self.folder.chmod(0o755)  # the test's own folder is open to all
        self.raise_curtain()
        self.out.chmod(0o700)
        paths = [self.socket, str(self.data) + "/", str(self.folder / "tokens")]
        for path in self.data.rglob("*"):
            if not path.is_symlink():
                paths.append(str(path) + ("/" if path.is_dir() else ""))
        chance.shuffle(paths)
        tried = subprocess.run([*AS_SOMEBODY, sys.executable, "-c", TRIES], input=json.dumps(paths), capture_output=True,
                               text=True, timeout=stage.PATIENCE_S, check=True)
        self.assertEqual(json.loads(tried.stdout), [])
        self.assertGreater(len(paths), 20)
        self.let_down_curtain()


class Author(stage.Stage):
    """An author who pushes to the repository: branch names and contents are data, and stay data."""

    NAMES = ["$(touch${IFS}pwned)", "`touch${IFS}pwned`", "a;touch${IFS}pwned", "a|touch${IFS}pwned", "'\"x", "a&&b", "#!x", "ünï"]
    WRONG = ["-x", "--upload-pack=touch pwned", "a\nb", "a\0b", "../../x", "a..b", "HEAD", "@{-1}", "a b", "a.lock", "x" * 251, "\u202ea"]
    LOOKS = """
name: looks
branch: create
agents:
  looker: {{run: 'test -e evil && echo looked >{out}/looked; exit 0'}}
stages:
  - name: work
    agent: looker
    gate: {{run: [git, status, --short]}}
    to: done
    steps:
      - name: ship
        run: 'echo "$PAWL_STEP_KEY" >>{out}/effects; git log -1 --format=%H'
        irreversible: true
"""

    def test_author_of_a_repository_runs_nothing_and_reaches_nothing(self):
        self.each_seed(self.play)

    def git(self, *words):
        who = {f"GIT_{role}_{what}": "a@a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return subprocess.run(["git", *words], cwd=self.folder, env=os.environ | who, check=True, capture_output=True, text=True,
                              timeout=stage.PATIENCE_S).stdout

    def make_repository(self):
        """Makes a repository with everything that a checkout could execute, follow or obey."""
        self.git("init", "-q", "--bare", "-b", "trunk", "origin.git")
        self.git("clone", "-q", "origin.git", "seed")
        seed = self.folder / "seed"
        self.git("-C", "seed", "checkout", "-q", "-b", "trunk")
        pwn = f"#!/bin/sh\ntouch {self.folder}/pwned\n"
        for name in ("git", "sh", "test", "echo", "hooks/post-checkout", ".githooks/post-checkout", "true"):
            (seed / name).parent.mkdir(exist_ok=True)
            (seed / name).write_text(pwn)
            (seed / name).chmod(0o755)
        (seed / ".gitattributes").write_text("* filter=pwn diff=pwn merge=pwn export-subst\n")
        (seed / ".gitconfig").write_text(f"[filter \"pwn\"]\n\tsmudge = touch {self.folder}/pwned\n")
        (seed / ".gitmodules").write_text(f"[submodule \"s\"]\n\tpath = s\n\turl = ext::sh -c 'touch {self.folder}/pwned'\n")
        (seed / "evil").symlink_to(self.victim)
        (seed / "logs").symlink_to(self.victim.parent)
        (seed / "up").symlink_to("../../..")
        self.git("-C", "seed", "add", "-A")
        self.git("-C", "seed", "commit", "-qm", "\x1b[2J\u202e--exec=touch pwned")
        self.git("-C", "seed", "push", "-q", "origin", "trunk")

    def play(self, chance):
        self.out = self.folder / "out"
        self.out.mkdir()
        kept = self.folder / "kept"
        kept.mkdir()
        self.victim = kept / "victim"
        self.victim.write_text("kept")
        self.make_repository()
        self.start("--repo", f"shop={self.folder}/origin.git", "--pipeline", self.write("p.yaml", self.LOOKS.format(out=self.out)))
        self.wants(200, "POST", "/v1/settings", {"queue.max_concurrency": 4, "queue.serial_per_repo": False, "reconciler.interval_s": 1})
        for name in self.WRONG:
            with self.subTest(branch=name):
                self.wants(400, "POST", "/v1/tasks", {"work_item": "X", "repo": "shop", "branch": name, "pipeline": "looks"})
        names = chance.sample(self.NAMES, len(self.NAMES) if stage.NIGHT_S else 2)
        tasks = [self.wants(201, "POST", "/v1/tasks", {"work_item": f"W-{i} {name}", "repo": "shop", "branch": name,
                                                       "pipeline": "looks"})["task"]["id"] for i, name in enumerate(names)]
        for task in tasks:
            row = lambda task=task: self.ask("GET", f"/v1/tasks/{task}")[1]
            self.wait_until(lambda row=row: row()["stage"] in ("done", "cancelled") or row()["blocked"])
            self.assertEqual(row()["stage"], "done", row())
        self.assertEqual(sorted(self.effects()), sorted(f"{task}-1-ship" for task in tasks))
        self.assertTrue((self.out / "looked").exists(), "the branch was not checked out")
        self.wait_until(lambda: not list((self.data / "work").glob("task-*/evil")))  # cleared away, links and all
        self.assertEqual((self.victim.read_text(), sorted(path.name for path in kept.iterdir())), ("kept", ["victim"]))
        self.assertEqual([path for path in self.folder.rglob("pwned")], [])
        self.is_sound()


class Agent(stage.Stage):
    """An agent that turns hostile: it cannot outlive its job, write elsewhere through pawld, or flood anyone."""

    HOSTILE = """
name: hostile
agents:
  evil: {{run: '{script}'}}
stages:
  - name: work
    agent: evil
    to: done
"""
    SCRIPT = r"""#!/bin/sh
trap '' TERM HUP INT
data={data}
# Children that hide: in another session, without the run's name, or with another run's.
for way in "setsid" "env -u PAWL_RUN setsid" "env PAWL_RUN={other} setsid" "nohup setsid"; do
  $way sh -c 'trap "" TERM HUP INT; while :; do echo $$ >>{alive}; sleep 0.1; done' 9>&- &
done
# Links where pawld will write, remove and read.
for name in job-2-1.log job-2-1.head job-2-1.log.new; do ln -s {victim} "$data/logs/$name"; done
ln -s {kept} "$data/logs/task-2"
ln -s {victim} "$data/member.new"
ln -s {victim} "$data/sealed.new"
ln -s {kept} "$data/work/task-2"
for name in runs steps; do ln -s {victim} "$data/$name/zz"; done
# More output than anyone reads.
yes "flood $(head -c 200 /dev/zero | tr '\0' x)" | head -c {flood}
printf '\033[2J\377\376 begun\n'
touch {begun}
while :; do sleep 1; done
"""

    def test_agent_ends_with_its_job_and_writes_nowhere_else(self):
        self.each_seed(self.play)

    def play(self, chance):
        self.raise_curtain()
        kept = self.folder / "kept"
        kept.mkdir()
        victim = kept / "victim"
        victim.write_text("kept")
        alive = self.folder / "alive"
        begun = self.folder / "begun"
        next_job = self.wants(200, "GET", "/v1/jobs")["items"][-1]["id"] + 2
        text = self.SCRIPT.format(data=self.data, alive=alive, victim=victim, kept=kept, begun=begun, other=self.step_run,
                                  flood=chance.choice([1 << 20, 2 << 20]))
        text = text.replace("job-2-", f"job-{next_job}-").replace("task-2", f"task-{self.free + 2}")
        script = self.write("evil", text, 0o700)
        second = "name: second\nagents:\n  good: {run: 'echo good; pwd'}\nstages:\n  - {name: work, agent: good, to: done}\n"
        for name, body in (("hostile", self.HOSTILE.format(script=script)), ("second", second)):
            applied = self.pawl("pipelines", "apply", str(self.write(f"{name}.yaml", body)), "--socket", self.socket)
            self.assertEqual(applied.returncode, 0, applied.stderr)
        self.wants(200, "POST", "/v1/settings", {"stop.kill_after_s": 1, "job.retry_delay_s": 0})
        evil = self.wants(201, "POST", "/v1/tasks", {"work_item": "E", "repo": "evil", "pipeline": "hostile"})["task"]["id"]
        self.wait_until(begun.exists)
        good = self.wants(201, "POST", "/v1/tasks", {"work_item": "G", "repo": "good", "pipeline": "second"})["task"]["id"]
        self.wait_until(lambda: self.ask("GET", f"/v1/tasks/{good}")[1]["stage"] == "done"
                        or self.ask("GET", f"/v1/tasks/{good}")[1]["blocked"])
        self.assertEqual(self.ask("GET", f"/v1/jobs/{self.wants(200, 'GET', f'/v1/tasks/{good}/logs')['items'][0]['job']}/log")[0], 200)
        self.assertIn(self.ask("POST", f"/v1/tasks/{evil}/cancel", {})[0], (200, 202))
        self.wait_until(lambda: self.ask("GET", f"/v1/tasks/{evil}")[1]["stage"] == "cancelled")
        self.assertEqual(self.living(alive), [], "it outlived its end")
        self.assertEqual((victim.read_text(), sorted(path.name for path in kept.iterdir())), ("kept", ["victim"]))
        self.let_down_curtain()

    def living(self, alive):
        """The pids that reported themselves alive and still live."""
        found = []
        for pid in sorted(set(alive.read_text().split())) if alive.exists() else []:
            try:
                if str(alive).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                pass
        return found


class BackupReader(stage.Stage):
    """A reader of a backup or an export: sees everything that happened, but no secret."""

    TELLS = """
name: tells
env:
  TOLD: {{file: {secret}}}
agents:
  teller: {{run: 'echo "it is $TOLD"; env'}}
stages:
  - name: work
    agent: teller
    gate: {{run: 'echo "$TOLD"'}}
    to: done
    steps:
      - name: ship
        run: 'echo "$TOLD" >&2; echo "$PAWL_STEP_KEY" >>{out}/told'
        irreversible: true
"""

    def test_reader_of_a_backup_finds_no_secret(self):
        self.each_seed(self.play)

    def play(self, chance):
        self.out = self.folder / "out"
        words = {name: f"{name}-{chance.getrandbits(64):016x}-5ecret" for name in ("env", "gitea", "generic", "alert", "header")}
        files = {name: self.write(f"{name}.secret", word + "\n") for name, word in words.items()}
        url = self.write("url.secret", f"http://127.0.0.1:1/{words['alert']}\n")
        header = self.write("header.secret", f"Authorization: Bearer {words['header']}\n")
        self.raise_curtain("--gitea-secret-file", files["gitea"], "--generic-secret-file", files["generic"], "--alert-url-file", url,
                           "--alert-header-file", header, "--pipeline",
                           self.write("tells.yaml", self.TELLS.format(secret=files["env"], out=self.out)))
        secrets = [*words.values(), *self.secret.values()]
        # Each secret comes close to the log once: in a refused request, and in a command's output.
        for secret in secrets:
            self.ask("POST", "/v1/tasks", {"work_item": "X", "repo": "shop"}, {"Authorization": f"Bearer {secret}"})
            self.ask("POST", "/webhooks/generic", b"{}", {"X-Pawl-Signature": secret, "X-Pawl-Delivery": "1"})
        task = self.wants(201, "POST", "/v1/tasks", {"work_item": "T", "repo": "tell", "pipeline": "tells"})["task"]["id"]
        self.wait_until(lambda: self.ask("GET", f"/v1/tasks/{task}")[1]["stage"] == "done")
        # Texts sent over HTTP are kept unchanged; pawl does not judge them.
        self.wants(201, "POST", "/v1/repos", {"repo": "shop", "url": "/srv/shop.git"})
        self.assertNotEqual(self.ask("POST", "/v1/repos", {"repo": "shop", "url": f"https://u:{words['env']}@h/x.git"})[0], 201)
        self.let_down_curtain()
        backup = self.folder / "backup"
        made = self.pawl("backup", str(self.data), str(backup))
        self.assertEqual(made.returncode, 0, made.stderr)
        exported = self.pawl("export", "log", "--data", str(self.data))
        self.assertEqual(exported.returncode, 0, exported.stderr)
        state = self.pawl("export", "state", "--all", "--data", str(self.data))
        page = self.folder / "page.html"
        self.pawl("explain", str(self.data), f"task:{task}", "--html", str(page))
        texts = {"export": exported.stdout.encode(), "state": state.stdout.encode(), "page": page.read_bytes(),
                 "said": self.said().encode()}
        texts |= {str(path): path.read_bytes() for folder in (backup, self.data) for path in folder.rglob("*")
                  if path.is_file() and not path.is_symlink()}
        self.assertGreater(len(texts), 20)
        for where, text in texts.items():
            found = [secret for secret in [*secrets, self.step_run] if secret.encode() in text and
                     not (secret == self.step_run and not where.startswith(str(backup) + "/logs"))]
            self.assertEqual(found, [], where)
        self.assertEqual(self.pawl("check", str(backup), "--witness", str(self.seen)).returncode, 0)


class KeptElsewhere(stage.Stage):
    """`pawl witness --every` goes on across restarts of the daemon."""

    def test_witness_waits_for_a_daemon_that_is_away(self):
        self.start()
        kept = self.folder / "kept"
        witness = subprocess.Popen([ACCESS.BIN / "pawl", "witness", "--every", "1s", "--to", kept, "--socket", self.socket],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(witness.stderr.close)
        self.addCleanup(witness.wait)
        self.addCleanup(witness.kill)
        lines = lambda: kept.read_text().splitlines() if kept.exists() else []
        self.wait_until(lambda: len(lines()) == 1)
        self.kill()
        self.assertIn("trying again", witness.stderr.readline())
        self.start()
        self.wait_until(lambda: len(lines()) == 2)
        self.assertIsNone(witness.poll())
        time.sleep(1.5)  # nothing happened: an interval without a line
        self.assertEqual(len(lines()), 2)
        checked = self.pawl("check", str(self.data), "--witness", str(kept))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn("2 lines in agreement with the log", checked.stdout)


if __name__ == "__main__":
    ACCESS.BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
