/* Who acts in the daemon: monitors, the reaper, the reconciler, a requested `advance`. */

/* Claims a job, runs its agent, and handles its exit, or a worker's (daemon/work/executor_jobs.cc). */
proctype Monitor(byte me) {
  LOCALS;
  byte mine; /* the attempt */
#define T 0
end_idle:
  {
    if
    :: atomic { CLAIMABLE(T) -> d_step { claim(T, 0); ours[T] = 1; v = version[T]; mine = attempt[T] } }
      atomic { /* RunExited */
        if
        :: said = ZERO
        :: troubles > 0 && !cancel[T] -> troubles--; said = FAILED
        :: cancel[T] -> said = FAILED
        fi;
        ours[T] = 0;
        if
        :: MINE_RUNS(T, v, mine) -> d_step { run_exited(T, said); said = 0 } hand[T] = 1 + me
        :: else -> goto over
        fi
      }
    :: atomic { /* a worker's exit was reported */
        call ->
        call = 0;
        if
        :: (hand[T] != 0 && !OFF_IN_HAND) || ((job[T] != RUNNING || exit_code[T] == RUNS_ON) && !OFF_CALL) -> goto end_idle
        :: else
        fi;
        HOLDS(hand[T] == 0, one_finalization);
        v = job_version[T];
        mine = attempt[T];
        hand[T] = 1 + me
      }
    fi;
end_see_to_it: /* it may have to wait for ever */
    atomic {
      (PATH_IS_FREE(T) && !BARRED(T)) || blocked[T] || !MINE_RUNS(T, v, mine) ||
        version[T] != v || (cancel[T] && !COMMITTED(T)) || exit_code[T] == FAILED || losses > 0 ->
      waits = 0;
      if
      :: losses > 0 -> losses--; goto over
      :: !MINE_RUNS(T, v, mine) -> goto over
      :: MINE_RUNS(T, v, mine) && ((cancel[T] && !COMMITTED(T)) || exit_code[T] == FAILED || blocked[T]) -> goto end_it
      :: MINE_RUNS(T, v, mine) && version[T] != v -> goto end_it
      :: MINE_RUNS(T, v, mine) && version[T] == v && !blocked[T] && exit_code[T] != FAILED &&
         !(cancel[T] && !COMMITTED(T)) && PATH_IS_FREE(T) && !BARRED(T)
      fi
    }
    cross(me, T, ON_RED_ROLL_BACK);
    if
    :: waits -> goto end_see_to_it
    :: else
    fi;

end_it: /* if it is still ours: the retry rule; a late second end loses */
    atomic { true; d_step {
      if
      :: MINE_RUNS(T, v, mine) || (OFF_ATTEMPT && job[T] == RUNNING && job_version[T] == v) ->
        HOLDS(attempt[T] == mine, one_exit_per_claim);
        retry_rule(T, true, !OFF_KEPT_BLOCKED)
      :: else
      fi;
      follow_up(T)
    } }
over:
    atomic { true; d_step { hand[T] = (hand[T] == 1 + me -> 0 : hand[T]); forget(); mine = 0 } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget(); mine = 0 } }
  goto end_idle
}

/* The reaper's proposal for the job it saw: JobReaped by tier 2. */
inline reap(t) {
  ok = MINE_RUNS(t, v, mine) &&
    (OFF_REAP_LEASE_HELD || (!(LEASED(t) && lease[t] != seen)));
  if
  :: ok ->
    if
    :: LEASED(t) && (OFF_REAP_LEASE_HELD || lease[t] == seen) -> free_lease(t, IS_DEAD(holder[t]))
    :: else
    fi;
    retry_rule(t, true, !OFF_KEPT_BLOCKED)
  :: else
  fi
}

/* No live party is finishing it: no path of the daemon, no owner of its lease. */
#define IN_HAND(t) ((hand[t] != 0 && !OFF_IN_HAND) || (path[t] != 0 && !NO_ONE_PATH))
#define NOT_OWNED(t) (!IN_HAND(t) && (OFF_REAPER_SEES_LEASE || !LEASED(t) || IS_DEAD(holder[t])))
#define SEEN(t) \
  v = job_version[t]; mine = attempt[t]; seen = lease[t]; \
  HOLDS(hand[t] == 0, one_finalization)

/* Jobs that have exited, and leases of the dead (engine/policies/reaper.cc). A grace may always have run out. */
proctype Reaper(byte me) {
  LOCALS;
  byte mine;
anew:
  {
    skip;
end_idle:
    do
    :: atomic { /* it failed, or cannot go on: the retry rule */
        job[T] == RUNNING && NOT_OWNED(T) &&
          (exit_code[T] == FAILED ||
           (EXITED_ZERO(T) && (version[T] != job_version[T] || blocked[T] || (cancel[T] && !COMMITTED(T))))) ->
        SEEN(T)
      }
      atomic { true; d_step { reap(T); follow_up(T); forget(); mine = 0; seen = 0 } }
    :: atomic { /* exit-zero rule: the path, from the claim of the lease */
        job[T] == RUNNING && EXITED_ZERO(T) && NOT_OWNED(T) && version[T] == job_version[T] && !blocked[T] &&
          !(cancel[T] && !COMMITTED(T)) && !BARRED(T) && PATH_IS_FREE(T) ->
        SEEN(T)
      }
      cross(me, T, BY_REAPER);
      atomic { true; d_step { forget(); mine = 0; seen = 0 } }
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
    od
  }
  unless { atomic { down[me] -> down[me] = 0; forget(); mine = 0 } }
  goto anew
}

/* Time-outs end a step before the ttl of its repository's lease runs out. */
#define IN_TIME (!(open[0] == MERGE && starter[0] == repo_holder) && !(open[TASKS - 1] == MERGE && starter[TASKS - 1] == repo_holder))

/* What the reaper's pass does at once, beside a slow exit-zero rule. A ceiling may run out at any time, but under an
 * acting owner only `ceilings` times. */
proctype Pass() {
end_idle:
  do
  :: d_step { /* tier 3 */
      job[T] == RUNNING && (ceilings > 0 || (LEASED(T) && still[holder[T]])) ->
      ceilings = (LEASED(T) && still[holder[T]] -> ceilings : ceilings - 1);
      if
      :: job_version[T] == version[T] && LEASED(T) -> free_by_ceiling(T)
      :: else
      fi;
      retry_rule(T, true, !OFF_KEPT_CEILING);
      follow_up(T)
    }
  :: d_step { /* a task's lease older than max_running_s, with no job */
      LEASED(T) && job[T] != RUNNING && (still[holder[T]] || ceilings > 0) ->
      ceilings = (still[holder[T]] -> ceilings : ceilings - 1);
      free_by_ceiling(T);
      follow_up(T)
    }
  :: d_step { /* the repository's: its owner is dead, or its ttl ran out */
      !OFF_REPO_RECLAIM && repo_lease != 0 && (IS_DEAD(repo_holder) || still[repo_holder] || (expiries > 0 && (IN_TIME || OFF_TTL_BUDGET))) ->
      expiries = (IS_DEAD(repo_holder) || still[repo_holder] -> expiries : expiries - 1);
      free_repo(true)
    }
  od
}

/* Drives what no other actor drives (engine/policies/reconciler.cc). */
proctype Reconciler(byte me, t) {
  LOCALS;
end_idle:
  {
    atomic {
      LIVE(t) && !blocked[t] && !(job_version[t] == version[t] && (job[t] == QUEUED || job[t] == RUNNING)) &&
      (!cancel[t] || COMMITTED(t)) && !(LEASED(t) && !IS_DEAD(holder[t])) && PATH_IS_FREE(t) && !BARRED_HERE(t) ->
      v = version[t]
    }
    cross(me, t, ON_RED_LEAVE);
    if
    :: was_red && HAS_AGENT(t) -> skip
    :: else -> goto over
    fi;

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
    atomic { true; d_step { forget() } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget() } }
  goto end_idle
}

/* `advance` over HTTP: a path like any other, even beside another. */
proctype Asked(byte me) {
  LOCALS;
end_idle:
  {
    atomic { asks > 0 && LIVE(T) && !blocked[T] && !BARRED(T) -> asks--; v = version[T] }
    cross(me, T, ON_RED_LEAVE);
    atomic { true; d_step { forget() } }
    goto end_idle
  }
  unless { atomic { down[me] -> down[me] = 0; forget() } }
  goto end_idle
}
