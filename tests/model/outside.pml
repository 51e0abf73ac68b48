/* Who acts outside the daemon: an owner of leases, and a worker that claims jobs. */

/* An owner outside the daemon: it crosses by single calls, starts each step without looking at the journal, and does
 * not use the locks of places. The daemon cannot see what it leaves behind. */
proctype Outside(byte me) {
  LOCALS;
  byte tried; /* the version that it has already tried */
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
      :: ok && !ASK_ORDER && !disorder -> ok = 0
      :: ok && ASK_ORDER -> ok = 0; goto merge
      :: ok && disorder -> ok = 0; goto announce
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
      d_step { step_finished(me, T, v, RETEST, HAPPENED); follow_up(T) }
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
    if
    :: atomic { falses > 0 -> falses--; goto mislead }
    :: true
    fi;
    atomic {
      if
      :: MY_EXIT(0, me) -> reap_exit(0)
      :: MY_EXIT(1, me) -> reap_exit(1)
      fi
    }
    atomic {
      if
      :: said == EXIT_UNKNOWN -> goto out
      :: else -> d_step { step_finished(me, T, v, MERGE, (said == EXIT_DONE -> HAPPENED : VOUCHED)); follow_up(T) } ok = 0
      fi
    }
    goto finish;
mislead: /* it reports that its merge failed, while the merge goes on; and, once that has ended, how */
    atomic {
      true;
      d_step {
        misled[T] = 1;
        false_start = started[me];
        false_version = v;
        step_finished(me, T, v, MERGE, VOUCHED);
        ok = 0;
        follow_up(T)
      }
    }
    if
    :: d_step { true -> release(me, T); follow_up(T) }
    :: true
    fi;
    atomic {
      if
      :: MY_EXIT(0, me) -> reap_exit(0)
      :: MY_EXIT(1, me) -> reap_exit(1)
      fi
    }
    atomic {
      true;
      d_step {
        if
        :: said == EXIT_DONE && doubt[T] == false_start && open[T] == 0 ->
          started[me] = false_start;
          doubt_ended(me, T, v, true)
        :: said == EXIT_DONE && !(doubt[T] == false_start && open[T] == 0) -> happened_late(T)
        :: else
        fi;
        follow_up(T);
        false_start = 0;
        false_version = 0;
        settled = 0;
        renewed = 0;
        said = 0;
        ok = 0
      }
      goto out
    }
announce:
    atomic {
      d_step { step_started(me, T, v, ANNOUNCE) }
      if
      :: ok == 1 -> ok = 0; d_step { step_finished(me, T, v, ANNOUNCE, HAPPENED); follow_up(T) }
      :: else
      fi;
      goto out
    }
finish: /* even if its merge has failed: the rules decide */
    atomic { true; d_step { transition(me, T, DONE, v); follow_up(T) } }
out:
    atomic { true; d_step { tried = v; leave(me, T); forget() } goto end_idle }
  }
  unless { atomic { dead[me] || still[me] -> forget() } }
}

/* A worker outside the daemon: it claims a job, reports its agent before the agent executes, and reports the exit. What
 * it leaves behind when it dies goes on. */
inline start_agent() {
  HOLDS(agent_of[T] == 0 && !ours[T], one_agent_at_a_time);
  theirs = 1;
  do
  :: theirs == agent_of[T] || theirs == previous[T] || theirs == saved_left -> theirs++
  :: else -> break
  od;
  reported[T] = theirs;
  agent_of[T] = theirs
}

proctype Worker(byte me) {
  byte v, mine, said;
end_idle:
  {
    atomic { CLAIMABLE(T) -> d_step { claim(T, 1); v = version[T]; mine = attempt[T] } }
    atomic {
      if
      :: MINE_RUNS(T, v, mine) ->
        d_step { start_agent() }
        if
        :: skip
        :: agent_of[T] = 0; reported[T] = 0 /* gone before the daemon could look: a process that is not found bars nothing */
        fi
      :: else -> goto over
      fi
    }
    atomic {
      agent_of[T] != theirs ->
      if
      :: said = ZERO
      :: troubles > 0 && !cancel[T] -> troubles--; said = FAILED
      :: cancel[T] -> said = FAILED
      fi;
      d_step {
        if
        :: MINE_RUNS(T, v, mine) ->
          HOLDS(job_outside[T] && (reported[T] == 0 || reported[T] == theirs), one_exit_per_claim);
          run_exited(T, said);
          call = 1
        :: else
        fi;
        said = 0
      }
    }
    if
    :: atomic { repeats > 0 && MINE_RUNS(T, v, mine) -> repeats--; call = 1 }
    :: true
    fi;
over:
    atomic { true; d_step { v = 0; mine = 0; said = 0; theirs = 0 } }
    goto end_idle
  }
  unless { atomic { down[me] -> d_step { down[me] = 0; v = 0; mine = 0; said = 0; theirs = 0 } } }
  goto end_idle
}

/* A party with the role work that says what it likes about another's merge: all can read the seq of its start. */
proctype Liar(byte me) {
  byte ok;
end_idle:
  do
  :: atomic {
      lies > 0 && open[T] == MERGE ->
      lies--;
      if
      :: d_step { started[me] = start[T]; step_finished(me, T, version[T], MERGE, VOUCHED); ok = 0; follow_up(T) }
      :: d_step { started[me] = start[T]; step_finished(me, T, version[T], MERGE, HAPPENED); ok = 0; follow_up(T) }
      fi
    }
  od
}
