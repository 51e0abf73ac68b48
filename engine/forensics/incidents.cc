#include "engine/forensics/incidents.h"

#include <algorithm>

#include "engine/forensics/causes.h"

namespace pawl {
namespace {

/// How long a task that does not move by itself must have stood still to have ended badly.
constexpr std::int64_t stands_s = 1800;
/// The same for one that waits its turn, or for a lease.
constexpr std::int64_t waits_s = 5400;
/// How many bad ends of one cause are named in its sentence.
constexpr std::size_t ends_named_max = 3;

std::string named(const TaskTerm& task) {
  return "task " + std::to_string(raw(task.id)) + (task.work_item.empty() ? "" : " (" + task.work_item + ")");
}

/// ", its agent ended with exit code 1" or ", its gate was in error: timed out" for a block that came of it.
std::string end_in_words(const TaskTerm& task, const BlockTerm& block) {
  constexpr std::int64_t not_found = 127;  // what a shell says
  for (const AttemptTerm& attempt : task.attempts) {
    if (attempt.ended.seq != block.at.seq || !attempt.exited) continue;
    if (attempt.exit_code == 0) return attempt.gate.empty() ? "" : ", its gate was " + attempt.gate;
    return ", its agent ended with exit code " + std::to_string(attempt.exit_code) +
           (attempt.exit_code == not_found ? " (a command was not found)" : "");
  }
  return "";
}

class Search {
 public:
  Search(const History& history, const State& end, const Findings& found)
      : history_(history), end_(end), found_(found), causes_(history) {}

  Incidents run() {
    find_blocks();
    find_hangs();
    find_overlaps();
    find_stops();
    find_twins();
    find_false_reports();
    explain_findings();
    find_dispossessed();
    find_words();
    return finish();
  }

 private:
  struct Case {
    Cause cause;
    std::vector<BadEnd> ends;
    std::set<Seq> chain;
  };

  enum class Listed { yes, no };  // among what ended badly: what is a finding by itself is not

  void add(const Cause& cause, BadEnd end, const std::vector<Seq>& more = {}, Listed listed = Listed::yes) {
    end.cause = cause.at.seq;
    const bool was_outlived = cause.is_mischance && end.is_outlived;
    if (cause.is_own() || was_outlived) {
      end.why = cause.words;
    } else {
      Case& found = cases_[cause.at.seq];
      if (found.cause.is_own()) found.cause = cause;
      found.chain.insert(cause.chain.begin(), cause.chain.end());
      found.chain.insert(more.begin(), more.end());
      if (end.at.seq != cause.at.seq && end.at) found.chain.insert(end.at.seq);
      found.ends.push_back(end);
    }
    if (listed == Listed::yes) ended_.push_back(std::move(end));
  }

  void find_blocks() {
    for (const auto& [id, task] : history_.tasks()) {
      for (const BlockTerm& block : task.blocks) {
        add(causes_.of_block(task, block),
            {.task = id,
             .work_item = task.work_item,
             .at = block.at,
             .words = named(task) + " was blocked: " + block.reason + end_in_words(task, block),
             .why = {},
             .let_go = block.let_go,
             .is_outlived = static_cast<bool>(block.let_go)});
      }
    }
  }

  void find_hangs() {
    const TimeUs now = end_.last_time;
    for (const auto& [id, task] : end_.tasks.rows()) {
      if (is_terminal(task.stage) || !task.blocked.empty()) continue;
      std::optional<Stuck> stuck = why_stuck(end_, task, now, {});
      if (!stuck) continue;
      const bool is_planned = stuck->reason == name(Outcome::held) && stuck->until;
      if (is_planned) continue;  // someone said until when, and it will be over by itself
      if (stuck->owner && stuck->owner_boot && stuck->owner_boot->stale)
        *stuck = judge_owner(std::move(*stuck), Liveness::dead);
      const TimeUs since = stuck->since.value_or(task.entered);
      const bool is_patient = stuck->standing == Standing::waits || stuck->reason == stuck_reason::lease ||
                              stuck->reason == stuck_reason::unclaimed || stuck->reason == stuck_reason::approval;
      if (age_s(since, now) < (is_patient ? waits_s : stands_s)) continue;
      const TaskTerm* term = history_.task(id);
      BadEnd end{.task = id,
                 .work_item = task.work_item,
                 .at = term ? term->entered : Mark{},
                 .reason = stuck->reason,
                 .words = (term ? named(*term) : "task " + std::to_string(raw(id))) + " has stood still since " +
                          rfc3339(since) + ": " + stuck->detail,
                 .why = {},
                 .let_go = {}};
      add(causes_.of_hang(end_, task, *stuck, now), std::move(end));
    }
  }

  /// Two exclusive steps of one repository at the same time.
  void find_overlaps() {
    struct Placed {
      const TaskTerm* task;
      const StepTerm* step;
    };
    std::map<std::string, std::vector<Placed>> by_repo;
    for (const auto& [id, task] : history_.tasks()) {
      for (const StepTerm& step : task.steps) {
        if (step.exclusive) by_repo[task.repo].push_back({&task, &step});
      }
    }
    for (auto& [repo, steps] : by_repo) {
      std::sort(steps.begin(), steps.end(), [](const Placed& left, const Placed& right) {
        return left.step->started.seq < right.step->started.seq;
      });
      for (std::size_t i = 0; i < steps.size(); ++i) {
        for (std::size_t j = i + 1; j < steps.size(); ++j) {
          const StepTerm& first = *steps[i].step;
          const StepTerm& second = *steps[j].step;
          if (first.ended && first.ended.seq < second.started.seq) break;
          if (steps[i].task == steps[j].task) continue;
          Cause cause = cause_of_loss(repo_key(repo), first.started.seq, second.started.seq);
          const BootTerm* boot = history_.boot(first.boot);
          const bool is_left_behind = boot && boot->is_daemon && boot->ended && boot->ended.seq < second.started.seq;
          // Without ownership a step needs no lease that could be lost.
          if (cause.is_own() && !is_left_behind) cause = causes_.of_unchecked(repo, second.started.seq);
          if (cause.is_own())
            continue;  // its lease was not taken from it: the step was left behind, and is settled by its probe
          add(cause,
              {.task = steps[j].task->id,
               .work_item = steps[j].task->work_item,
               .at = second.started,
               .words = "'" + first.step + "' of " + named(*steps[i].task) + " and '" + second.step + "' of " +
                        named(*steps[j].task) + " ran in '" + repo + "' at the same time",
               .why = {},
               .let_go = {}},
              {first.started.seq});
        }
      }
    }
  }

  /// How the lease that covered `from` was lost before `to`, under a live owner.
  Cause cause_of_loss(const std::string& key, Seq from, Seq to) const {
    for (const LeaseTerm& term : history_.terms(key)) {
      const bool covers = term.taken.seq <= from && term.ended && term.ended.seq > from && term.ended.seq <= to;
      if (!covers || term.end == LeaseTerm::End::released) continue;
      // What a daemon leaves behind is ended before its next start frees the lease. Of another owner that was taken for
      // dead, only an act of it shows that it was not.
      const BootTerm* boot = history_.boot(term.owner.boot_id);
      const bool is_daemon_gone = boot && boot->is_daemon && boot->ended && boot->ended.seq <= term.ended.seq;
      const bool is_by_death = term.end == LeaseTerm::End::reclaimed && (term.reason == fb::ReclaimReason::owner_dead ||
                                                                         term.reason == fb::ReclaimReason::stale_boot);
      const bool was_alive = term.acted_after || (boot && boot->acted_after);
      if (is_daemon_gone || (is_by_death && !was_alive)) return {};
      return causes_.of_lost_lease(term);
    }
    return {};
  }

  /// Owners that lost a lease and went on; of one that was released by force only where harm came of it. Call it last.
  void find_dispossessed() {
    for (const auto& [key, terms] : history_.leases()) {
      for (const LeaseTerm& term : terms) {
        if (!term.went_on) continue;
        const bool is_forced = term.end == LeaseTerm::End::reclaimed && term.reason == fb::ReclaimReason::forced;
        const bool is_run_out =
            term.end == LeaseTerm::End::taken_over ||
            (term.end == LeaseTerm::End::reclaimed && term.reason == fb::ReclaimReason::ttl_expired);
        if (!is_forced && !is_run_out) continue;
        const TaskId id = task_of_key(key).value_or(TaskId{0});
        const TaskTerm* task = history_.task(id);
        const Cause cause = causes_.of_lost_lease(term);
        if (is_forced && !cases_.contains(cause.at.seq)) continue;  // a person meant it, and fencing kept off the harm
        add(cause, {.task = id,
                    .work_item = task ? task->work_item : "",
                    .at = term.went_on,
                    .words = term.owner.actor + " had lost the lease '" + key + "' and went on",
                    .why = {},
                    .let_go = {}});
      }
    }
  }

  /// A task that was stopped in the middle of a crossing, and whose work item came again.
  void find_stops() {
    for (const auto& [id, task] : history_.tasks()) {
      if (!task.cancel_requested || !task.was_committed) continue;
      for (const auto& [other_id, other] : history_.tasks()) {
        if (other_id <= id || other.work_item != task.work_item || other.repo != task.repo) continue;
        const auto again = std::find_if(other.steps.begin(), other.steps.end(), [&](const StepTerm& step) {
          return step.irreversible && std::any_of(task.steps.begin(), task.steps.end(), [&](const StepTerm& earlier) {
                   return earlier.irreversible && earlier.step == step.step;
                 });
        });
        if (again == other.steps.end()) continue;
        add({.at = task.cancel_requested,
             .words = named(task) + " was to be cancelled in the middle of a crossing",
             .chain = {other.created.seq}},
            {.task = other_id,
             .work_item = other.work_item,
             .at = again->started,
             .words = named(other) + ", the same work item, began '" + again->step + "' again",
             .why = {},
             .let_go = {}});
      }
    }
  }

  /// Two machines of one name that keep making each other stale.
  void find_twins() {
    for (const auto& [name, ids] : history_.names()) {
      const Mark twins = causes_.twins_of(name);
      if (!twins) continue;
      std::size_t changes = 0;
      Mark last;
      for (std::size_t i = 1; i < ids.size(); ++i) {
        const BootTerm& boot = *history_.boot(ids[i]);
        const BootTerm& before = *history_.boot(ids[i - 1]);
        if (boot.host == before.host) continue;
        const bool is_back = std::any_of(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](const std::string& id) { return history_.boot(id)->host == boot.host; });
        if (!is_back && host_name(boot) == host_name(before)) continue;  // the same machine, started again
        ++changes;
        last = boot.started;
      }
      if (changes < 3) continue;
      add({.at = twins,
           .words = "from here on two machines use the name '" + name + "', and each makes the other stale"},
          {.task = {},
           .work_item = {},
           .at = last,
           .words = "the boots of '" + name + "' changed their host " + std::to_string(changes) + " times",
           .why = {},
           .let_go = {}});
    }
  }

  void find_false_reports() {
    for (const auto& [id, task] : history_.tasks()) {
      for (const AttemptTerm& attempt : task.attempts) {
        const BootTerm* reporter = attempt.exited ? history_.boot(attempt.exited_by) : nullptr;
        if (!reporter || attempt.exited_by == attempt.owner.boot_id || reporter->is_daemon) continue;
        add({.at = attempt.exited,
             .words = "'" + reporter->name + "' reported the exit of job " + std::to_string(raw(attempt.job)) +
                      ", which another owner runs",
             .chain = {attempt.claimed.seq}},
            {.task = id,
             .work_item = task.work_item,
             .at = attempt.ended ? attempt.ended : attempt.exited,
             .words = named(task) + " went on by that report",
             .why = {},
             .let_go = {}});
      }
    }
  }

  /// What else was found has causes, too.
  void explain_findings() {
    for (const Finding& finding : found_) {
      Cause cause = cause_of(finding);
      if (cause.is_own()) continue;
      std::vector<Seq> chain = finding.led_by;
      chain.push_back(finding.seq);
      chain.insert(chain.end(), finding.followed_by.begin(), finding.followed_by.end());
      const TaskTerm* task = history_.task(finding.task);
      add(cause,
          {.task = finding.task,
           .work_item = task ? task->work_item : "",
           .at = {finding.seq, {}},
           .words = finding.what,
           .why = {},
           .let_go = {}},
          chain, Listed::no);
    }
  }

  Cause cause_of(const Finding& finding) const {
    if (finding.kind == Finding::Kind::unchecked || finding.kind == Finding::Kind::divergence) return {};
    for (const Seq seq : finding.led_by) {
      if (Cause cause = causes_.setting_at(seq); !cause.is_own()) return cause;
    }
    if (finding.kind == Finding::Kind::violation && finding.invariant == 6 && finding.led_by.size() == 2) {
      return cause_of_false_no(finding.task, finding.led_by[0], finding.led_by[1]);
    }
    if (finding.kind != Finding::Kind::reaped_alive) return {};
    if (const TaskTerm* task = history_.task(finding.task)) {
      for (const AttemptTerm& attempt : task->attempts) {
        if (attempt.ended.seq == finding.seq) return causes_.of_reap(*task, attempt);
      }
    }
    for (const auto& [key, terms] : history_.leases()) {
      for (const LeaseTerm& term : terms) {
        if (term.ended.seq == finding.seq) return causes_.of_lost_lease(term);
      }
    }
    return {};
  }

  /// A step that was settled as not happened, and had happened.
  Cause cause_of_false_no(TaskId id, Seq started, Seq settled) const {
    const TaskTerm* task = history_.task(id);
    if (!task) return {};
    for (const StepTerm& step : task->steps) {
      if (step.started.seq != started) continue;
      return {.at = {settled, {}}, .words = said_not_happened(step) + ", and it had", .chain = {started}};
    }
    return {};
  }

  /// An irreversible step that was begun again, since a probe or a person said that it had not happened. Unless a late
  /// report contradicts that, the log cannot show whether it was so.
  void find_words() {
    for (const auto& [id, task] : history_.tasks()) {
      for (std::size_t i = 0; i < task.steps.size(); ++i) {
        const StepTerm& first = task.steps[i];
        const bool is_word = first.irreversible && first.ended && first.by != fb::StepBy::command &&
                             first.outcome == fb::StepOutcome::did_not_happen;
        if (!is_word || cases_.contains(first.ended.seq)) continue;
        if (first.disproved) {
          add({.at = first.denied, .words = said_not_happened(first) + ", and it had", .chain = {first.started.seq}},
              {.task = id,
               .work_item = task.work_item,
               .at = first.disproved,
               .words = named(task) + ": " + first.actor + ", which had begun '" + first.step +
                        "' and was refused by then, reported that it was done",
               .why = {},
               .let_go = {}});
          continue;
        }
        const auto again =
            std::find_if(task.steps.begin() + static_cast<std::ptrdiff_t>(i) + 1, task.steps.end(),
                         [&](const StepTerm& step) { return step.step == first.step && step.to == first.to; });
        if (again == task.steps.end()) continue;
        const std::string who = first.by == fb::StepBy::operator_ ? "a person" : "its probe";
        words_.push_back(
            {.kind = Finding::Kind::taken_on_word,
             .seq = first.ended.seq,
             .what = named(task) + ": " + who + " said that '" + first.step + "', begun by record " +
                     std::to_string(raw(first.started.seq)) +
                     ", had not happened, and it was begun again; if its effect is there twice, this word is the cause",
             .task = id,
             .led_by = {first.started.seq},
             .followed_by = {again->started.seq}});
      }
    }
  }

  Incidents finish() {
    Incidents result;
    for (auto& [seq, found] : cases_) {
      Finding finding{
          .kind = Finding::Kind::incident, .seq = seq, .what = found.cause.words, .task = found.ends.front().task};
      std::set<std::string> said;
      std::size_t more = 0;
      for (const BadEnd& end : found.ends) {
        if (said.size() == ends_named_max) {
          if (!said.contains(end.words)) ++more;
          continue;
        }
        if (said.insert(end.words).second) finding.what += "; " + end.words;
      }
      if (more > 0) finding.what += "; and " + std::to_string(more) + " more";
      for (const Seq each : found.chain) {
        if (each == seq || each == Seq{0}) continue;
        (each < seq ? finding.led_by : finding.followed_by).push_back(each);
      }
      result.findings.push_back(std::move(finding));
    }
    for (Finding& word : words_) result.findings.push_back(std::move(word));
    std::stable_sort(ended_.begin(), ended_.end(),
                     [](const BadEnd& left, const BadEnd& right) { return left.at.seq < right.at.seq; });
    result.ended = std::move(ended_);
    return result;
  }

  const History& history_;
  const State& end_;
  const Findings& found_;
  Causes causes_;
  std::map<Seq, Case> cases_;
  std::vector<BadEnd> ended_;
  Findings words_;
};

}  // namespace

Incidents incidents(const History& history, const State& end, const Findings& found) {
  return Search(history, end, found).run();
}

}  // namespace pawl
