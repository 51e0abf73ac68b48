/* Who acts: the path of the daemon's actors, the owner outside, an operator, and the world that crashes. */

#define MINE_RUNS(t, v, n) (job[t] == RUNNING && job_version[t] == v && attempt[t] == n)

inline look(t) { /* at the job of the version that is to be left */
  runs = (job[t] == RUNNING && job_version[t] == v);
  seen_attempt = (runs -> attempt[t] : 0)
}

inline end_job(t) {
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
    :: ok && runs && job[t] == NO_JOB -> exit_code[t] = RUNS_ON
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
    :: runs -> retry_rule(t, true)
    :: else
    fi;
    release(a, t)
  :: else
  fi;
  follow_up(t)
}

inline spawn(a, t, outside) { /* the merge's process, let go */
  was = (process[0] == GONE -> 0 : 1);
  HOLDS(process[was] == GONE, model_is_sound);
  HOLDS(!(process[1 - was] == GOES && process_task[1 - was] != t) || (process_owner[1 - was] == NOBODY && process_outside[1 - was] && !ASK_ORPHAN), one_merge_per_repo);
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

inline kill(n, t, a) { /* the process of the start that is to be settled, if a daemon forked it */
  if
  :: process[n] == GOES && process_task[n] == t && !process_outside[n] && process_start[n] == started[a] ->
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

inline leave(a, t) { /* the end of a path: nothing that it took outlives it */
  release(a, t);
  started[a] = 0;
  if
  :: place[t] == 1 + a -> place[t] = 0
  :: else
  fi;
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
#define KNOWN_GREEN 2

/* The one path over the guarded edge, for each actor of the daemon (engine/policies/advance.cc): leases, gate, what is open,
 * steps, closing group. Ends behind `out`, with `waits` or `was_red` set where the asker has to know. */
inline cross(a, t, mode) {
  waits = 0;
  was_red = 0;
  atomic {
    d_step {
      if
      :: LIVE(t) && version[t] == v && stage[t] == SHIP && !blocked[t] -> acquire(a, t, token[a] == 0, exclusive)
      :: else -> ok = 0
      fi;
      if
      :: !ok -> waits = 1
      :: else
      fi
    }
    if
    :: ok -> ok = 0
    :: else -> goto out
    fi;
    skip_gate = ((COMMITTED(t) && !OFF_GATE_ONCE) || mode == KNOWN_GREEN)
  }
  atomic { /* the gate, and a look at what changed while it ran */
    if
    :: skip_gate
    :: !skip_gate && (worked[t] || !agent)
    :: !skip_gate && !worked[t] && agent -> said = 1 /* it shows whether an agent has done its work */
    :: !skip_gate && troubles > 0 -> troubles--; said = 1 /* red */
    :: !skip_gate && troubles > 0 -> troubles--; said = 2 /* in error */
    fi;
    look(t);
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: else
    fi
  }
  if
  :: said == 1 && mode == ON_RED_ROLL_BACK ->
    atomic { d_step { said = 0; close_by_transition(a, t, DEV) } goto out }
  :: said == 2 && mode == ON_RED_ROLL_BACK ->
    atomic { d_step { said = 0; close_by_retry(a, t) } goto out }
  :: said != 0 && mode != ON_RED_ROLL_BACK ->
    atomic { was_red = (said == 1); goto out }
  :: said == 0
  fi;

  atomic { /* whichever step is open, before any other */
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

settle_retest: /* it may run again: rerun */
  atomic {
    true;
    d_step { step_finished(a, t, v, RETEST, false); follow_up(t) }
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
    :: troubles > 0 -> troubles--; look(t); goto block_it /* it cannot be ended, or its lock not be had */
    fi
  }
  atomic { /* the probe. Its no counts only where the process is shown to be gone */
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
      step_finished(a, t, v, MERGE, said == 1);
      place[t] = (place[t] == 1 + a -> 0 : place[t]);
      follow_up(t)
    }
    if
    :: !ok -> goto out
    :: ok && own_start && said == 0 -> ok = 0; look(t); goto step_failed
    :: else -> ok = 0; said = 0; own_start = 0
    fi
  }

steps:
  atomic {
    if
    :: version[t] != v || !LIVE(t) -> goto out
    :: (version[t] == v && LIVE(t)) && (done[t] & RETEST) -> goto merge
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
    d_step { step_finished(a, t, v, RETEST, said == 1); follow_up(t) }
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
  d_step { /* only now that it is durable it executes */
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
    :: said == EXIT_UNKNOWN -> /* its lock is given back first: only who gets it anew knows that nothing is left */
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
      step_finished(a, t, v, MERGE, said == EXIT_DONE);
      place[t] = (place[t] == 1 + a -> 0 : place[t]);
      follow_up(t)
    }
    if
    :: !ok -> goto out
    :: ok && said == EXIT_DONE -> ok = 0; said = 0; look(t)
    :: else -> ok = 0; said = 0; look(t); goto step_failed
    fi
  }

finish:
  atomic { true; d_step { close_by_transition(a, t, DONE) } goto out }

step_failed: /* back, unless an irreversible one before it stands */
  if
  :: COMMITTED(t) -> goto block_it
  :: !COMMITTED(t) && agent -> atomic { d_step { close_by_transition(a, t, DEV) } goto out }
  :: else -> goto block_it
  fi;

block_it:
  atomic { true; d_step { close_by_block(a, t) } goto out }

out:
  atomic { true; d_step { leave(a, t) } }
}

#define LOCALS \
  byte v, seen_attempt, ok, said; \
  bit runs, skip_gate, own_start, settles_outside, waits, was_red

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
  was_red = 0
}

/* Claims a job, runs its agent, and sees to it after the exit (daemon/work/executor_jobs.cc). */
proctype Monitor(byte me) {
  LOCALS;
  byte mine; /* the attempt */
#define T 0
end_idle:
  {
    atomic {
      job[T] == QUEUED && job_version[T] == version[T] && LIVE(T) && !blocked[T] && !cancel[T] ->
      job[T] = RUNNING;
      attempt[T]++;
      v = version[T];
      mine = attempt[T];
      exit_code[T] = RUNS_ON
    }
    atomic { /* RunExited */
      if
      :: said = ZERO
      :: troubles > 0 && !cancel[T] -> troubles--; said = FAILED
      :: cancel[T] -> said = FAILED
      fi;
      if
      :: MINE_RUNS(T, v, mine) -> exit_code[T] = said; worked[T] = worked[T] || said == ZERO
      :: else
      fi;
      said = 0
    }
see_to_it:
    waits = 0;
    atomic {
      if
      :: !MINE_RUNS(T, v, mine) -> goto over
      :: MINE_RUNS(T, v, mine) && ((cancel[T] && !COMMITTED(T)) || exit_code[T] == FAILED) -> goto end_it
      :: else
      fi;
      if
      :: version[T] == v && stage[T] == DEV -> skip /* its gate is asked, and takes its time */
      :: version[T] == v && stage[T] == SHIP -> goto guarded
      :: else -> goto end_it
      fi
    }
    atomic { d_step { look(T); close_by_transition(me, T, SHIP) } ok = 0 }
    goto end_it;

guarded:
    cross(me, T, ON_RED_ROLL_BACK);
    if
    :: waits -> goto see_to_it
    :: else
    fi;

end_it: /* what is still ours: by the retry rule; a late second end loses */
    atomic { true; d_step {
      if
      :: MINE_RUNS(T, v, mine) || (OFF_ATTEMPT && job[T] == RUNNING && job_version[T] == v) ->
        HOLDS(attempt[T] == mine, one_exit_per_claim);
        retry_rule(T, true)
      :: else
      fi;
      follow_up(T)
    } }
over:
    atomic { true; d_step { forget(); mine = 0 } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget(); mine = 0 } }
  goto end_idle
}

/* What the reaper proposes for the job it saw: JobReaped by tier 2. */
inline reap(t, result) {
  ok = MINE_RUNS(t, v, mine) &&
    (OFF_REAP_LEASE_HELD || (!(LEASED(t) && lease[t] != seen)));
  if
  :: ok ->
    if
    :: LEASED(t) && holder[t] != REAPER && (OFF_REAP_LEASE_HELD || lease[t] == seen) -> free_lease(t, IS_DEAD(holder[t]))
    :: LEASED(t) && holder[t] == REAPER && result != ZERO -> free_lease(t, true)
    :: else
    fi;
    if
    :: result == ZERO -> end_job(t)
    :: else -> retry_rule(t, true)
    fi
  :: else
  fi
}

/* One pass after the other (engine/policies/reaper.cc). Ages are not modelled: a grace or a ceiling may always have run out, the
 * ceiling under an owner that acts only so often. */
/* Time-outs end a step before the ttl of its repository's lease has run out. */
#define IN_TIME (!(open[0] == MERGE && starter[0] == repo_holder) && !(open[TASKS - 1] == MERGE && starter[TASKS - 1] == repo_holder))

proctype Reaper(byte me) {
  LOCALS;
  byte mine;
anew:
  {
    skip;
end_idle:
    do
    :: atomic { /* tier 2: it has exited, and no live owner finishes it */
        job[T] == RUNNING && exit_code[T] != RUNS_ON &&
          (OFF_REAPER_SEES_LEASE || ((!LEASED(T) || IS_DEAD(holder[T])))) ->
        v = job_version[T];
        mine = attempt[T];
        seen = lease[T];
        if
        :: exit_code[T] == FAILED -> goto retry
        :: exit_code[T] == ZERO && version[T] != v -> goto moved_on
        :: exit_code[T] == ZERO && version[T] == v && stage[T] == SHIP -> goto claim
        :: else -> goto plain
        fi
      }
    :: atomic { /* tier 3 */
        job[T] == RUNNING && (ceilings > 0 || (LEASED(T) && still[holder[T]])) ->
        d_step {
          ceilings = (LEASED(T) && still[holder[T]] -> ceilings : ceilings - 1);
          if
          :: LEASED(T) && job_version[T] == version[T] -> free_lease(T, true)
          :: else
          fi;
          retry_rule(T, true);
          follow_up(T)
        }
      }
    :: atomic { /* a lease whose owner is dead */
        LEASED(T) && IS_DEAD(holder[T]) -> seen = lease[T]
      }
      atomic {
        d_step {
          if
          :: LEASED(T) && (OFF_RECLAIM_TOKEN || lease[T] == seen) -> free_lease(T, lease[T] == seen)
          :: else
          fi;
          seen = 0;
          follow_up(T)
        }
      }
    :: atomic { /* a task's lease older than max_running_s, with no job */
        LEASED(T) && job[T] != RUNNING && holder[T] != me && (still[holder[T]] || ceilings > 0) ->
        d_step {
          ceilings = (still[holder[T]] -> ceilings : ceilings - 1);
          free_lease(T, true);
          follow_up(T)
        }
      }
    :: atomic { /* the repository's: its owner is dead, or its ttl ran out */
        !OFF_REPO_RECLAIM && repo_lease != 0 && (IS_DEAD(repo_holder) || still[repo_holder] || (expiries > 0 && (IN_TIME || OFF_TTL_BUDGET))) ->
        d_step {
          expiries = (IS_DEAD(repo_holder) || still[repo_holder] -> expiries : expiries - 1);
          free_repo(true)
        }
      }
    od;

retry:
    atomic { true; d_step { reap(T, FAILED); follow_up(T) } }
    goto over;

moved_on:
    atomic { true; d_step { reap(T, ZERO); follow_up(T) } }
    goto over;

plain: /* unguarded: the claim and the advance in one group */
    atomic {
      d_step {
        runs = !OFF_CLAIM_FIRST;
        seen_attempt = (OFF_CLAIM_FIRST -> 0 : mine);
        HOLDS(runs || MINE_RUNS(T, v, mine), claim_before_act);
        close_by_transition(me, T, SHIP)
      }
      goto over
    }

claim: /* the lease first */
    atomic {
      d_step {
        if
        :: LEASED(T) && lease[T] == seen ->
          was = lease[T];
          free_lease(T, IS_DEAD(holder[T]));
        :: else
        fi;
        acquire(me, T, true, false);
        if
        :: ok -> seen = token[me]; skip_gate = COMMITTED(T)
        :: else
        fi;
        follow_up(T)
      }
      if
      :: ok -> ok = 0
      :: else -> goto over
      fi
    }
    atomic {
      if
      :: said = ZERO
      :: !skip_gate && troubles > 0 -> troubles--; said = FAILED
      fi;
      skip_gate = 0
    }
    atomic {
      d_step { reap(T, said); follow_up(T) }
      if
      :: said == ZERO && ok -> said = 0; ok = 0; seen = 0
      :: said == ZERO && !ok && OFF_CLAIM_FIRST -> said = 0; seen = 0
      :: said == ZERO && !ok && !OFF_CLAIM_FIRST -> goto let_go
      :: said != ZERO && OFF_REAPER_RELEASES -> token[me] = 0; goto over
      :: said != ZERO && !OFF_REAPER_RELEASES -> goto let_go
      fi
    }
    cross(me, T, KNOWN_GREEN);
    goto over;

let_go:
    atomic { true; d_step { leave(me, T) } }
over:
    atomic { true; d_step { forget(); mine = 0; seen = 0 } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget(); mine = 0 } }
  goto anew
}

/* Drives on what nobody else does (engine/policies/reconciler.cc). */
proctype Reconciler(byte me, t) {
  LOCALS;
  bit reentered; /* a committed crossing */
end_idle:
  {
    atomic {
      LIVE(t) && !blocked[t] && !(job_version[t] == version[t] && (job[t] == QUEUED || job[t] == RUNNING)) &&
      (!cancel[t] || COMMITTED(t)) && !(LEASED(t) && !IS_DEAD(holder[t])) ->
      v = version[t];
      reentered = COMMITTED(t);
      if
      :: stage[t] == DEV -> goto unguarded
      :: else
      fi
    }
    cross(me, t, ON_RED_LEAVE);
    if
    :: was_red && agent -> goto queue
    :: else -> goto over
    fi;

unguarded: /* the gate shows whether the agent has done its work */
    if
    :: worked[t] -> atomic { true; d_step { look(t); close_by_transition(me, t, SHIP) } goto over }
    :: else
    fi;

queue:
    atomic { true; d_step {
      if
      :: LIVE(t) && version[t] == v && !blocked[t] && !cancel[t] &&
         !(job_version[t] == version[t] && (job[t] == QUEUED || job[t] == RUNNING)) ->
        HOLDS(!COMMITTED(t) || !(ASK_QUEUE || reentered), no_agent_in_committed);
        queue_job(t)
      :: else
      fi
    } }
over:
    atomic { true; d_step { forget(); reentered = 0 } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget(); reentered = 0 } }
  goto end_idle
}

/* An owner outside the daemon: it crosses by single calls, starts each step without a look at the journal, and knows
 * nothing of the locks of places. The daemon cannot see what it leaves behind. */
proctype Outside(byte me) {
  LOCALS;
  byte tried; /* the version that it has had its try at */
  if
  :: me == OUTSIDE2 ->
end_unborn:
    atomic { /* BootStarted, with the recovery of the boot of that name before it */
      deaths > 0 ->
      deaths--;
      d_step {
        stale[OUTSIDE] = 1;
        if
        :: LEASED(T) && holder[T] == OUTSIDE -> free_lease(T, true)
        :: else
        fi;
        if
        :: repo_lease != 0 && repo_holder == OUTSIDE -> free_repo(true)
        :: else
        fi;
        follow_up(T)
      }
    }
  :: else
  fi;
  {
    skip;
end_idle:
    atomic {
      LIVE(T) && stage[T] == SHIP && (worked[T] || !agent) && version[T] != tried ->
      v = version[T];
      d_step { acquire(me, T, true, exclusive) }
      if
      :: ok && !ASK_ORDER -> ok = 0
      :: ok && ASK_ORDER -> ok = 0; goto merge
      :: else -> ok = 0; v = 0; goto end_idle
      fi
    }
    atomic {
      d_step { step_started(me, T, v, RETEST) }
      if
      :: ok == 0 -> goto out
      :: ok == 2 -> ok = 0; goto merge
      :: else -> ok = 0
      fi
    }
    atomic {
      d_step { step_finished(me, T, v, RETEST, true); follow_up(T) }
      if
      :: ok -> ok = 0
      :: else -> goto out
      fi
    }
merge:
    atomic {
      true;
      d_step { step_started(me, T, v, MERGE) }
      if
      :: ok == 0 -> goto out
      :: ok == 2 -> ok = 0; goto finish
      :: else -> ok = 0
      fi
    }
    d_step { spawn(me, T, 1) }
    atomic {
      if
      :: MY_EXIT(0, me) -> reap_exit(0)
      :: MY_EXIT(1, me) -> reap_exit(1)
      fi
    }
    atomic {
      if
      :: said == EXIT_UNKNOWN -> goto out
      :: else -> d_step { step_finished(me, T, v, MERGE, said == EXIT_DONE); follow_up(T) } ok = 0
      fi
    }
finish: /* also where its merge has failed: what it does not know, it asks */
    atomic { true; d_step { transition(me, T, DONE, v); follow_up(T) } }
out:
    atomic { true; d_step { tried = v; leave(me, T); forget() } goto end_idle }
  }
  unless { atomic { dead[me] || still[me] -> forget() } }
}

/* It can be known once no process of the step lives, nor the owner who may yet start one; of a daemon's, by its lock. */
#define IS_OVER                                                                            \
  (process[0] != GOES && process[1] != GOES && PLACE_IS_FREE(T) &&                         \
   (starter[T] < OUTSIDE || dead[starter[T]] || started[starter[T]] != start[T]))

/* Cancels, and says what a blocked step has come to, once it can be known. */
proctype Operator() {
  byte ok;
  bit spoken;
end_idle:
  do
  :: atomic { /* CancelRequested */
      cancels > 0 && LIVE(T) ->
      d_step {
        cancels--;
        cancel[T] = 1;
        if
        :: job[T] == QUEUED -> job[T] = NO_JOB
        :: else
        fi;
        follow_up(T)
      }
    }
  :: atomic { /* StageTransition back, by hand */
      orders > 0 && stage[T] == SHIP ->
      d_step {
        orders--;
        transition(OPERATOR, T, DEV, version[T]);
        ok = 0;
        follow_up(T)
      }
    }
  :: atomic { /* [StepFinished(by operator), TaskUnblocked], or only the second */
      !spoken && blocked[T] && LIVE(T) && (open[T] != MERGE || IS_OVER || OFF_WORD_OF_KNOWLEDGE) ->
      d_step {
        spoken = 1;
        if
        :: open[T] == MERGE -> started[OPERATOR] = start[T]; step_finished(OPERATOR, T, version[T], MERGE, merges[T] > 0)
        :: else
        fi;
        ok = 0;
        blocked[T] = 0;
        follow_up(T)
      }
    }
  od
}

inline happen(n) {
  merges[process_task[n]]++;
  HOLDS(merges[process_task[n]] <= 1, effect_at_most_once);
  HOLDS(LIVE(process_task[n]), terminal_is_terminal);
  HOLDS(stage[process_task[n]] == SHIP && version[process_task[n]] == process_version[n] &&
          open[process_task[n]] == MERGE,
        effect_is_fenced)
}

inline exit(n, how) {
  if
  :: process_owner[n] == NOBODY -> process[n] = GONE; process_task[n] = 0; process_version[n] = 0; process_start[n] = 0; process_outside[n] = 0
  :: else -> process[n] = how
  fi
}

/* What the merge's commands do, whoever still waits for them. */
proctype Target() {
end_idle:
  do
  :: d_step { process[0] == GOES -> happen(0); exit(0, EXIT_DONE) }
  :: d_step { process[1] == GOES -> happen(1); exit(1, EXIT_DONE) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; happen(0); exit(0, EXIT_UNKNOWN) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; exit(0, EXIT_UNKNOWN) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; exit(0, EXIT_VOUCHED) }
  :: d_step { OFF_DURABLE && open[0] != 0 && !synced[0] -> synced[0] = 1 }
  od
}

inline orphan(n) {
  if
  :: process[n] != GONE && IN_DAEMON(process_owner[n]) ->
    if
    :: process[n] != GOES || (leftovers && !OFF_LEFTOVERS) ->
      process[n] = GONE; process_task[n] = 0; process_version[n] = 0; process_start[n] = 0; process_owner[n] = NOBODY
    :: else -> process_owner[n] = NOBODY
    fi
  :: else
  fi
}

/* kill -9 of the daemon, and its next boot; the death of the owner outside. Between the two of a daemon only the world
 * can act, and what that does comes to the same before as after. */
proctype Crash() {
  byte n;
end_idle:
  do
  :: d_step {
      crashes > 0 ->
      crashes--;
      orphan(0);
      orphan(1);
      n = 0;
      do
      :: n < OUTSIDE -> down[n] = (acts >> n) & 1; token[n] = 0; repo_token[n] = 0; started[n] = 0; n++
      :: else -> break
      od;
      seen = 0;
      n = 0;
      do
      :: n < tasks ->
        place[n] = 0;
        if
        :: OFF_DURABLE && open[n] != 0 && !synced[n] && IN_DAEMON(starter[n]) -> open[n] = 0; start[n] = 0; starter[n] = NOBODY
        :: else
        fi;
        recover(n);
        n++
      :: else -> break
      od;
      if
      :: repo_lease != 0 && IN_DAEMON(repo_holder) -> free_repo(true)
      :: else
      fi;
      n = 0
    }
  :: atomic {
      deaths > 0 && !dead[OUTSIDE] && !still[OUTSIDE] ->
      deaths--;
      if
      :: dead[OUTSIDE] = 1
      :: still[OUTSIDE] = 1 /* it lives, and does nothing any more */
      fi;
      if
      :: process_owner[0] == OUTSIDE -> process_owner[0] = NOBODY
      :: else
      fi;
      if
      :: process_owner[1] == OUTSIDE -> process_owner[1] = NOBODY
      :: else
      fi;
      token[OUTSIDE] = 0;
      repo_token[OUTSIDE] = 0;
      started[OUTSIDE] = 0
    }
  od
}

/* Everything that can move has moved. Then each task has ended, or is blocked with a reason. */
#define SETTLED(t) (!LIVE(t) || blocked[t])
#define ALL_SETTLED (SETTLED(0) && (tasks == 1 || SETTLED(1)))

proctype Quiet() {
  timeout -> HOLDS(ALL_SETTLED, all_settles)
}

ltl progress { <>[] ALL_SETTLED }

c_decl {
  \#include <stdlib.h>
  static int setting(const char* name) {
    const char* value = getenv(name);
    return value ? atoi(value) : 0;
  }
}

init {
  byte n;
  atomic {
    c_code {
      now.crashes = setting("CRASHES");
      now.deaths = setting("DEATHS");
      now.ceilings = setting("CEILINGS");
      now.expiries = setting("EXPIRIES");
      now.troubles = setting("TROUBLES");
      now.cancels = setting("CANCELS");
      now.orders = setting("ORDERS");
      now.off = setting("OFF");
      now.acts = setting("ACTS");
      now.tasks = setting("TASKS");
      now.agent = setting("AGENT");
      now.exclusive = setting("EXCLUSIVE");
      now.from_dev = setting("FROM_DEV");
      now.leftovers = setting("LEFTOVERS");
    };
    stage[1] = DONE;
    do
    :: n < tasks ->
      stage[n] = (from_dev -> DEV : SHIP);
      version[n] = 1;
      holder[n] = NOBODY;
      starter[n] = NOBODY;
      job[n] = (agent || from_dev -> QUEUED : NO_JOB);
      job_version[n] = 1;
      n++
    :: else -> break
    od;
    n = 0;
    repo_holder = NOBODY;
    process_owner[0] = NOBODY;
    process_owner[1] = NOBODY;
    if :: ACTS(MONITOR) -> run Monitor(MONITOR) :: else fi;
    if :: ACTS(MONITOR2) -> run Monitor(MONITOR2) :: else fi;
    if :: ACTS(REAPER) -> run Reaper(REAPER) :: else fi;
    if :: ACTS(DRIVER) -> run Reconciler(DRIVER, 0) :: else fi;
    if :: ACTS(DRIVER2) -> run Reconciler(DRIVER2, 1) :: else fi;
    if :: ACTS(OUTSIDE) -> run Outside(OUTSIDE) :: else fi;
    if :: ACTS(OUTSIDE2) -> run Outside(OUTSIDE2) :: else fi;
    run Operator();
    run Target();
    run Crash();
    if :: ACTS(DRIVER) -> run Quiet() :: else fi
  }
}
