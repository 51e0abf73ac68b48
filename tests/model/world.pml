/* The surroundings: an operator, the target, crashes and restores; and the initial states. */

/* The result can be known once no process of the step lives (for a daemon's step: its lock is free), no owner lives
 * that may yet start one, and nothing of it is in the air. */
#define IS_OVER                                                                            \
  (!RUNS(0) && !RUNS(1) && PLACE_IS_FREE(T) && !IN_THE_AIR(T) &&                           \
   (starter[T] < OUTSIDE || starter[T] == NOBODY || dead[starter[T]] || started[starter[T]] != start[T]))

/* After a restore the result can be known once nothing of the lost future goes on: no step, no agent, no owner that may
 * yet start one. */
#define LOST_IS_OVER                                                                                            \
  (!RUNS(0) && !RUNS(1) && PLACE_IS_FREE(T) && !IN_THE_AIR(T) && agent_of[T] == 0 && started[OUTSIDE] == 0 &&     \
   started[OUTSIDE2] == 0)

/* Cancels, and reports the result of a blocked step once it can be known. */
proctype Operator() {
  byte ok, v;
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
  :: d_step { /* TaskBlocked by hand */
      blocks > 0 && LIVE(T) && !blocked[T] -> blocks--; block(OPERATOR, T, version[T]); ok = 0
    }
  :: atomic { orders > 0 && stage[T] == DEV && worked[T] -> orders--; v = version[T] } /* it looks */
    atomic { true; d_step { transition(OPERATOR, T, SHIP, v); ok = 0; v = 0; follow_up(T) } } /* and moves the task forward */
  :: d_step { /* CancelRequested for the dependency of the first task */
      depends && cancels > 0 && LIVE(1) -> cancels--; cancel[1] = 1; follow_up(1)
    }
  :: d_step { depends && flips > 0 -> flips--; hold = 1 - hold }
  :: d_step { depends && !rules2 -> rules2 = 1 } /* the upgrade, in the middle of everything */
  :: d_step { /* TaskUnblocked for a held task */
      HELD(T) && !spoken -> spoken = 1; judged[T] = 1
    }
  :: d_step { /* the decision after a restore, after a look at the target */
      restored[T] && blocked[T] && LIVE(T) && (LOST_IS_OVER || OFF_RESTORED_WORD) ->
      restored[T] = 0;
      if
      :: merges[T] > 0 && !OFF_RESTORED_HAPPENED && stage[T] == SHIP -> /* it has happened: does not need a start */
        done[T] = done[T] | MERGE;
        doubt[T] = 0;
        vouched[T] = 0;
        open[T] = 0;
        start[T] = 0;
        starter[T] = NOBODY;
        blocked[T] = 0
      :: merges[T] > 0 && !OFF_RESTORED_HAPPENED && stage[T] != SHIP -> cancel[T] = 1; told[T] = 1
      :: else ->
        if
        :: open[T] == MERGE ->
          open[T] = 0;
          start[T] = 0;
          starter[T] = NOBODY
        :: else
        fi;
        doubt[T] = 0;
        vouched[T] = 0;
        blocked[T] = 0
      fi;
      follow_up(T)
    }
  :: atomic { /* [StepFinished(by operator), TaskUnblocked], or only the second */
      !spoken && blocked[T] && !restored[T] && LIVE(T) && (open[T] != MERGE || IS_OVER || OFF_WORD_OF_KNOWLEDGE) ->
      d_step {
        spoken = 1;
        if
        :: open[T] == MERGE ->
          started[OPERATOR] = start[T];
          step_finished(OPERATOR, T, version[T], MERGE, (merges[T] > 0 -> HAPPENED : WORD_NO))
        :: else
        fi;
        ok = 0;
        blocked[T] = 0;
        late_truth[T] = 0;
        follow_up(T)
      }
    }
  :: atomic { /* StepFinished(by operator) for a place in doubt, blocked or not, with TaskUnblocked if blocked */
      !spoken && doubt[T] != 0 && open[T] == 0 && !restored[T] && LIVE(T) && (merges[T] > 0 || IS_OVER) ->
      d_step {
        spoken = 1;
        started[OPERATOR] = doubt[T];
        doubt_ended(OPERATOR, T, version[T], merges[T] > 0);
        ok = 0;
        blocked[T] = 0;
        late_truth[T] = 0;
        follow_up(T)
      }
    }
  od
}

/* It happens under a key, its version's, which the target accepts once. A try in doubt relies on that, and so does a
 * try whose place a late effect has settled. So the first effect comes while its crossing is committed; a later one, even
 * after the delivery, has no effect. */
inline happen(t, v) {
  if
  :: landed_as[t] == v
  :: else ->
    merges[t]++;
    landed_as[t] = v;
    HOLDS(merges[t] <= 1 || misled[t], effect_at_most_once);
    HOLDS(LIVE(t) || misled[t], terminal_is_terminal);
    HOLDS(misled[t] || v <= lost[t] || (stage[t] == SHIP && version[t] == v && COMMITTED(t)), effect_is_fenced)
  fi
}

inline happen_in_time(n) {
  HOLDS(process_version[n] <= lost[process_task[n]] || landed_as[process_task[n]] != process_version[n] || doubt[process_task[n]] != 0 ||
          landed_late[process_task[n]] || misled[process_task[n]],
        effect_at_most_once);
  happen(process_task[n], process_version[n])
}

inline happen_late(n) {
  landed_late[air_task[n]] = landed_late[air_task[n]] || landed_as[air_task[n]] != air_version[n];
  happen(air_task[n], air_version[n]);
  come_down(n)
}

inline come_down(n) {
  air[n] = 0;
  air_task[n] = 0;
  air_version[n] = 0
}

inline let_go(n) {
  was = (air[0] == 0 -> 0 : 1);
  HOLDS(air[was] == 0, model_is_sound);
  air[was] = UNDER_WAY;
  air_task[was] = process_task[n];
  air_version[was] = process_version[n];
  process[n] = HANGS
}

inline exit(n, how) {
  if
  :: process_owner[n] == NOBODY -> process[n] = GONE; process_task[n] = 0; process_version[n] = 0; process_start[n] = 0; process_outside[n] = 0
  :: else -> process[n] = how
  fi
}

/* What the merge's commands do, even if no actor waits for them. */
proctype Target() {
end_idle:
  do
  :: d_step { process[0] == GOES -> happen_in_time(0); exit(0, EXIT_DONE) }
  :: d_step { process[1] == GOES -> happen_in_time(1); exit(1, EXIT_DONE) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; happen_in_time(0); exit(0, EXIT_UNKNOWN) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; exit(0, EXIT_UNKNOWN) }
  :: d_step { process[0] == GOES && troubles > 0 -> troubles--; exit(0, EXIT_VOUCHED) }
  :: d_step { process[0] == GOES && lates > 0 -> lates--; let_go(0) }
  :: d_step { process[1] == GOES && lates > 0 -> lates--; let_go(1) }
  :: d_step { process[0] == HANGS -> exit(0, EXIT_UNKNOWN) }
  :: d_step { process[1] == HANGS -> exit(1, EXIT_UNKNOWN) }
  :: d_step { air[0] != 0 -> happen_late(0) }
  :: d_step { air[1] != 0 -> happen_late(1) }
  :: d_step { air[0] != 0 -> come_down(0) } /* it never lands */
  :: d_step { air[1] != 0 -> come_down(1) }
  :: d_step { agent_of[T] != 0 && agent_of[T] != previous[T] -> agent_of[T] = 0 }
  :: d_step { /* what was left behind may run for ever: the daemon ends it */
      agent_of[T] != 0 && agent_of[T] == previous[T] && !OFF_PREVIOUS_ENDED -> agent_of[T] = 0
    }
  :: d_step { /* PreviousGone: the daemon sees that the process is gone */
      previous[T] != 0 && agent_of[T] != previous[T] && !OFF_PREVIOUS_GONE -> previous[T] = 0
    }
  :: d_step { OFF_DURABLE && open[0] != 0 && !synced[0] -> synced[0] = 1 }
  od
}

inline orphan(n) {
  if
  :: process[n] != GONE && IN_DAEMON(process_owner[n]) ->
    if
    :: !RUNS(n) || (leftovers && !OFF_LEFTOVERS) ->
      process[n] = GONE; process_task[n] = 0; process_version[n] = 0; process_start[n] = 0; process_owner[n] = NOBODY
    :: else -> process_owner[n] = NOBODY
    fi
  :: else
  fi
}

inline daemon_ends() {
  orphan(0);
  orphan(1);
  n = 0;
  do
  :: n < OUTSIDE -> down[n] = (acts >> n) & 1; token[n] = 0; repo_token[n] = 0; started[n] = 0; n++
  :: else -> break
  od;
  n = 0;
  do
  :: n < tasks -> place[n] = 0; path[n] = 0; gate[n] = 0; hand[n] = 0; ours[n] = 0; n++
  :: else -> break
  od;
  call = 0;
  seen = 0;
  n = 0
}

/* kill -9 of the daemon, and its next boot; the death of the outside owner. Between kill and boot only the world can
 * act, and its actions have the same result before or after. */
proctype Crash() {
  byte n;
end_idle:
  do
  :: d_step {
      crashes > 0 ->
      crashes--;
      daemon_ends();
      do
      :: n < tasks ->
        previous[n] = (OFF_PREVIOUS_RESTART -> 0 : previous[n]);
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
      :: still[OUTSIDE] = 1 /* it lives, but never acts again */
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

/* BootEnded of the worker, with its recovery: the finalizer handles what has exited. */
proctype Leaving() {
end_idle:
  do
  :: d_step {
      ends > 0 ->
      ends--;
      down[WORKER] = 1;
      if
      :: job[T] == RUNNING && job_outside[T] && (exit_code[T] == RUNS_ON || OFF_KEPT_WORKER) -> retry_rule(T, false, false)
      :: else
      fi;
      follow_up(T)
    }
  od
}

/* A copy of the log is taken at some moment, and put back at a later one, with LogRestored. The world stays. */
proctype Restore() {
  byte n;
end_idle:
  do
  :: d_step {
      restores == 2 ->
      restores = 1;
      saved_stage = stage[T];
      saved_version = version[T];
      saved_rollbacks = rollbacks[T];
      saved_done = done[T];
      saved_open = open[T];
      saved_start = start[T];
      saved_starter = starter[T];
      saved_doubt = doubt[T];
      saved_vouched = vouched[T];
      saved_cancel = cancel[T];
      saved_worked = worked[T];
      saved_left = (previous[T] != 0 -> previous[T] : reported[T])
    }
  :: d_step {
      restores == 1 ->
      restores = 0;
      restored_log = 1;
      lost[T] = version[T];
      daemon_ends();
      stale[OUTSIDE] = 1;
      stale[OUTSIDE2] = 1;
      stage[T] = saved_stage;
      version[T] = saved_version + (OFF_BUMP_VERSION -> 0 : BUMP);
      rollbacks[T] = saved_rollbacks;
      done[T] = saved_done;
      open[T] = saved_open;
      start[T] = saved_start;
      starter[T] = saved_starter;
      doubt[T] = saved_doubt;
      vouched[T] = saved_vouched;
      cancel[T] = saved_cancel;
      worked[T] = saved_worked;
      kept[T] = 0;
      failures[T] = 0;
      previous[T] = saved_left;
      reported[T] = 0;
      job[T] = NO_JOB; /* the reconciler queues a new one, with an id that the lost future did not assign */
      job_version[T] = 0;
      job_outside[T] = 0;
      attempt[T] = 0;
      interrupted[T] = 0;
      exit_code[T] = RUNS_ON;
      lease[T] = 0;
      holder[T] = NOBODY;
      repo_lease = 0;
      repo_holder = NOBODY;
      blocked[T] = LIVE(T) && !OFF_RESTORED_BLOCKS;
      restored[T] = blocked[T];
      saved_stage = 0;
      saved_version = 0;
      saved_rollbacks = 0;
      saved_done = 0;
      saved_open = 0;
      saved_start = 0;
      saved_starter = 0;
      saved_doubt = 0;
      saved_vouched = 0;
      saved_cancel = 0;
      saved_worked = 0;
      saved_left = 0;
      follow_up(T)
    }
  od
}

/* Once everything that can move has moved, each task has ended, or is blocked with a reason. */
#define SETTLED(t) (!LIVE(t) || blocked[t] || (WAITS(t) && !COMMITTED(t) && (HELD(t) || blocked[1])))
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
      now.lates = setting("LATES");
      now.cancels = setting("CANCELS");
      now.losses = setting("LOSSES");
      now.asks = setting("ASKS");
      now.ends = setting("ENDS");
      now.repeats = setting("REPEATS");
      now.lies = setting("LIES");
      now.falses = setting("FALSES");
      now.blocks = setting("BLOCKS");
      now.flips = setting("FLIPS");
      now.restores = setting("RESTORES");
      now.depends = setting("DEPENDS");
      now.hold = setting("HOLD");
      now.rules2 = !setting("UPGRADE");
      now.orders = setting("ORDERS");
      now.off = setting("OFF");
      now.acts = setting("ACTS");
      now.tasks = setting("TASKS");
      now.agent = setting("AGENT");
      now.exclusive = setting("EXCLUSIVE");
      now.from_dev = setting("FROM_DEV");
      now.disorder = setting("DISORDER");
      now.leftovers = setting("LEFTOVERS");
    };
    stage[1] = DONE;
    do
    :: n < tasks ->
      stage[n] = (from_dev && !(depends && n == 1) -> DEV : SHIP);
      version[n] = 1;
      holder[n] = NOBODY;
      starter[n] = NOBODY;
      job[n] = (HAS_AGENT(n) -> QUEUED : NO_JOB);
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
    if :: ACTS(ASKED) -> run Asked(ASKED) :: else fi;
    if :: ACTS(REAPER) -> run Pass() :: else fi;
    if :: ACTS(WORKER) -> run Worker(WORKER) :: else fi;
    if :: ends > 0 -> run Leaving() :: else fi;
    if :: lies > 0 -> run Liar(LIAR) :: else fi;
    if :: restores > 0 -> run Restore() :: else fi;
    if :: ACTS(OUTSIDE) -> run Outside(OUTSIDE) :: else fi;
    if :: ACTS(OUTSIDE2) -> run Outside(OUTSIDE2) :: else fi;
    run Operator();
    run Target();
    run Crash();
    if :: ACTS(DRIVER) -> run Quiet() :: else fi
  }
}
