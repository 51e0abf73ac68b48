"""What really happened outside pawl while it was being killed: merges in a git origin, deployments and stamps in a
ledger; and whether that, the tasks and the log agree."""

import collections
import subprocess

from kill_clients import REPOS

REPO_NAMES = [f"repo-{number}" for number in range(REPOS)]
ACTS = {"kills": ("merge", "deploy"), "byhand": ("stamp",)}


FACTS = ("RunExited", "StepFinished")  # accepted from whoever saw them, with or without the lease


def late_hands(records, workers):
    """Where an actor that was taken for dead, or whose lease was taken away, still got through. Returns sentences."""
    found, stale, boots, held = [], set(), {}, {}
    for record in records:
        data, is_accepted = record["data"], record["outcome"] == "accepted"
        if is_accepted and record["actor"] in workers and record["boot"] in stale and record["type"] not in FACTS:
            found.append(f"record {record['seq']}, {record['type']}, was accepted from a boot that is stale")
        if is_accepted and record["type"] == "StepStarted":
            token = held.get(f"task:{data['task']}")
            if data["token"] != token:
                found.append(f"record {record['seq']} starts a step under token {data['token']}, held was {token}")
        if is_accepted and record["type"] == "BootStarted":
            stale.add(boots.get(data["name"]))
            boots[data["name"]] = data["boot_id"]
        for effect in record["effects"] or []:
            if effect["effect"] == "lease_granted":
                held[effect["key"]] = effect["token"]
            if effect["effect"] == "lease_freed":
                held.pop(effect["key"], None)
    return found


class Outside:
    def __init__(self, world):
        self.world = world
        self.ledger = world / "ledger"
        self.origin = world / "origin.git"

    def make(self):
        self.ledger.touch()
        self._git("init", "--quiet", "--bare", str(self.origin), at=".")
        tree = self._git("mktree", standard_input="").strip()
        who = ("-c", "user.name=step", "-c", "user.email=step")
        first = self._git(*who, "commit-tree", tree, "-m", "first").strip()
        for repo in REPO_NAMES:
            self._git("update-ref", f"refs/heads/{repo}", first)

    def _git(self, *words, at=None, standard_input=None):
        return subprocess.run(["git", "-C", at or str(self.origin), *words], input=standard_input, check=True,
                              text=True, stdout=subprocess.PIPE).stdout

    def effects(self):
        """act → the effects that happened, each as (task, its step's key)."""
        found = collections.defaultdict(list)
        lines = self.ledger.read_text().splitlines()
        for repo in REPO_NAMES:
            lines += self._git("log", "--format=%s", f"refs/heads/{repo}").splitlines()
        for words in map(str.split, lines):
            if words[0] not in ("fence", "first"):
                found[words[0]].append((int(words[1]), words[2]))
        return found

    def has_happened(self, act, task, version):
        return (task, f"{task}-{version}-{act}") in self.effects()[act]

    def problems(self, tasks, pipelines, records):
        """Sentences. `pipelines`: task → the name of its pipeline."""
        found, effects = [], self.effects()
        for act, all_of_it in effects.items():
            for (_, key), times in collections.Counter(all_of_it).items():
                if times != 1:
                    found.append(f"{act} {key} happened {times} times in one crossing")
        counts = {act: collections.Counter(task for task, _ in all_of_it) for act, all_of_it in effects.items()}
        for task in tasks:
            for act in ACTS.get(pipelines[task["id"]], ()):
                times = counts.get(act, {}).get(task["id"], 0)
                if task["stage"] == "done" and times != 1:
                    found.append(f"task {task['id']} is delivered, with {times} times '{act}'")
                # A merged task may be cancelled before it is deployed; the last effect is the one on the way to `done`.
                if task["stage"] == "cancelled" and times > (act == "merge"):
                    found.append(f"task {task['id']} is cancelled, with {times} times '{act}'")
        done = {f"{data['task']}-{data['version']}-{data['step']}" for data in
                (record["data"] for record in records
                 if record["type"] == "StepFinished" and record["outcome"] == "accepted")
                if data["outcome"] == "done" and data["step"] != "retest"}
        happened = {key for all_of_it in effects.values() for _, key in all_of_it}
        found += [f"{key} has happened, but is not done in the log" for key in sorted(happened - done)]
        found += [f"{key} is done in the log, but has not happened" for key in sorted(done - happened)]
        return found
