/* Who may cross a guarded edge, and how often: leases, boots, versions, the journal of steps, the reaper, cancellation.
 *
 * One group that the sequencer decides is one atomic step here, as it is there; between two of them another actor, the
 * world or a crash can do anything. Each defence of the documentation has a switch, OFF_..., that removes it, to show
 * what it is good for. README.md beside this file says what is left out.
 *
 * The pipeline: dev -> ship -> done, ship rolls back to dev. ship -> done is guarded: retest (reversible), then merge
 * (irreversible, exclusive on the repository). done is terminal, so a merge happens once in a task's whole life.
 */

#include "defences.pml"

#define TASKS 2
#define ROLLBACKS 1 /* pipeline.max_rollbacks: one more blocks */
#define ATTEMPTS 2  /* job.max_attempts */

/* The properties. Each is always 0: its name in a failed assertion says which one broke. */
hidden byte effect_at_most_once, effect_is_fenced, terminal_is_terminal, delivered_means_merged, owner_is_not_robbed,
    nothing_moves_under_an_owner, guarded_needs_its_lease, no_holder_is_stale, one_open_step, no_agent_in_committed,
    stage_is_worked_on, one_exit_per_claim, one_merge_per_repo, cancel_is_heeded, blocked_stands_still, all_settles,
    steps_in_order, step_ends_once, claim_before_act, one_gate_at_a_time, nothing_moves_under_a_gate, one_finalization,
    dependent_waits, one_agent_at_a_time, no_gate_beside_what_is_left, finished_work_is_kept, failures_are_charged,
    nothing_beside_a_late_effect, nothing_follows_a_late_truth, model_is_sound;
#define HOLDS(condition, property) assert((condition) || property)

/* Actors. Each remembers the tokens granted to it; a new token is the smallest that none remembers. */
#define MONITOR 0
#define MONITOR2 1
#define REAPER 2
#define DRIVER 3  /* the reconciler */
#define DRIVER2 4 /* the same daemon, another task */
#define ASKED 5   /* an `advance` that a client requests */
#define OUTSIDE 6
#define OUTSIDE2 7 /* a later boot of the same name */
#define OPERATOR 8
#define WORKER 9  /* outside; claims jobs, and runs their agents */
#define LIAR 9    /* the same, when it lies about what is not its own */
#define HOLDERS 10 /* of tokens, and of starts */
#define ACTORS 10
#define NOBODY 10
#define IN_DAEMON(a) ((a) < OUTSIDE)
#define ACTS(a) ((acts >> a) & 1)

/* Stages of a task, of a job; how a run ended. */
#define DEV 0
#define SHIP 1
#define DONE 2
#define CANCELLED 3
#define NO_JOB 0
#define QUEUED 1
#define RUNNING 2
#define RUNS_ON 0
#define ZERO 1
#define FAILED 2
/* Steps: bits in `done`, values of `open`. */
#define RETEST 1
#define MERGE 2
#define ANNOUNCE 4 /* reversible; started only by an outside owner that ignores the order */
/* How a try of the merge ends, in the log. */
#define VOUCHED 0   /* failed: nothing happened, and nothing of this try is under way */
#define HAPPENED 1
#define PROBED_NO 2 /* did_not_happen, not conclusive: the place is in doubt */
#define WORD_NO 3   /* --did-not by an operator, who knows */
/* Processes of a merge. */
#define GONE 0
#define HANGS 1 /* it has sent its request, which is in the air, and gets no answer */
#define GOES 2
#define EXIT_DONE 3
#define EXIT_VOUCHED 4 /* a code in not_done_exit_codes */
#define EXIT_UNKNOWN 5
#define RUNS(n) (process[n] == GOES || process[n] == HANGS)
/* A request in the air. */
#define UNDER_WAY 1
#define OLD 2 /* its process was gone when the last try was recorded as ended: settle_s later it has landed, or never will */
#define DOOMED 15 /* a gate whose lease the ceiling has freed: it is being ended, and its answer is lost */
#define BUMP 8    /* of versions, at a restore */

/* What the log says. */
byte stage[TASKS], version[TASKS], rollbacks[TASKS], done[TASKS], open[TASKS], start[TASKS], starter[TASKS];
bit blocked[TASKS], cancel[TASKS];
byte job[TASKS], job_version[TASKS], attempt[TASKS], interrupted[TASKS], exit_code[TASKS];
byte doubt[TASKS];      /* the last try of the merge, if it has ended but it, or an earlier one, may still land */
bit vouched[TASKS];     /* and it ended with a vouch */
byte lease[TASKS], holder[TASKS]; /* the token, 0 for none, and its holder */
byte repo_lease, repo_holder;
bit job_outside[TASKS]; /* the worker's */
byte reported[TASKS];   /* its agent's process, from RunStarted until the owner reports its end; 0 for none */
byte previous[TASKS];   /* an agent's process that an attempt has left behind, until PreviousGone */
bit judged[TASKS];      /* its dependency has ended in a way that lets it begin, or an operator has */
bit restored_log;       /* LogRestored is in it */
bit restored[TASKS];    /* blocked until an operator has looked at the target */
bit rules2;             /* the rule of dependents is in force */
bit hold;               /* queue.cancelled_dependency */
bit stale[ACTORS]; /* of boots outside; the daemon's old actors are gone */

/* What the world knows. */
byte process[2], process_task[2], process_version[2], process_owner[2];
byte process_start[2];
bit process_outside[2];
byte air[2], air_task[2], air_version[2]; /* requests under way in the target, of tries that have ended or hang */
byte place[TASKS]; /* who in the daemon holds the lock of the merge's place, beside its process: 1 + actor */
byte merges[TASKS];
byte landed_as[TASKS]; /* the version under whose key it happened: again under that key does not count */
bit landed_late[TASKS]; /* from the air */
byte lost[TASKS]; /* versions up to this one belong to a lost future: no log fences what goes on there */
bit worked[TASKS];    /* an agent of this version ended with exit code 0 */
bit kept[TASKS];      /* and no gate has been red or in error since */
byte failures[TASKS]; /* agents of this job that ended with another exit code */
byte agent_of[TASKS]; /* the worker's agent that runs; 0 for none */
bit ours[TASKS];      /* an agent of the daemon's runs */
byte gate[TASKS];     /* 1 + the actor whose gate runs */
byte path[TASKS];     /* 1 + the actor of the daemon that has its path in hand */
byte hand[TASKS];     /* 1 + the monitor that handles the attempt: it runs, or waits */
bit call;             /* a worker's `exited` was accepted: a monitor must handle it */
bit told[TASKS];      /* an operator has cancelled it after a restore, because it had been delivered */
bit synced[TASKS];    /* only without the defence: the open start would survive a crash */
bit misled[TASKS];    /* an owner has reported its merge falsely: effects are not checked any further */
bit late_truth[TASKS]; /* reported as happened after all, and no operator has decided since */

/* The outside owner has reported that its merge failed, and the merge goes on. */
byte false_start, false_version; /* 0 for none; the owner knows them until it has reported how it ended */
bit settled; /* by the log: that start did not happen, beyond doubt */
bit renewed; /* and its place has been started again */

/* What the actors remember. */
byte token[HOLDERS], repo_token[HOLDERS], started[HOLDERS];
byte theirs; /* the worker's agent, as it knows it */
bit down[ACTORS], dead[ACTORS], still[ACTORS];
byte seen, seen_repo; /* the leases as the reaper saw them */

/* How often each thing may still go wrong; which world this is. Set by the first step, from the environment. */
byte crashes;  /* of the daemon */
byte deaths;   /* of the outside owner: it dies, or stops for ever, or a new boot has its name */
byte ceilings; /* max_running_s runs out under an owner that acts */
byte expiries; /* the ttl of a repository's lease runs out under an owner that acts */
byte troubles; /* a red gate, a gate in error, a failed step or agent, a lost exit code, a probe that does not know */
byte lates;    /* a request of the merge stays in the air when its process gets no answer */
byte cancels;
byte orders;    /* an operator moves the task by hand */
byte losses;    /* a monitor loses hold of an attempt that has exited */
byte asks;      /* a client requests `advance` */
byte ends;      /* the worker leaves or dies */
byte lies;      /* a party with the role work reports a result for a merge that is not its own */
byte falses;    /* the outside owner says that its merge failed, and the merge goes on */
byte repeats;   /* the worker repeats a report */
byte blocks;    /* an operator blocks the task */
byte flips;     /* of queue.cancelled_dependency */
byte restores;  /* 2: a copy of the log is still to be taken; 1: it may be put in place */
bit depends;    /* the first task on the second */
byte off;       /* which defence is removed, 0 for none */
short acts;     /* bit n: actor n acts */
byte tasks;     /* how many */
bit agent;      /* ship has one; otherwise the reconciler drives it */
bit exclusive;  /* merge needs the repository's lease */
bit disorder;   /* an outside owner starts announce, whatever the state of the merge */
bit from_dev;   /* the tasks begin on dev; otherwise on ship */
bit leftovers;  /* the next start can end them; otherwise they go on */

hidden byte fresh, was; /* scratch within one d_step */

/* The copy of the log of the first task. */
byte saved_stage, saved_version, saved_rollbacks, saved_done, saved_open, saved_start, saved_starter, saved_left;
byte saved_doubt;
bit saved_cancel, saved_worked, saved_vouched;

/* Whose gate shows that an agent has done its work. */
#define HAS_AGENT(t) ((agent && !(depends && t == 1)) || stage[t] == DEV)
#define LIVE(t) (stage[t] == DEV || stage[t] == SHIP)
#define COMMITTED(t) (COMMITTED_HARD(t) || doubt[t] != 0)
#define COMMITTED_HARD(t) ((done[t] & MERGE) || open[t] == MERGE)
#define COMMITTED_BUT(t, off) (COMMITTED_HARD(t) || (doubt[t] != 0 && !(off)))
#define LEASED(t) (lease[t] != 0)
#define EXITED_ZERO(t) (exit_code[t] == ZERO)
/* Nothing of a dependent begins before its dependency has ended; a cancelled one may hold it longer. Once judged, it is
 * no longer held. Every way in is held: a stage without an agent has no claim. */
#define DEPENDENCY_LIVES(t) (depends && t == 0 && rules2 && LIVE(1))
#define HELD(t) (depends && t == 0 && rules2 && stage[1] == CANCELLED && hold && !judged[t])
#define MAY_BEGIN(t) (COMMITTED(t) || !(DEPENDENCY_LIVES(t) || HELD(t)))
#define WAITS(t) (DEPENDENCY_LIVES(t) || (HELD(t) && !OFF_HOLD))
#define BARRED(t) (WAITS(t) && (!COMMITTED(t) || OFF_DEPENDENCY_COMMITTED))
#define BARRED_HERE(t) (BARRED(t) && !(OFF_HOLD_EVERYWHERE && HELD(t)))
/* The guards of one actor of the daemon against another are removed together with the one path, which would hide it. */
#define NO_ONE_PATH (OFF_ONE_PATH || OFF_TOKEN_PER_THREAD || OFF_HELD_BEFORE_START)
/* For a worker's attempt, the log knows; for the daemon's own, its keeper does. */
#define PREVIOUS_ALIVE(t) ((previous[t] != 0 && !OFF_PREVIOUS) || (ours[t] && !OFF_OUR_AGENT))
/* Nor does a path of the daemon begin beside it, except one that settles a committed crossing. */
#define PATH_IS_FREE(t)                                                        \
  ((path[t] == 0 || NO_ONE_PATH) && (previous[t] == 0 || COMMITTED(t) || OFF_PREVIOUS_PATH))
#define IS_DEAD(a) (dead[a] || stale[a])
#define PLACE_IS_FREE(t)                                                          \
  (place[t] == 0 && !(RUNS(0) && process_task[0] == t && !process_outside[0]) &&  \
   !(RUNS(1) && process_task[1] == t && !process_outside[1]))
#define IN_THE_AIR(t) ((air[0] != 0 && air_task[0] == t) || (air[1] != 0 && air_task[1] == t))
#define HANGS_OF(t) ((process[0] == HANGS && process_task[0] == t) || (process[1] == HANGS && process_task[1] == t))
/* settle_s may have passed since the end of the last try was recorded: once what it waits for is over. */
#define SETTLE_PASSED(t) (!(air[0] == OLD && air_task[0] == t) && !(air[1] == OLD && air_task[1] == t))

/* A token counts. Without OFF_TOKEN_PER_THREAD two threads of one process are two owners. */
#define COUNTS(a, t) (token[a] != 0 && (token[a] == lease[t] || (OFF_TOKEN_PER_THREAD && lease[t] != 0 && IN_DAEMON(a) && IN_DAEMON(holder[t]))))
#define OWNS(a, t) (token[a] == lease[t] && holder[t] == a)
#define REPO_COUNTS(a) (repo_token[a] != 0 && repo_token[a] == repo_lease)

inline draw() { /* a token that no actor remembers */
  fresh = 1;
  do
  :: fresh == token[0] || fresh == token[1] || fresh == token[2] || fresh == token[3] || fresh == token[4] ||
     fresh == token[5] || fresh == token[6] || fresh == token[7] || fresh == seen -> fresh++
  :: else -> break
  od;
  fresh = (OFF_BUMP && restored_log && token[OUTSIDE] != 0 -> token[OUTSIDE] : fresh)
}
inline draw_repo() {
  fresh = 1;
  do
  :: fresh == repo_token[0] || fresh == repo_token[1] || fresh == repo_token[2] || fresh == repo_token[3] ||
     fresh == repo_token[4] || fresh == repo_token[5] || fresh == repo_token[6] || fresh == repo_token[7] || fresh == seen_repo -> fresh++
  :: else -> break
  od
}
inline draw_start() {
  fresh = 1;
  do
  :: fresh == started[0] || fresh == started[1] || fresh == started[2] || fresh == started[3] || fresh == started[4] ||
     fresh == started[5] || fresh == started[6] || fresh == started[7] || fresh == false_start -> fresh++
  :: else -> break
  od
}

/* ---- The rules: checks in the order of the documentation, then changes that cannot fail. ---- */

inline free_lease(t, rightly) {
  HOLDS(rightly, owner_is_not_robbed);
  lease[t] = 0;
  holder[t] = NOBODY
}

inline free_repo(rightly) {
  HOLDS(rightly, owner_is_not_robbed);
  repo_lease = 0;
  repo_holder = NOBODY
}

inline enter_stage(t, to) {
  HOLDS(LIVE(t), terminal_is_terminal);
  HOLDS(open[t] == 0, one_open_step);
  if
  :: job[t] == QUEUED -> job[t] = NO_JOB
  :: else
  fi;
  stage[t] = to;
  version[t]++;
  done[t] = 0;
  open[t] = 0;
  start[t] = 0;
  starter[t] = NOBODY;
  doubt[t] = 0;
  vouched[t] = 0;
  worked[t] = 0;
  kept[t] = 0
}

/* The attempt ends without its owner's report that the agent has ended: the reported process may go on. */
inline drop_run(t, bars) {
  previous[t] = (reported[t] != 0 && bars -> reported[t] : previous[t]);
  reported[t] = 0
}

inline queue_job(t) { /* one row is enough: a job of an earlier version no longer matters */
  if
  :: HAS_AGENT(t) && !cancel[t] ->
    drop_run(t, !OFF_PREVIOUS_OF_TASK);
    attempt[t] = (job_version[t] == version[t] -> attempt[t] : 0); /* jobs have no ids here: attempts count on */
    interrupted[t] = attempt[t];
    job[t] = QUEUED;
    job_version[t] = version[t];
    job_outside[t] = 0;
    failures[t] = 0;
    exit_code[t] = RUNS_ON
  :: else
  fi
}

/* StageTransition by `a`, who saw version `v`; ok says whether it was accepted. */
inline transition(a, t, to, v) {
  ok = LIVE(t) &&
    (OFF_VERSION || (version[t] == v)) &&
    ((stage[t] == DEV && to == SHIP) || (stage[t] == SHIP && (to == DONE || to == DEV))) &&
    (OFF_COMMITTED || (!(COMMITTED_BUT(t, OFF_DOUBT_TRANSITION) && to != DONE))) &&
    (OFF_OUTCOME_UNKNOWN_TRANSITION || (open[t] == 0)) &&
    (OFF_STEPS_UNFINISHED || (!(to == DONE && (done[t] & (RETEST | MERGE)) != (RETEST | MERGE)))) &&
    (OFF_BLOCKED || (!blocked[t])) &&
    (OFF_DEPENDENCY_TRANSITION || to == DEV || !BARRED_HERE(t)) &&
    (OFF_LEASE_TRANSITION || ((COUNTS(a, t) || (token[a] == 0 && !LEASED(t) && to != DONE))));
  if
  :: ok ->
    HOLDS(!LEASED(t) || OWNS(a, t), nothing_moves_under_an_owner);
    HOLDS(to != DONE || (LEASED(t) && token[a] == lease[t]), guarded_needs_its_lease);
    HOLDS(!blocked[t], blocked_stands_still);
    HOLDS(!late_truth[t], nothing_follows_a_late_truth);
    HOLDS(gate[t] == 0 || gate[t] == DOOMED || gate[t] == 1 + a, nothing_moves_under_a_gate);
    HOLDS(to == DEV || MAY_BEGIN(t), dependent_waits);
    judged[t] = judged[t] || (depends && rules2 && to != DEV);
    HOLDS(to != DONE || merges[t] == 1 || misled[t], delivered_means_merged);
    HOLDS(to == DONE || merges[t] == 0 || misled[t], delivered_means_merged);
    HOLDS(to == DEV || worked[t] || !HAS_AGENT(t) || (restored_log && COMMITTED(t)), stage_is_worked_on);
    enter_stage(t, to);
    if
    :: to == DEV && rollbacks[t] == ROLLBACKS -> blocked[t] = 1
    :: else ->
      if
      :: to == DEV -> rollbacks[t]++
      :: else
      fi;
      if
      :: to != DONE -> queue_job(t)
      :: else
      fi
    fi
  :: else
  fi
}

/* LeaseAcquired on the task, unless `a` already holds it, and on its repository: one group. */
inline acquire(a, t, wants_task, wants_repo) {
  ok = !(wants_task && !(LIVE(t) && !blocked[t] && (!cancel[t] || COMMITTED(t)))) &&
    (OFF_DEPENDENCY_LEASE || !wants_task || !BARRED_HERE(t)) &&
    (OFF_LEASE_HELD || (!(wants_task && LEASED(t)))) &&
    !(wants_repo && repo_lease != 0) &&
    (OFF_STALE_BOOT || (!stale[a]));
  if
  :: ok ->
    HOLDS(!stale[a], no_holder_is_stale);
    if
    :: wants_task ->
      HOLDS(!LEASED(t) || IS_DEAD(holder[t]), owner_is_not_robbed);
      HOLDS(MAY_BEGIN(t), dependent_waits);
      HOLDS(!late_truth[t], nothing_follows_a_late_truth);
      judged[t] = judged[t] || (depends && rules2);
      draw();
      lease[t] = fresh;
      holder[t] = a;
      token[a] = fresh
    :: else
    fi;
    if
    :: wants_repo ->
      draw_repo();
      repo_lease = fresh;
      repo_holder = a;
      repo_token[a] = fresh
    :: else
    fi
  :: else
  fi
}

/* LeaseReleased for each lease that `a` took, one by one. */
inline release(a, t) {
  if
  :: token[a] != 0 && LEASED(t) && (OFF_RELEASE_TOKEN || token[a] == lease[t]) -> free_lease(t, OWNS(a, t))
  :: else
  fi;
  if
  :: REPO_COUNTS(a) -> free_repo(true)
  :: else
  fi;
  token[a] = 0;
  repo_token[a] = 0
}

/* StepStarted. `ok` is 2 if the step was already done. */
inline step_started(a, t, v, s) {
  ok = LIVE(t) && version[t] == v && stage[t] == SHIP &&
    (OFF_BLOCKED || (!blocked[t])) &&
    (OFF_CANCEL_REQUESTED || (!cancel[t] || COMMITTED_BUT(t, !OFF_DOUBT_CANCEL_REQUESTED))) &&
    (OFF_DEPENDENCY_STEP || !BARRED_HERE(t)) &&
    (OFF_LEASE_STEP || (COUNTS(a, t))) &&
    (OFF_REPO_LEASE_STEP || s != MERGE || !exclusive || REPO_COUNTS(a)) &&
    (OFF_STALE_BOOT || (!stale[a]));
  if
  :: ok && (done[t] & s) && !OFF_ALREADY_DONE -> ok = 2
  :: ok && (!(done[t] & s) || OFF_ALREADY_DONE) && open[t] != 0 && !OFF_OUTCOME_UNKNOWN_STEP -> ok = 0
  :: ok && !(done[t] & s) && open[t] == 0 && doubt[t] != 0 && s != MERGE && !OFF_DOUBT_STEP -> ok = 0
  :: else
  fi;
  if
  :: ok == 1 ->
    HOLDS(!blocked[t], blocked_stands_still);
    HOLDS(!cancel[t] || COMMITTED_HARD(t), cancel_is_heeded);
    HOLDS(LEASED(t) && COUNTS(a, t), guarded_needs_its_lease);
    HOLDS(MAY_BEGIN(t), dependent_waits);
    HOLDS(s != MERGE || (done[t] & RETEST), steps_in_order);
    HOLDS(s == MERGE || !IN_THE_AIR(t) || misled[t], nothing_beside_a_late_effect);
    HOLDS(!late_truth[t], nothing_follows_a_late_truth);
    renewed = renewed || (settled && s == MERGE && v == false_version);
    draw_start();
    open[t] = s;
    start[t] = fresh;
    starter[t] = a;
    started[a] = fresh;
    doubt[t] = (OFF_DOUBT_STICKS -> 0 : doubt[t]);
    synced[t] = 0
  :: else
  fi
}

/* For what is in the air, settle_s begins here. */
inline count_from_here(n, t) {
  air[n] = (air[n] != 0 && air_task[n] == t && !HANGS_OF(t) -> OLD : air[n])
}

/* A party that can know a step's result mostly knows its start too: the two checks are removed together. */
#define NO_KNOWER (OFF_KNOWER || OFF_NOT_STARTED)
/* It started the step; or it is the daemon, which runs probes; or the operator, who reports in another way. */
#define CAN_KNOW(a, t) (starter[t] == (a) || IN_DAEMON(a) || (a) == OPERATOR)

/* StepFinished for the start that `a` knows: a fact, so it does not need a lease. A no that is not a vouch leaves the
 * place in doubt, and a vouch covers only its own try. */
inline step_finished(a, t, v, s, how) {
  ok = LIVE(t) && version[t] == v && open[t] == s &&
    (OFF_NOT_STARTED || (start[t] == started[a])) &&
    (NO_KNOWER || CAN_KNOW(a, t));
  if
  :: ok ->
    HOLDS(start[t] == started[a], step_ends_once);
    if
    :: how == HAPPENED -> done[t] = done[t] | s
    :: else
    fi;
    if
    :: s == MERGE && how != HAPPENED && how != WORD_NO &&
       ((how == PROBED_NO && !OFF_FIRST_NO) || (doubt[t] != 0 && !(how == VOUCHED && OFF_DOUBT_VOUCH))) ->
      doubt[t] = start[t];
      vouched[t] = (how == VOUCHED);
      count_from_here(0, t);
      count_from_here(1, t)
    :: s == MERGE && !(how != HAPPENED && how != WORD_NO &&
       ((how == PROBED_NO && !OFF_FIRST_NO) || (doubt[t] != 0 && !(how == VOUCHED && OFF_DOUBT_VOUCH)))) ->
      doubt[t] = 0;
      vouched[t] = 0
    :: else
    fi;
    settled = settled || (start[t] == false_start && how != HAPPENED && doubt[t] == 0);
    open[t] = 0;
    start[t] = 0;
    starter[t] = NOBODY
  :: else
  fi;
  started[a] = 0
}

/* StepFinished(done) for a start settled as not happened: it is recorded, and the task is blocked. */
inline happened_late(t) {
  late_truth[t] = late_truth[t] || (LIVE(t) && settled);
  if
  :: LIVE(t) && settled && !OFF_LATE_TRUTH && !(renewed && OFF_LATE_EARLIER) ->
    done[t] = (version[t] == false_version && !renewed -> done[t] | MERGE : done[t]);
    blocked[t] = 1
  :: else
  fi
}

/* StepFinished for the last ended try of a place in doubt: the second no, or the late effect. */
inline doubt_ended(a, t, v, happened) {
  ok = LIVE(t) && version[t] == v && open[t] == 0 && doubt[t] != 0 &&
    doubt[t] == started[a] &&
    !(happened && OFF_LATE_YES);
  if
  :: ok ->
    doubt[t] = 0;
    vouched[t] = 0;
    if
    :: happened -> done[t] = done[t] | MERGE
    :: else -> settled = settled || started[a] == false_start
    fi
  :: else
  fi;
  started[a] = 0
}

/* The retry rule for a running job; `charged` is 0 if a restart interrupted it. `keeps`: no gate has found fault with
 * the work, so an exit code of 0 means done, and the reconciler runs the gate. */
inline retry_rule(t, charged, keeps) {
  if
  :: !(charged) -> interrupted[t]++
  :: else
  fi;
  drop_run(t, true);
  if
  :: !LIVE(t) || job_version[t] != version[t] || (EXITED_ZERO(t) && keeps) -> job[t] = NO_JOB
  :: !(EXITED_ZERO(t) && keeps) && LIVE(t) && job_version[t] == version[t] && COMMITTED(t) && !OFF_REQUEUE_COMMITTED -> job[t] = NO_JOB
  :: else ->
    if
    :: cancel[t] -> job[t] = NO_JOB
    :: !cancel[t] && attempt[t] - interrupted[t] < ATTEMPTS -> job[t] = QUEUED
    :: else -> job[t] = NO_JOB; blocked[t] = 1
    fi
  fi;
  exit_code[t] = RUNS_ON;
  HOLDS(!(COMMITTED(t) && job[t] == QUEUED), no_agent_in_committed)
}

/* TaskBlocked by an actor on the path. */
inline block(a, t, v) {
  ok = LIVE(t) && version[t] == v &&
    (OFF_LEASE_BLOCK || ((COUNTS(a, t) || (token[a] == 0 && !LEASED(t)))));
  if
  :: ok ->
    HOLDS(!LEASED(t) || OWNS(a, t), nothing_moves_under_an_owner);
    blocked[t] = 1
  :: else
  fi
}

/* The sequencer adds this at the end of a group: a cancellation that has become due. */
inline follow_up(t) {
  if
  :: cancel[t] &&
    (OFF_TERMINAL_CANCEL || (LIVE(t))) &&
    (OFF_COMMITTED_CANCEL || (!COMMITTED_BUT(t, OFF_DOUBT_CANCEL))) &&
    (OFF_LEASE_CANCEL || (!LEASED(t))) &&
    (OFF_RESTORED_CANCEL || (!restored[t])) &&
    job[t] != RUNNING ->
    HOLDS(LIVE(t), terminal_is_terminal);
    HOLDS(!LEASED(t), nothing_moves_under_an_owner);
    HOLDS(gate[t] == 0 || gate[t] == DOOMED, nothing_moves_under_a_gate);
    HOLDS(merges[t] == 0 || told[t] || misled[t], delivered_means_merged);
    open[t] = 0;
    enter_stage(t, CANCELLED);
    cancel[t] = 0;
    blocked[t] = 0
  :: else
  fi
}

/* BootStarted of the daemon, with the recovery of the boot before it, in one group. */
inline recover(t) {
  if
  :: LEASED(t) && IN_DAEMON(holder[t]) && !OFF_LEASE_BOOT -> free_lease(t, true)
  :: else
  fi;
  if
  :: job[t] == RUNNING && !job_outside[t] -> /* what has exited is charged; a worker's job is left alone */
    retry_rule(t, exit_code[t] == FAILED && !OFF_CHARGED_RESTART, !OFF_KEPT_RESTART)
  :: else
  fi;
  HOLDS(!(LEASED(t) && IN_DAEMON(holder[t])), no_holder_is_stale);
  follow_up(t)
}

/* At the ceiling: the task's lease is freed whoever owns it, and the gate that runs under it is ended. */
inline free_by_ceiling(t) {
  free_lease(t, true);
  gate[t] = (gate[t] != 0 -> DOOMED : 0)
}

#define CLAIMABLE(t)                                                                                             \
  (job[t] == QUEUED && job_version[t] == version[t] && LIVE(t) && !blocked[t] && !cancel[t] &&                   \
   (OFF_DEPENDENCY_CLAIM || !BARRED(t)) && !PREVIOUS_ALIVE(t))

/* JobClaimed. */
inline claim(t, outside) {
  HOLDS(MAY_BEGIN(t), dependent_waits);
  HOLDS(!late_truth[t], nothing_follows_a_late_truth);
  HOLDS(!kept[t], finished_work_is_kept);
  HOLDS(failures[t] < ATTEMPTS, failures_are_charged);
  HOLDS(outside || (agent_of[t] == 0 && !ours[t]), one_agent_at_a_time);
  judged[t] = judged[t] || (depends && rules2);
  job[t] = RUNNING;
  job_outside[t] = outside;
  attempt[t]++;
  exit_code[t] = RUNS_ON
}

/* RunExited, while the attempt runs. */
inline run_exited(t, how) {
  exit_code[t] = how;
  worked[t] = worked[t] || (how == ZERO && job_version[t] == version[t]);
  kept[t] = (how == ZERO && job_version[t] == version[t]);
  failures[t] = (how == FAILED -> failures[t] + 1 : failures[t]);
  reported[t] = 0
}

#include "path.pml"
#include "daemon.pml"
#include "outside.pml"
#include "world.pml"
