/* The defences, each with what the documentation says of it, the world that it is taken out of, and what breaks then.
 * check_model reads this table: one that is taken out and breaks nothing is a failure of the model.
 */
#define OFF_VERSION (off == 1) /* §4 StageTransition: version_conflict | versions | stage_is_worked_on */
#define OFF_COMMITTED (off == 2) /* §8 StageTransition: committed | operator | delivered_means_merged */
#define OFF_OUTCOME_UNKNOWN_TRANSITION (off == 3) /* §4 StageTransition: outcome_unknown | daemon | one_open_step */
#define OFF_STEPS_UNFINISHED (off == 4) /* §4 StageTransition: steps_unfinished | outside | delivered_means_merged */
#define OFF_BLOCKED (off == 5) /* §4 while blocked nothing is leased, claimed or crossed | worker | blocked_stands_still */
#define OFF_LEASE_TRANSITION (off == 6) /* §4 StageTransition: lease_held, stale_token | daemon | nothing_moves_under_an_owner */
#define OFF_LEASE_HELD (off == 7) /* §4 LeaseAcquired: lease_held | daemon | owner_is_not_robbed */
#define OFF_TOKEN_PER_THREAD (off == 8) /* §4 two threads of one process are two owners | daemon | nothing_moves_under_an_owner */
#define OFF_RELEASE_TOKEN (off == 9) /* §4 LeaseReleased: stale_token | daemon | owner_is_not_robbed */
#define OFF_RECLAIM_TOKEN (off == 10) /* §4 LeaseReclaimed: stale_token | heir | owner_is_not_robbed */
#define OFF_ATTEMPT (off == 11) /* §4 JobFinished: stale_attempt | jobs | one_exit_per_claim */
#define OFF_REAP_LEASE_HELD (off == 12) /* §4 JobReaped: lease_held | worker | owner_is_not_robbed */
#define OFF_LEASE_STEP (off == 13) /* §4 StepStarted: lease_required, stale_token | outside | guarded_needs_its_lease */
#define OFF_ALREADY_DONE (off == 14) /* §4 StepStarted: already_done | outside | effect_at_most_once */
#define OFF_OUTCOME_UNKNOWN_STEP (off == 15) /* §4 StepStarted: outcome_unknown | outside | effect_at_most_once */
#define OFF_CANCEL_REQUESTED (off == 16) /* §4 StepStarted: cancel_requested | operator | cancel_is_heeded */
#define OFF_NOT_STARTED (off == 17) /* §4 StepFinished: not_started | outside | step_ends_once */
#define OFF_LEASE_BLOCK (off == 18) /* §4 TaskBlocked: stale_token | outside | nothing_moves_under_an_owner */
#define OFF_TERMINAL_CANCEL (off == 19) /* §4 TaskCancelled: terminal | operator | terminal_is_terminal */
#define OFF_STALE_BOOT (off == 20) /* §4 stale_boot | outside | no_holder_is_stale */
#define OFF_LEASE_BOOT (off == 21) /* §5 the leases of a stale boot are reclaimed with it | daemon | no_holder_is_stale */
#define OFF_LEFTOVERS (off == 22) /* §5 what is left over is ended before anything is claimed | repo | one_merge_per_repo */
#define OFF_REQUEUE_COMMITTED (off == 23) /* §6 retry rule: a committed crossing is not requeued | daemon | no_agent_in_committed */
#define OFF_REAPER_SEES_LEASE (off == 24) /* §6 deferred while a live owner holds the lease | daemon | owner_is_not_robbed */
#define OFF_CLAIM_FIRST (off == 25) /* §6 claim before act | versions | claim_before_act */
#define OFF_REAPER_RELEASES (off == 26) /* §7 who ends a path releases what it took | operator | all_settles */
#define OFF_REPO_LEASE_STEP (off == 27) /* §7 StepStarted carries repo_token | repo | one_merge_per_repo */
#define OFF_REPO_RECLAIM (off == 28) /* §7 the repository's lease of a dead owner is reclaimed | heir_of_repo | progress */
#define OFF_TTL_BUDGET (off == 29) /* §3 gate, steps and probes end before the ttl | repo | one_merge_per_repo */
#define OFF_DURABLE (off == 30) /* §8 StepStarted is durable before the command starts | daemon | effect_is_fenced */
#define OFF_FLOCK (off == 31) /* §8 the place's lock is had before the probe is asked | daemon | effect_at_most_once */
#define OFF_HELD_BEFORE_START (off == 32) /* §8 the lock is held before StepStarted | daemon | effect_at_most_once */
#define OFF_GONE (off == 33) /* §8 a probe's no counts only of a process that is gone | outside | delivered_means_merged */
#define OFF_UNKNOWN_BLOCKS (off == 34) /* §8 unknown is not no: it blocks | daemon | effect_at_most_once */
#define OFF_WORD_OF_KNOWLEDGE (off == 35) /* §8 --did-not is said of what is gone | outside | terminal_is_terminal */
#define OFF_GATE_ONCE (off == 36) /* §8 gates are not asked again once committed | daemon | no_agent_in_committed */
#define OFF_COMMITTED_CANCEL (off == 37) /* §9 a committed crossing is finished first | operator | terminal_is_terminal */
#define OFF_LEASE_CANCEL (off == 38) /* §9 deferred while a lease is live | operator | nothing_moves_under_an_owner */
#define OFF_SETTLE_LEASE (off == 39) /* §8 who settles a step that is left over holds the lease | outside | owner_is_not_robbed */

/* What is asked beyond the documentation, and answered with no (README.md). */
#define ASK_QUEUE (off == 101)   /* JobQueued while the crossing is committed | four | no_agent_in_committed */
#define ASK_ORDER (off == 103)   /* merge starts only once retest is done | outside | steps_in_order */
#define ASK_ORPHAN (off == 104)  /* a dead owner's merge keeps the repository | heir_of_repo | one_merge_per_repo */
