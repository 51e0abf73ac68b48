/* The one path over an edge, for each actor of the daemon, and the groups that end it. */

#define MINE_RUNS(t, v, n) (job[t] == RUNNING && job_version[t] == v && attempt[t] == n)

inline look(t) { /* at the job of the version that the task will leave */
  runs = (job[t] == RUNNING && job_version[t] == v);
  seen_attempt = (runs -> attempt[t] : 0)
}

inline end_job(t) {
  drop_run(t, true);
  job[t] = NO_JOB;
  exit_code[t] = RUNS_ON
}

/* The closing group [StageTransition, JobFinished(done) if one runs, LeaseReleased...]: all or nothing. */
inline close_by_transition(a, t, to) {
  ok = (!runs || MINE_RUNS(t, v, seen_attempt)) && (repo_token[a] == 0 || REPO_COUNTS(a));
  if
  :: ok ->
    was = job[t];
    if
    :: runs -> job[t] = NO_JOB
    :: else
    fi;
    transition(a, t, to, v);
    if
    :: ok && runs && job[t] == NO_JOB -> exit_code[t] = RUNS_ON; drop_run(t, true)
    :: !ok -> job[t] = was
    :: else
    fi;
    if
    :: ok -> release(a, t)
    :: else
    fi
  :: else
  fi;
  follow_up(t)
}

/* The closing group [TaskBlocked, JobFinished(done) if one runs, LeaseReleased...]. */
inline close_by_block(a, t) {
  ok = (!runs || MINE_RUNS(t, v, seen_attempt)) && (repo_token[a] == 0 || REPO_COUNTS(a));
  if
  :: ok ->
    block(a, t, v);
    if
    :: ok ->
      if
      :: runs -> end_job(t)
      :: else
      fi;
      release(a, t)
    :: else
    fi
  :: else
  fi;
  follow_up(t)
}

/* The closing group [JobFinished(retry) if one runs, LeaseReleased...]. */
inline close_by_retry(a, t) {
  ok = (!runs || MINE_RUNS(t, v, seen_attempt)) && (token[a] == 0 || token[a] == lease[t]) &&
       (repo_token[a] == 0 || REPO_COUNTS(a));
  if
  :: ok ->
    if
    :: runs -> retry_rule(t, true, false)
    :: else
    fi;
    if
    :: a == REAPER && OFF_REAPER_RELEASES -> token[a] = 0
    :: else -> release(a, t)
    fi
  :: else
  fi;
  follow_up(t)
}

inline spawn(a, t, outside) { /* the merge's process begins to execute */
  was = (process[0] == GONE -> 0 : 1);
  HOLDS(process[was] == GONE, model_is_sound);
  HOLDS(!exclusive || !(RUNS(1 - was) && process_task[1 - was] != t) || (process_owner[1 - was] == NOBODY && process_outside[1 - was] && !ASK_ORPHAN), one_merge_per_repo);
  HOLDS(!ASK_LATE_REPO || !exclusive || !IN_THE_AIR(1 - t), one_merge_per_repo);
  process[was] = GOES;
  process_task[was] = t;
  process_version[was] = v;
  process_owner[was] = a;
  process_outside[was] = outside;
  process_start[was] = started[a]
}

#define MY_EXIT(n, a) (process[n] > GOES && process_owner[n] == a)

inline reap_exit(n) {
  said = process[n];
  process[n] = GONE;
  process_task[n] = 0;
  process_version[n] = 0; process_start[n] = 0;
  process_owner[n] = NOBODY;
  process_outside[n] = 0
}

inline kill(n, t, a) { /* the process of the start to be settled, if a daemon forked it */
  if
  :: RUNS(n) && process_task[n] == t && !process_outside[n] && process_start[n] == started[a] ->
    if
    :: process_owner[n] == NOBODY ->
      process[n] = GONE;
      process_task[n] = 0;
      process_version[n] = 0;
      process_start[n] = 0
    :: else -> process[n] = EXIT_UNKNOWN
    fi
  :: else
  fi
}

inline leave(a, t) { /* the end of a path: releases everything it took */
  release(a, t);
  started[a] = 0;
  place[t] = (place[t] == 1 + a -> 0 : place[t]);
  path[t] = (path[t] == 1 + a -> 0 : path[t]);
  ok = 0;
  said = 0;
  skip_gate = 0;
  own_start = 0;
  settles_outside = 0;
  runs = 0;
  seen_attempt = 0;
  follow_up(t)
}

#define ON_RED_LEAVE 0
#define ON_RED_ROLL_BACK 1
#define BY_REAPER 2 /* on red or in error: the retry rule */

/* Only without the defences: the lease is taken on the guarded edge only. */
#define LEASELESS(t, mode) (stage[t] == DEV && (OFF_LEASE_EVERY_EDGE || (OFF_CLAIM_FIRST && mode == BY_REAPER)))

/* In doubt: the last try vouched, so another would change nothing, or a cancel stands. */
#define NOTHING_MAY_START(t) (doubt[t] != 0 && (vouched[t] || (cancel[t] && !OFF_DOUBT_CANCEL_REQUESTED)))

/* engine/policies/advance*.cc: leases, gate, open steps, steps, closing group. Ends after `out`, with `waits` or
 * `was_red` set if the caller has to know. The reaper takes over a dead owner's lease, `seen`, in the group of its claim. */
inline cross(a, t, mode) {
  waits = 0;
  was_red = 0;
  atomic {
    d_step {
      if
      :: LIVE(t) && version[t] == v && !blocked[t] && PATH_IS_FREE(t) ->
        if
        :: mode == BY_REAPER && LEASED(t) && lease[t] == seen -> free_lease(t, IS_DEAD(holder[t]))
        :: else
        fi;
        if
        :: LEASELESS(t, mode) -> ok = !LEASED(t)
        :: else -> acquire(a, t, true, exclusive && stage[t] == SHIP)
        fi
      :: else -> ok = 0
      fi;
      waits = !ok;
      if
      :: ok ->
        path[t] = 1 + a;
        look(t);
        reentered = (mode == ON_RED_LEAVE && a != ASKED && COMMITTED(t));
        skip_gate = (COMMITTED(t) && !OFF_GATE_ONCE);
        if
        :: !skip_gate -> HOLDS(gate[t] == 0 || (NO_ONE_PATH && !OFF_ONE_PATH), one_gate_at_a_time);
          HOLDS(previous[t] == 0 || agent_of[t] != previous[t], no_gate_beside_what_is_left);
          gate[t] = 1 + a
        :: else
        fi
      :: else
      fi;
      follow_up(t)
    }
    if
    :: ok -> ok = 0
    :: else -> goto out
    fi
  }
  atomic { /* the gate, and a look at what changed while it ran */
    if
    :: skip_gate
    :: !skip_gate && gate[t] == DOOMED -> said = 2
    :: !skip_gate && gate[t] != DOOMED && (worked[t] || !HAS_AGENT(t))
    :: !skip_gate && gate[t] != DOOMED && !worked[t] && HAS_AGENT(t) -> said = 1
    :: !skip_gate && gate[t] != DOOMED && troubles > 0 -> troubles--; said = 1 /* red */
    :: !skip_gate && gate[t] != DOOMED && troubles > 0 -> troubles--; said = 2 /* in error */
    fi;
    gate[t] = (skip_gate -> gate[t] : 0);
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: else
    fi;
    kept[t] = kept[t] && said == 0;
    if
    :: mode != BY_REAPER -> look(t) /* the reaper acts on the attempt that it saw */
    :: else
    fi
  }
  if
  :: said == 1 && mode == ON_RED_ROLL_BACK && stage[t] != DEV ->
    atomic { d_step { said = 0; close_by_transition(a, t, DEV) } goto out }
  :: (said == 2 || (said == 1 && stage[t] == DEV)) && mode == ON_RED_ROLL_BACK ->
    atomic { d_step { said = 0; close_by_retry(a, t) } goto out }
  :: said != 0 && mode == BY_REAPER ->
    atomic { d_step { said = 0; close_by_retry(a, t) } goto out }
  :: said != 0 && mode == ON_RED_LEAVE ->
    atomic { was_red = (said == 1); goto out }
  :: said == 0 && stage[t] == DEV ->
    atomic {
      d_step {
        if
        :: OFF_CLAIM_FIRST && mode == BY_REAPER ->
          HOLDS(MINE_RUNS(t, v, seen_attempt) || version[t] != v || LEASED(t) || blocked[t], claim_before_act);
          runs = 0
        :: else
        fi;
        close_by_transition(a, t, SHIP)
      }
      goto out
    }
  :: said == 0 && stage[t] != DEV
  fi;

  atomic { /* an open step before any other */
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: else
    fi;
    if
    :: open[t] != 0 && !COUNTS(a, t) && !OFF_SETTLE_LEASE -> waits = 1; goto out
    :: else
    fi;
    HOLDS(open[t] == 0 || COUNTS(a, t), owner_is_not_robbed);
    started[a] = start[t];
    settles_outside = (starter[t] >= OUTSIDE);
    if
    :: open[t] == RETEST -> goto settle_retest
    :: open[t] == MERGE -> goto settle_merge
    :: else -> goto steps
    fi
  }

settle_retest: /* it may simply run again: rerun */
  atomic {
    true;
    d_step { step_finished(a, t, v, RETEST, VOUCHED); follow_up(t) }
    if
    :: ok -> ok = 0; goto steps
    :: else -> goto out
    fi
  }

settle_merge:
  atomic { true; d_step {
    if
    :: !OFF_FLOCK -> kill(0, t, a); kill(1, t, a)
    :: else
    fi
  } }
  atomic {
    if
    :: PLACE_IS_FREE(t) || OFF_FLOCK -> place[t] = (OFF_FLOCK -> place[t] : 1 + a)
    :: troubles > 0 -> troubles--; look(t); goto block_it /* it cannot be ended, or its lock cannot be taken */
    fi
  }
  atomic { /* the probe. Its no counts only if the process is shown to be gone */
    if
    :: merges[t] > 0 -> said = 1
    :: merges[t] == 0 -> said = 0
    :: troubles > 0 -> troubles--; said = 2
    fi;
    if
    :: said == 0 && settles_outside && !OFF_GONE -> said = 2
    :: else
    fi;
    if
    :: said == 2 && OFF_UNKNOWN_BLOCKS -> said = 0
    :: said == 2 && !OFF_UNKNOWN_BLOCKS -> said = 0; look(t); goto block_it
    :: else
    fi
  }
  atomic {
    d_step {
      step_finished(a, t, v, MERGE, (said == 1 -> HAPPENED : PROBED_NO));
      place[t] = (place[t] == 1 + a -> 0 : place[t]);
      follow_up(t)
    }
    if
    :: !ok -> goto out
    :: ok && own_start && said == 0 && doubt[t] != 0 -> ok = 0; own_start = 0; goto second_ask
    :: ok && own_start && said == 0 && doubt[t] == 0 -> ok = 0; look(t); goto step_failed
    :: else -> ok = 0; said = 0; own_start = 0
    fi
  }

steps: /* for a place in doubt the same step again, or none if nothing may start */
  atomic {
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: version[t] == v && LIVE(t) && NOTHING_MAY_START(t) -> goto second_ask
    :: version[t] == v && LIVE(t) && !NOTHING_MAY_START(t) && (done[t] & RETEST) -> goto merge
    :: else
    fi
  }
  atomic {
    d_step { step_started(a, t, v, RETEST) }
    if
    :: ok == 1 -> ok = 0
    :: else -> waits = 1; goto out
    fi
  }
  atomic {
    if
    :: said = 1
    :: troubles > 0 -> troubles--; said = 0
    fi;
    d_step { step_finished(a, t, v, RETEST, (said == 1 -> HAPPENED : VOUCHED)); follow_up(t) }
    if
    :: !ok -> goto out
    :: ok && said == 0 -> ok = 0; look(t); goto step_failed
    :: else -> ok = 0; said = 0
    fi
  }

merge:
  atomic {
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: (version[t] == v && LIVE(t)) && (done[t] & MERGE) -> look(t); goto finish
    :: else
    fi
  }
  atomic { /* forked, stopped, holding the lock of its place */
    if
    :: OFF_FLOCK || OFF_HELD_BEFORE_START
    :: PLACE_IS_FREE(t) && !OFF_FLOCK && !OFF_HELD_BEFORE_START -> place[t] = 1 + a
    :: troubles > 0 -> troubles--; look(t); goto block_it
    fi
  }
  atomic {
    d_step { step_started(a, t, v, MERGE) }
    if
    :: ok == 1 -> ok = 0
    :: else -> waits = 1; goto out
    fi
  }
  d_step { /* it executes only now that the start is durable */
    !OFF_HELD_BEFORE_START || PLACE_IS_FREE(t) ->
    place[t] = (OFF_HELD_BEFORE_START -> 1 + a : place[t]);
    spawn(a, t, 0)
  }
  atomic {
    if
    :: MY_EXIT(0, a) -> reap_exit(0)
    :: MY_EXIT(1, a) -> reap_exit(1)
    fi;
    if
    :: said == EXIT_UNKNOWN -> /* releases its lock first: taking it again proves that nothing is left */
      said = 0;
      own_start = 1;
      settles_outside = 0;
      place[t] = (place[t] == 1 + a -> 0 : place[t]);
      goto settle_merge
    :: else
    fi
  }
  atomic {
    d_step {
      step_finished(a, t, v, MERGE, (said == EXIT_DONE -> HAPPENED : VOUCHED));
      place[t] = (place[t] == 1 + a -> 0 : place[t]);
      follow_up(t)
    }
    if
    :: !ok -> goto out
    :: ok && said == EXIT_DONE -> ok = 0; said = 0; look(t); goto finish
    :: ok && said != EXIT_DONE && doubt[t] == 0 -> ok = 0; said = 0; look(t); goto step_failed
    :: else -> ok = 0; said = 0
    fi
  }

second_ask: /* settle_s after the end of the last try was recorded */
  atomic {
    SETTLE_PASSED(t) || OFF_SECOND_TIMED || OFF_SECOND_ASKED ->
    started[a] = doubt[t];
    if
    :: merges[t] > 0 -> said = 1
    :: merges[t] == 0 -> said = 0
    :: troubles > 0 -> troubles--; said = 2
    fi;
    if
    :: said == 2 && OFF_UNKNOWN_BLOCKS -> said = 0
    :: said == 2 && !OFF_UNKNOWN_BLOCKS -> said = 0; look(t); goto block_it
    :: else
    fi
  }
  atomic {
    SETTLE_PASSED(t) || OFF_SECOND_TIMED || !OFF_SECOND_ASKED;
    d_step { doubt_ended(a, t, v, said == 1); follow_up(t) }
    if
    :: !ok -> goto out
    :: ok && said == 0 -> ok = 0; look(t); goto step_failed
    :: else -> ok = 0; said = 0; look(t)
    fi
  }

finish:
  atomic { true; d_step { close_by_transition(a, t, DONE) } goto out }

step_failed: /* roll back, unless an earlier irreversible step stands */
  if
  :: COMMITTED(t) -> goto block_it
  :: !COMMITTED(t) && HAS_AGENT(t) -> atomic { d_step { close_by_transition(a, t, DEV) } goto out }
  :: else -> goto block_it
  fi;

block_it:
  atomic { true; d_step { close_by_block(a, t) } goto out }

out:
  atomic { true; d_step { leave(a, t) } }
}

#define LOCALS \
  byte v, seen_attempt, ok, said; \
  bit runs, skip_gate, own_start, settles_outside, waits, was_red; \
  bit reentered /* the reconciler: a committed crossing */

inline forget() {
  v = 0;
  seen_attempt = 0;
  ok = 0;
  said = 0;
  runs = 0;
  skip_gate = 0;
  own_start = 0;
  settles_outside = 0;
  waits = 0;
  was_red = 0;
  reentered = 0
}

