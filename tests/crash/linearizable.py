"""Is the history of one task, as its clients saw it, that of a register with compare-and-set?

A history is a list of operations that overlapped in time. It is linearizable if each operation can be assigned one
moment between its call and its return at which it happened as a whole, so that, in the order of these moments, a single
register gives exactly the recorded answers. An operation without an answer may have happened at any moment after its
call, or never. The search is Wing and Gong's, with Lowe's cache of dead ends: at each point, an operation may be next
if no remaining one returned before it was called.

Nothing here knows pawl's log: it judges only what the clients were told.
"""

import math
from typing import NamedTuple, Optional

NEVER = math.inf  # the return of an operation that was never answered


class State(NamedTuple):
    """The register's value: where the task is."""
    version: int
    stage: str


class Operation(NamedTuple):
    """One operation of one client. Without `expected` it is a read, otherwise a move of the task from that version.

    `won`: the answer said that it moved the task; None: there was no answer. `seen`: the state in its answer, for a
    lost race the one that it lost to; None: the answer had none.
    """
    client: str
    call: float
    back: float
    seen: Optional[State] = None
    expected: Optional[int] = None
    to: Optional[str] = None
    won: Optional[bool] = None

    @property
    def may_never_happen(self):
        return self.back == NEVER

    def after(self, state):
        """The state after it happened in that one; None if it cannot have happened there, or not with this answer."""
        if self.expected is None or self.won is False:
            fits = (self.seen is None or self.seen == state) and self.expected != state.version
            return state if fits else None
        if self.expected != state.version:
            return None
        moved = State(state.version + 1, self.to)
        return moved if self.seen is None or self.seen == moved else None

    def __str__(self):
        what = "a read" if self.expected is None else f"a move from version {self.expected} to {self.to}"
        told = "nothing" if self.won is None and self.seen is None else ""
        if self.won is not None:
            told = "done" if self.won else "too late"
        if self.seen is not None:
            told += f"{', ' if told else ''}version {self.seen.version} on {self.seen.stage}"
        until = "" if self.back == NEVER else f"{self.back:.6f}"
        return f"{self.client}, {self.call:.6f} to {until or '?'}: {what}, told {told}"


def contradiction(history, first):
    """None if the history is linearizable, beginning with the state `first`; otherwise a sentence with the operations
    that no order explains."""
    operations = sorted((each for each in history if not (each.may_never_happen and each.expected is None)),
                        key=lambda each: each.call)
    needed = sum(1 << at for at, each in enumerate(operations) if not each.may_never_happen)
    tried = set()  # (which have happened, state): a dead end, or in progress
    furthest = (-1, 0, first)
    places = [(0, first)]
    while places:
        happened, state = places.pop()
        happened = _with_all_that_change_nothing(operations, happened, state)
        if needed & ~happened == 0:
            return None
        if (happened, state) in tried:
            continue
        tried.add((happened, state))
        furthest = max(furthest, ((happened & needed).bit_count(), happened, state), key=lambda each: each[0])
        for at in _may_be_next(operations, happened):
            moved = operations[at].after(state)
            if moved is not None:
                places.append((happened | 1 << at, moved))
    _, happened, state = furthest
    candidates = [operations[at] for at in _may_be_next(operations, happened)]
    return "\n  ".join([f"with version {state.version} on {state.stage} none of these fits any more:"]
                       + [str(each) for each in candidates])


def _may_be_next(operations, happened):
    """The indices of those that were called before any other pending one returned."""
    found, first_back = [], NEVER
    # Ordered by call: once one was called after a return, so were all later ones.
    for at in range(_first_missing(happened), len(operations)):
        if happened >> at & 1:
            continue
        if operations[at].call > first_back:
            break
        found.append(at)
        first_back = min(first_back, operations[at].back)
    return found


def _with_all_that_change_nothing(operations, happened, state):
    """Takes reads and lost races that fit this state at once: they change nothing, so the order does not matter. Also
    drops unanswered moves whose version is past: versions only grow, so they never happen."""
    while True:
        settled = [at for at in _may_be_next(operations, happened) if _is_settled(operations[at], state)]
        if not settled:
            return happened
        for at in settled:
            happened |= 1 << at


def _is_settled(operation, state):
    if operation.may_never_happen:
        return operation.expected < state.version
    return operation.after(state) == state


def _first_missing(happened):
    """The index of the lowest bit that is not set."""
    return (~happened & happened + 1).bit_length() - 1
