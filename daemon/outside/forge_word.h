// What forges are told: words about tasks, read from the log's records.
//
// A word is derived from durable records alone, so whoever reads the same records again has the same words. Each is
// either the state of a stage on a commit, of which only the newest matters, or a comment, of which each does.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/outside/forge_options.h"
#include "store/replica.h"

namespace pawl {

enum class ForgeState { waiting, running, passed, failed, error, cancelled };

/// A place in the log: the end of a group. The chain names the log: no other has it at that record.
struct LogPlace {
  Seq seq{};
  Chain chain{};
  friend bool operator==(const LogPlace&, const LogPlace&) = default;
};

struct ForgeWord {
  enum class Kind { status, comment };
  Kind kind{};
  std::string repo;  // by pawl's name
  TaskId task{};
  Seq seq{};        // the record that it is about
  LogPlace before;  // where to begin reading to find it again
  TimeUs time;      // of the record

  // Of a status:
  std::string commit;
  std::string stage;
  ForgeState state{};
  std::string text;  // one line of at most 140 bytes; of a comment, Markdown

  // Of a comment:
  std::string issue;  // its number
  std::string mark;   // a line in the text that no other comment has
};

/// At most `bytes_max` bytes of a text, not cutting a character; if it was cut, "…" is the last one.
std::string cut_text(const std::string& text, std::size_t bytes_max);

class WordReader {
 public:
  /// What to read: `targets` outlives it.
  explicit WordReader(const ForgeTargets& targets) : targets_(targets) {}

  /// Begins with the state at a place. Nothing is told of what happened before.
  void begin(const State& state, const LogPlace& place);
  /// The words of the next group, in order.
  std::vector<ForgeWord> take(const AppliedGroup& group);
  const LogPlace& place() const { return place_; }

 private:
  /// What was last told of a task.
  struct Told {
    std::string stage;
    std::string head;     // the commit that its records named last; empty: none yet
    std::string blocked;  // why
    std::optional<ForgeState> state;
    std::string text;
  };
  struct Reading;

  const ForgeTarget* target_of(const std::string& repo) const;
  void read(Reading& reading, const fb::Record& record);
  void read_task(Reading& reading, TaskId id, const fb::Record& record);
  void look_at_block(Reading& reading, const Task& task, const fb::Record& record);
  void say(Reading& reading, const Task& task, const std::string& stage, ForgeState state, const std::string& text,
           const fb::Record& record);
  void say_again(Reading& reading, const Task& task, const fb::Record& record);
  void comment(Reading& reading, const Task& task, ForgeComment what, const std::string& text,
               const fb::Record& record);
  const Task* task_row(const Reading& reading, TaskId id) const;

  const ForgeTargets& targets_;
  std::map<TaskId, Told> told_;
  LogPlace place_;
  TaskId next_task_{};
};

}  // namespace pawl
