#include "daemon/api/log_audit.h"

#include <chrono>
#include <ctime>

namespace pawl {
namespace {

/// Some milliseconds of work, so that an end or a request does not wait long.
constexpr std::size_t records_per_step = 128;
/// How often it looks at a log that has not grown.
constexpr std::chrono::seconds look_every{1};
/// How often it looks for causes while no request asks for them: for GET /metrics.
constexpr std::int64_t conclude_every_us = 10'000'000;

std::int64_t us_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

LogAuditor::LogAuditor(Journal& journal) : journal_(journal), replica_(State(), Chain{}, audit_.policy()) {}

Result<bool> LogAuditor::step(std::size_t records_max) {
  if (is_over_) return false;
  std::size_t taken = 0;
  Result<bool> goes_on = true;
  PAWL_TRY(journal_.read(replica_.next_seq(), [&](RecordBytes bytes) {
    goes_on = replica_.add(bytes);
    return goes_on && *goes_on && ++taken < records_max;
  }));
  // The last durable record ends a batch, and therefore a group (Journal::follow).
  const bool has_all = replica_.next_seq() > journal_.last_seq();
  if (goes_on && *goes_on && has_all) goes_on = replica_.finish();
  is_over_ = !PAWL_TRY(goes_on);
  return !is_over_ && !has_all;
}

std::shared_ptr<const AuditView> LogAuditor::conclude() {
  audit_.conclude(replica_.state());
  auto view = std::make_shared<AuditView>();
  view->audited = audited();
  view->first = audit_.first();
  view->records = audit_.records();
  view->stopped_at = audit_.stopped_at();
  view->findings = audit_.findings();
  view->ended = audit_.ended();
  for (const Finding& finding : view->findings) {
    if (auto heading = audit_.heading(finding.seq)) view->headings.emplace(finding.seq, *std::move(heading));
  }
  return view;
}

void LogAudit::start() {
  if (options_.percent == 0) return;
  const MutexLock lock(mutex_);
  runs_ = true;
  thread_ = std::thread([this] { run(); });
}

void LogAudit::stop() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogAudit::ask(Answer answer) {
  std::shared_ptr<const AuditView> known;
  {
    const MutexLock lock(mutex_);
    const bool is_dear = rests_ && last_;
    wants_more_ = wants_more_ || is_dear;
    if (runs_ && !is_dear) {
      answers_.push_back(std::move(answer));
      wake_.notify_one();
      return;
    }
    if (runs_) known = last_;
  }
  answer(known);
}

std::shared_ptr<const AuditView> LogAudit::last() const {
  const MutexLock lock(mutex_);
  return last_;
}

bool LogAudit::ends() {
  const MutexLock lock(mutex_);
  return ends_;
}

void LogAudit::run() {
  LogAuditor auditor(journal_);
  while (!ends()) {
    const std::int64_t begun = us_of(CLOCK_THREAD_CPUTIME_ID);
    const auto stepped = auditor.step(records_per_step);
    if (!stepped) {
      if (options_.failed) options_.failed(stepped.error());
      break;
    }
    const bool is_due = !*stepped && us_of(CLOCK_MONOTONIC) - concluded_us_ >= conclude_every_us;
    publish(auditor, is_due);
    rest(rest_us(us_of(CLOCK_THREAD_CPUTIME_ID) - begun, options_.percent));
    if (!*stepped) wait_for_more();
  }
  end();
}

/// Answers those who have asked. `is_due`: there is something to look for even if none has.
void LogAudit::publish(LogAuditor& auditor, bool is_due) {
  std::vector<Answer> answers;
  std::shared_ptr<const AuditView> view;
  {
    const MutexLock lock(mutex_);
    answers.swap(answers_);
    view = last_;
    is_due = std::exchange(wants_more_, false) || is_due;
  }
  if (answers.empty() && !is_due) return;
  if (!view || view->audited != auditor.audited()) {
    view = auditor.conclude();
    const MutexLock lock(mutex_);
    last_ = view;
  }
  concluded_us_ = us_of(CLOCK_MONOTONIC);
  for (const Answer& answer : answers) answer(view);
}

void LogAudit::rest(std::int64_t us) {
  MutexLock lock(mutex_);
  rests_ = true;
  wake_.wait_for(lock.waiting(), std::chrono::microseconds(us), [this]() PAWL_REQUIRES(mutex_) { return ends_; });
  rests_ = false;
}

void LogAudit::wait_for_more() {
  MutexLock lock(mutex_);
  wake_.wait_for(lock.waiting(), look_every, [this]() PAWL_REQUIRES(mutex_) { return ends_ || !answers_.empty(); });
}

/// Answers those who still wait.
void LogAudit::end() {
  std::vector<Answer> answers;
  {
    const MutexLock lock(mutex_);
    runs_ = false;
    answers.swap(answers_);
  }
  for (const Answer& answer : answers) answer(nullptr);
}

}  // namespace pawl
