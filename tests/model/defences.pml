/* The defences, each with what the documentation says about it, the world it is removed from, and what breaks then.
 * check_model reads this table: if a defence is removed and nothing breaks, the model has failed.
 */
#define OFF_VERSION (off == 1) /* §4 StageTransition: version_conflict | versions | stage_is_worked_on */
#define OFF_COMMITTED (off == 2) /* §8 StageTransition: committed | operator | delivered_means_merged */
#define OFF_OUTCOME_UNKNOWN_TRANSITION (off == 3) /* §4 StageTransition: outcome_unknown | operator | one_open_step */
#define OFF_STEPS_UNFINISHED (off == 4) /* §4 StageTransition: steps_unfinished | outside | delivered_means_merged */
#define OFF_BLOCKED (off == 5) /* §4 while blocked nothing is leased, claimed or crossed | operator | blocked_stands_still */
#define OFF_LEASE_TRANSITION (off == 6) /* §4 StageTransition: lease_held, stale_token | asked | nothing_moves_under_an_owner */
#define OFF_LEASE_HELD (off == 7) /* §4 LeaseAcquired: lease_held | worker | owner_is_not_robbed */
#define OFF_TOKEN_PER_THREAD (off == 8) /* §4 two threads of one process are two owners | daemon | nothing_moves_under_an_owner */
#define OFF_RELEASE_TOKEN (off == 9) /* §4 LeaseReleased: stale_token | worker | owner_is_not_robbed */
#define OFF_RECLAIM_TOKEN (off == 10) /* §4 LeaseReclaimed: stale_token | heir | owner_is_not_robbed */
#define OFF_ATTEMPT (off == 11) /* §4 JobFinished: stale_attempt | jobs | one_exit_per_claim */
#define OFF_REAP_LEASE_HELD (off == 12) /* §4 JobReaped: lease_held | worker | owner_is_not_robbed */
#define OFF_LEASE_STEP (off == 13) /* §4 StepStarted: lease_required, stale_token | ceiling | guarded_needs_its_lease */
#define OFF_ALREADY_DONE (off == 14) /* §4 StepStarted: already_done | outside | effect_at_most_once */
#define OFF_OUTCOME_UNKNOWN_STEP (off == 15) /* §4 StepStarted: outcome_unknown | outside | effect_at_most_once */
#define OFF_CANCEL_REQUESTED (off == 16) /* §4 StepStarted: cancel_requested | operator | cancel_is_heeded */
#define OFF_NOT_STARTED (off == 17) /* §4 StepFinished: not_started | outside | step_ends_once */
#define OFF_LEASE_BLOCK (off == 18) /* §4 TaskBlocked: stale_token | ceiling | nothing_moves_under_an_owner */
#define OFF_TERMINAL_CANCEL (off == 19) /* §4 TaskCancelled: terminal | operator | terminal_is_terminal */
#define OFF_STALE_BOOT (off == 20) /* §4 stale_boot | outside | no_holder_is_stale */
#define OFF_LEASE_BOOT (off == 21) /* §5 the leases of a stale boot are reclaimed with it | daemon | no_holder_is_stale */
#define OFF_LEFTOVERS (off == 22) /* §5 leftovers are ended before anything is claimed | repo | one_merge_per_repo */
#define OFF_REQUEUE_COMMITTED (off == 23) /* §6 retry rule: a committed crossing is not requeued | daemon | no_agent_in_committed */
#define OFF_REAPER_SEES_LEASE (off == 24) /* §6 deferred while a live owner holds the lease | worker | owner_is_not_robbed */
#define OFF_CLAIM_FIRST (off == 25) /* §6 claim before act | claims | claim_before_act */
#define OFF_REAPER_RELEASES (off == 26) /* §7 ending a path releases what it took | operator | all_settles */
#define OFF_REPO_LEASE_STEP (off == 27) /* §7 StepStarted carries repo_token | repo | one_merge_per_repo */
#define OFF_REPO_RECLAIM (off == 28) /* §7 the repository's lease of a dead owner is reclaimed | heir_of_repo | progress */
#define OFF_TTL_BUDGET (off == 29) /* §3 gate, steps and probes end before the ttl | repo | one_merge_per_repo */
#define OFF_DURABLE (off == 30) /* §8 StepStarted is durable before the command starts | daemon | effect_is_fenced */
#define OFF_FLOCK (off == 31) /* §8 the place's lock is taken before the probe runs | daemon | effect_at_most_once */
#define OFF_HELD_BEFORE_START (off == 32) /* §8 the lock is held before StepStarted | daemon | effect_at_most_once */
#define OFF_GONE (off == 33) /* §8 a probe's no counts only for a process that is gone | outside | delivered_means_merged */
#define OFF_UNKNOWN_BLOCKS (off == 34) /* §8 unknown is not no: it blocks | late | delivered_means_merged */
#define OFF_WORD_OF_KNOWLEDGE (off == 35) /* §8 --did-not is only for a process that is gone | outside | terminal_is_terminal */
#define OFF_GATE_ONCE (off == 36) /* §8 gates do not run again once committed | daemon | no_agent_in_committed */
#define OFF_COMMITTED_CANCEL (off == 37) /* §9 a committed crossing is finished first | operator | terminal_is_terminal */
#define OFF_LEASE_CANCEL (off == 38) /* §9 deferred while a lease is live | operator | nothing_moves_under_an_owner */
#define OFF_SETTLE_LEASE (off == 39) /* §8 whoever settles a leftover step holds the lease | ceiling | owner_is_not_robbed */
#define OFF_LEASE_EVERY_EDGE (off == 40) /* §7 the path holds the task's lease, on an unguarded edge too | asked | nothing_moves_under_a_gate */
#define OFF_ONE_PATH (off == 41) /* §7 one path of a task at a time in the daemon | asked | one_gate_at_a_time */
#define OFF_IN_HAND (off == 42) /* §6 an attempt that the daemon has in hand is owned | workers | one_finalization */
#define OFF_CALL (off == 68) /* §7 a monitor handles the attempt that exited, not the one that runs by then | superseded | finished_work_is_kept */
#define OFF_DEPENDENCY_CLAIM (off == 43) /* §4 JobClaimed: dependency | dependents | dependent_waits */
#define OFF_DEPENDENCY_LEASE (off == 44) /* §4 LeaseAcquired: dependency | upgraded | dependent_waits */
#define OFF_DEPENDENCY_STEP (off == 45) /* §4 StepStarted: dependency | upgraded | dependent_waits */
#define OFF_DEPENDENCY_TRANSITION (off == 46) /* §4 StageTransition forward: dependency | upgraded_work | dependent_waits */
#define OFF_DEPENDENCY_COMMITTED (off == 47) /* §8 a committed crossing does not wait for a dependency | upgraded | all_settles */
#define OFF_HOLD (off == 48) /* §4 a cancelled dependency holds, if so set | dependents | dependent_waits */
#define OFF_HOLD_EVERYWHERE (off == 67) /* §4 held at the lease, the step and the transition too | held | dependent_waits */
#define OFF_PREVIOUS (off == 49) /* §4 JobClaimed: previous_alive | workers | one_agent_at_a_time */
#define OFF_PREVIOUS_RESTART (off == 50) /* §8 what was left behind is in the state, across restarts | workers | one_agent_at_a_time */
#define OFF_PREVIOUS_OF_TASK (off == 51) /* §8 it bars the task, not only its job | superseded | one_agent_at_a_time */
#define OFF_PREVIOUS_GONE (off == 52) /* §4 PreviousGone | workers | all_settles */
#define OFF_PREVIOUS_ENDED (off == 53) /* §8 the daemon ends what was left behind | workers | all_settles */
#define OFF_PREVIOUS_PATH (off == 58) /* §7 a path waits for what was left behind: previous_alive | workers_asked | no_gate_beside_what_is_left */
#define OFF_OUR_AGENT (off == 54) /* §8 leftovers are ended before anything is claimed | jobs | one_agent_at_a_time */
#define OFF_RESTORED_BLOCKS (off == 55) /* §5 a restore blocks live tasks | restored | effect_at_most_once */
#define OFF_BUMP (off == 56) /* §5 seqs of the lost future are not assigned again | restored | owner_is_not_robbed */
#define OFF_BUMP_VERSION (off == 57) /* §5 versions and jobs of the lost future are not assigned again | restored_jobs | one_agent_at_a_time */
#define OFF_RESTORED_WORD (off == 59) /* §5 unblock is only for a lost future that is over | restored | effect_at_most_once */
#define OFF_RESTORED_HAPPENED (off == 60) /* §5 a step can be reported as happened without a start | restored | effect_at_most_once */
#define OFF_RESTORED_CANCEL (off == 61) /* §9 after a restore, a cancel waits for the operator | restored_cancel | delivered_means_merged */
#define OFF_KEPT_WORKER (off == 62) /* §5 a worker's end leaves what has exited alone | workers | finished_work_is_kept */
#define OFF_KEPT_RESTART (off == 63) /* §5 a daemon's end makes exit 0 done | finished | finished_work_is_kept */
#define OFF_CHARGED_RESTART (off == 64) /* §5 and another exit a charged retry | finished | failures_are_charged */
#define OFF_KEPT_BLOCKED (off == 65) /* §6 exit 0 in a blocked task is done, not run again | finished | finished_work_is_kept */
#define OFF_KEPT_CEILING (off == 66) /* §6 the ceiling makes exit 0 done | asked | finished_work_is_kept */
#define OFF_FIRST_NO (off == 69) /* §8 a first no leaves the place in doubt | late | delivered_means_merged */
#define OFF_DOUBT_VOUCH (off == 70) /* §8 a vouch covers only its own try | late_crash | delivered_means_merged */
#define OFF_DOUBT_STICKS (off == 71) /* §8 doubt outlives a new start | late_crash | delivered_means_merged */
#define OFF_SECOND_TIMED (off == 72) /* §4 StepFinished: too_early | late | delivered_means_merged */
#define OFF_SECOND_ASKED (off == 73) /* §4 settle_s is over when the probe runs, not only when its answer is recorded | late | delivered_means_merged */
#define OFF_DOUBT_TRANSITION (off == 75) /* §8 in doubt no task leaves its stage: StageTransition: committed | late_cancel | delivered_means_merged */
#define OFF_DOUBT_CANCEL (off == 76) /* §9 in doubt no cancel is carried out | late_cancel | delivered_means_merged */
#define OFF_DOUBT_STEP (off == 77) /* §4 StepStarted for another step while in doubt | late_order | nothing_beside_a_late_effect */
#define OFF_DOUBT_CANCEL_REQUESTED (off == 78) /* §4 StepStarted in doubt: cancel_requested | late_cancel | cancel_is_heeded */
#define OFF_LATE_YES (off == 79) /* §4 StepFinished(done) is accepted for a place in doubt | late_cancel | progress */
#define OFF_KNOWER (off == 80) /* §8 only a party that can know a step's result reports it | liar | effect_at_most_once */
#define OFF_LATE_TRUTH (off == 81) /* §8 a done for a step settled as not happened blocks | late_truth | nothing_follows_a_late_truth */
#define OFF_LATE_EARLIER (off == 82) /* §8 the same if the step was started again since | late_truth | nothing_follows_a_late_truth */

/* Questions beyond the documentation, answered with no (README.md). */
#define ASK_QUEUE (off == 101)   /* JobQueued while the crossing is committed | four | no_agent_in_committed */
#define ASK_ORDER (off == 103)   /* merge starts only once retest is done | outside | steps_in_order */
#define ASK_ORPHAN (off == 104)  /* a dead owner's merge keeps the repository | heir_of_repo | one_merge_per_repo */
#define ASK_LATE_REPO (off == 105) /* a request in the air keeps the repository | late_repo | one_merge_per_repo */
