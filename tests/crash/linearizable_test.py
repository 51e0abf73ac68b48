#!/usr/bin/env python3
"""The checker of histories: what it must accept, what it must reject, and agreement with trying every order."""

import itertools
import random
import sys
import unittest

sys.dont_write_bytecode = True
from linearizable import NEVER, Operation, State, contradiction  # noqa: E402

FIRST = State(1, "ping")


def read(call, back, version, stage=None):
    return Operation("reader", call, back, seen=State(version, stage or stage_of(version)))


def won(call, back, expected):
    return Operation("winner", call, back, State(expected + 1, stage_of(expected + 1)), expected,
                     stage_of(expected + 1), True)


def lost(call, back, expected, version):
    return Operation("loser", call, back, State(version, stage_of(version)), expected, stage_of(expected + 1), False)


def unanswered(call, expected):
    return Operation("unlucky", call, NEVER, None, expected, stage_of(expected + 1))


def stage_of(version):
    return "ping" if version % 2 else "pong"


class Accepted(unittest.TestCase):
    def accept(self, *history):
        self.assertIsNone(contradiction(history, FIRST))

    def test_nothing_at_all(self):
        self.accept()

    def test_one_after_the_other(self):
        self.accept(read(0, 1, 1), won(2, 3, 1), read(4, 5, 2), lost(6, 7, 1, 2), won(8, 9, 2), read(10, 11, 3))

    def test_reads_during_a_move_may_see_either(self):
        self.accept(won(0, 10, 1), read(1, 2, 1), read(3, 4, 2))

    def test_overlapping_reads_may_differ(self):
        self.accept(won(0, 10, 1), read(1, 9, 2), read(1, 9, 1))

    def test_race_has_one_winner(self):
        self.accept(won(0, 10, 1), lost(0, 10, 1, 2), lost(1, 9, 1, 2))

    def test_moves_in_the_order_of_their_versions_whoever_called_first(self):
        self.accept(won(0, 10, 2), won(1, 9, 1))

    def test_unanswered_move_may_never_happen(self):
        self.accept(unanswered(0, 1), read(1, 2, 1), won(3, 4, 1))

    def test_unanswered_move_may_have_happened(self):
        self.accept(unanswered(0, 1), read(1, 2, 2), lost(3, 4, 1, 2))

    def test_unanswered_move_may_happen_late(self):
        self.accept(unanswered(0, 1), read(1, 2, 1), read(3, 4, 1), read(5, 6, 2))

    def test_one_of_two_unanswered_moves_may_have_happened(self):
        self.accept(unanswered(0, 1), unanswered(0, 1), read(1, 2, 2), won(3, 4, 2), read(5, 6, 3))

    def test_answer_that_shows_no_state(self):
        self.accept(won(0, 1, 1)._replace(seen=None), lost(2, 3, 1, 2)._replace(seen=None), read(4, 5, 2))


class Rejected(unittest.TestCase):
    def reject(self, *history):
        self.assertIsNotNone(contradiction(history, FIRST))

    def test_stale_read(self):
        self.reject(won(0, 1, 1), read(2, 3, 1))

    def test_reads_that_go_back(self):
        self.reject(won(0, 10, 1), read(1, 2, 2), read(3, 4, 1))

    def test_two_moves_from_one_version(self):
        self.reject(won(0, 10, 1), won(0, 10, 1))

    def test_acknowledged_move_that_is_lost(self):
        self.reject(won(0, 1, 1), won(2, 3, 1))

    def test_acknowledged_move_that_is_lost_to_a_reader(self):
        self.reject(won(0, 1, 1), won(2, 3, 2), read(4, 5, 2))

    def test_lost_race_without_a_winner(self):
        self.reject(lost(0, 1, 1, 2))

    def test_lost_race_for_the_version_that_stood(self):
        self.reject(lost(0, 1, 1, 1))

    def test_lost_race_for_the_version_that_stood_and_was_not_shown(self):
        self.reject(lost(0, 1, 1, 1)._replace(seen=None))

    def test_refused_move_that_happened(self):
        self.reject(won(0, 1, 1), lost(2, 3, 2, 2), read(4, 5, 3))

    def test_read_of_what_is_not_yet_asked_for(self):
        self.reject(read(0, 1, 2), won(2, 3, 1))

    def test_unanswered_move_before_its_call(self):
        self.reject(read(0, 1, 2), unanswered(2, 1))

    def test_unanswered_move_that_happens_twice(self):
        self.reject(unanswered(0, 1), read(1, 2, 3))

    def test_unanswered_move_that_is_taken_back(self):
        self.reject(unanswered(0, 1), read(1, 2, 2), read(3, 4, 1))

    def test_version_that_nobody_made(self):
        self.reject(won(0, 1, 1), read(2, 3, 3))

    def test_stage_that_nobody_asked_for(self):
        self.reject(won(0, 1, 1), read(2, 3, 2, "ping"))


def by_trying_every_order(history, first):
    """The definition, taken literally."""
    certain = [each for each in history if not each.may_never_happen]
    doubtful = [each for each in history if each.may_never_happen]
    for count in range(len(doubtful) + 1):
        for some in itertools.combinations(doubtful, count):
            for order in itertools.permutations(certain + list(some)):
                state = first
                for at, each in enumerate(order):
                    if any(later.back < each.call for later in order[at + 1:]):
                        break
                    state = each.after(state)
                    if state is None:
                        break
                else:
                    return True
    return False


def drawn(dice, count):
    """The history of a true register, as its clients would have seen it; now and then one answer is altered."""
    history, state = [], FIRST
    for moment in range(count):
        call, back = moment - dice.random() * 3, moment + dice.random() * 3
        kind = dice.choice(["read", "move", "move", "unanswered"])
        if kind == "read":
            history.append(Operation("drawn", call, back, seen=state))
            continue
        expected = dice.choice([state.version, state.version, max(1, state.version - 1)])
        to, wins = stage_of(expected + 1), expected == state.version
        if kind == "unanswered":
            history.append(unanswered(call, expected))
            wins = wins and dice.random() < 0.5
        if wins:
            state = State(expected + 1, to)
        if kind == "move":
            history.append(Operation("drawn", call, back, state, expected, to, wins))
    if history and dice.random() < 0.5:
        at = dice.randrange(len(history))
        if history[at].seen:
            version = max(1, history[at].seen.version + dice.choice([-1, 1]))
            history[at] = history[at]._replace(seen=State(version, stage_of(version)))
    dice.shuffle(history)
    return history


class Drawn(unittest.TestCase):
    def test_it_says_what_trying_every_order_says(self):
        dice = random.Random(1)
        verdicts = {True: 0, False: 0}
        for _ in range(600):
            history = drawn(dice, dice.randrange(1, 7))
            expected = by_trying_every_order(history, FIRST)
            verdicts[expected] += 1
            self.assertEqual(contradiction(history, FIRST) is None, expected, "\n".join(map(str, history)))
        self.assertGreater(min(verdicts.values()), 60, "the histories are all of one kind")

    def test_long_history_is_no_long_search(self):
        history = []
        for version in range(1, 1000):
            history += [unanswered(version, version), won(version, version + 0.9, version),
                        lost(version, version + 0.9, version, version + 1), read(version + 0.1, version + 0.8, version)]
        self.assertIsNone(contradiction(history, FIRST))
        self.assertIsNotNone(contradiction(history + [read(1001, 1001.5, 1)], FIRST))


if __name__ == "__main__":
    unittest.main()
