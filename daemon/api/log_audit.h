// What `pawl check` finds in this daemon's log, kept up while it grows: an auditor follows the log on a thread of its
// own, with a state of its own, and uses at most some part of one core. It decides nothing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "store/journal.h"
#include "store/os/mutex.h"
#include "store/replica.h"
#include "tools/forensics/audit.h"

namespace pawl {

/// What was found up to a record. Immutable.
struct AuditView {
  Seq audited{};  // the last record; 0: none yet
  Seq first{};
  std::uint64_t records = 0;
  std::optional<Seq> stopped_at;  // from there on nothing more can be said
  Findings findings;
  std::vector<BadEnd> ended;
  std::map<Seq, Heading> headings;  // of the findings' records
};

/// Audits a log in steps. Threads: one.
class LogAuditor {
 public:
  /// Outlives it.
  explicit LogAuditor(Journal& journal);
  LogAuditor(const LogAuditor&) = delete;
  LogAuditor& operator=(const LogAuditor&) = delete;

  /// Takes the next records, `records_max` at most. Returns whether there are more.
  Result<bool> step(std::size_t records_max);
  Seq audited() const { return replica_.state().last_seq; }
  /// Looks for the causes of what ended badly so far. The work grows with all that was found and is still live.
  std::shared_ptr<const AuditView> conclude();

 private:
  Journal& journal_;
  Audit audit_{Seq{1}};
  Replica replica_;
  bool is_over_ = false;
};

class LogAudit {
 public:
  using Answer = std::function<void(std::shared_ptr<const AuditView>)>;

  struct Options {
    int percent = 5;  // of one core; 0: off
    /// Called with why the audit ended, if the log cannot be read. On its thread. May be empty.
    std::function<void(const Error&)> failed = {};
  };

  /// Outlives it.
  LogAudit(Journal& journal, Options options) : journal_(journal), options_(std::move(options)) {}
  ~LogAudit() { stop(); }

  void start();
  void stop();
  int percent() const { return options_.percent; }

  /// Calls `answer` once, on this thread or on the audit's, where it must not block: with what is found by now, or with
  /// what was found last if looking again would use more than the audit may. Null: it is off, or has failed. Threads:
  /// any.
  void ask(Answer answer);
  /// What was found last; null: nothing was looked for yet. Threads: any.
  std::shared_ptr<const AuditView> last() const;

 private:
  void run();
  void publish(LogAuditor& auditor, bool is_due);
  void rest(std::int64_t us);
  void wait_for_more();
  bool ends();
  void end();

  Journal& journal_;
  const Options options_;
  std::int64_t concluded_us_ = 0;  // the thread's: its time when it last looked for causes
  mutable Mutex mutex_;
  std::condition_variable wake_;
  std::vector<Answer> answers_ PAWL_GUARDED_BY(mutex_);
  std::shared_ptr<const AuditView> last_ PAWL_GUARDED_BY(mutex_);
  bool rests_ PAWL_GUARDED_BY(mutex_) = false;
  bool wants_more_ PAWL_GUARDED_BY(mutex_) = false;  // one was answered with what was found last
  bool runs_ PAWL_GUARDED_BY(mutex_) = false;
  bool ends_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

/// How long to rest after `used_us` of work, to use no more than that part of the time.
constexpr std::int64_t rest_us(std::int64_t used_us, int percent) {
  return used_us * (100 - percent) / percent;
}

}  // namespace pawl
