#include "tools/forensics/redacted_export.h"

#include "engine/json/state_json.h"
#include "engine/rules/group.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/redaction.h"

namespace pawl {
namespace {

/// Whether a record is at a moment or after it.
bool has_reached(const Moment& moment, const fb::Record& record) {
  return moment.seq ? record.stamp()->seq() >= raw(*moment.seq) : record.stamp()->time_us() >= moment.time->us;
}
bool is_beyond(const Moment& moment, const fb::Record& record) {
  return moment.seq ? record.stamp()->seq() > raw(*moment.seq) : record.stamp()->time_us() > moment.time->us;
}

class RedactedLog {
 public:
  RedactedLog(const RedactedRange& range, const std::function<void(std::string_view)>& write)
      : range_(range), write_(write) {}

  /// The log begins with a checkpoint.
  Result<void> begin(const State& state) {
    state_ = PAWL_TRY(redaction_.redacted(state));
    return {};
  }

  Result<void> add(const AppliedGroup& original) {
    Group group;
    std::vector<const fb::Record*> records;
    for (const AppliedRecord& item : original.records) {
      group.push_back(PAWL_TRY(redaction_.redacted(item.record)));
      records.push_back(&group.back().record());
    }
    const bool is_wanted = is_begun_ || !range_.from || has_reached(*range_.from, *records.back());
    if (is_wanted && !is_begun_) write_beginning();
    const Reapplied reapplied = reapply(state_, records);
    for (std::size_t i = 0; i < group.size(); ++i) {
      const Applied& was = original.records[i].applied;
      const Applied& is = reapplied.applied[i];
      if (is.outcome != was.outcome || is.unchecked != was.unchecked) {
        return Error{ErrorCode::malformed, "record " + std::to_string(group[i].record().stamp()->seq()) + " would be " +
                                               std::string(name(is.outcome)) + " instead of " +
                                               std::string(name(was.outcome)) +
                                               " without its texts, so it cannot be redacted; nothing more is written"};
      }
      group[i].stamp().mutate_digest(reapplied.digests[i]);
      chain_ = stamp_chain(chain_, group[i]);
      if (is_wanted) write(group[i].record(), is.effects);
    }
    return {};
  }

  std::uint64_t written() const { return written_; }

 private:
  void write_beginning() {
    is_begun_ = true;
    if (state_.last_seq > Seq{0}) write_(checkpoint_line(state_, chain_) + "\n");
  }

  void write(const fb::Record& record, const Effects& effects) {
    line_.clear();
    append_record_line(line_, record, effects);
    line_ += '\n';
    write_(line_);
    ++written_;
  }

  RedactedRange range_;
  const std::function<void(std::string_view)>& write_;
  Redaction redaction_;
  State state_;
  Chain chain_{};  // begins at zero even after a checkpoint: nothing of the original's is shown
  bool is_begun_ = false;
  std::uint64_t written_ = 0;
  std::string line_;  // reused
};

}  // namespace

Result<std::uint64_t> write_redacted(const LogWalker& walker, const RedactedRange& range,
                                     const std::function<void(std::string_view)>& write) {
  RedactedLog redacted(range, write);
  Result<void> failed;
  ReplicaPolicy policy = proving_policy([&](const AppliedGroup& group) {
    if (failed) failed = redacted.add(group);
  });
  policy.wants = [&](const State&, std::span<const VerifiedRecord> group) -> Result<bool> {
    return failed.has_value() && !(range.to && is_beyond(*range.to, *group.back().record));
  };
  write(std::string(redacted_line) + "\n");
  std::optional<Replica> replica;
  PAWL_TRY(walker({.begin = [&](State state, const Chain& chain) -> Replica& {
    if (state.last_seq > Seq{0}) failed = redacted.begin(state);
    return replica.emplace(std::move(state), chain, policy);
  }}));
  if (!failed) return failed.error();
  if (replica->difference()) return error_of(*replica->difference());
  return redacted.written();
}

}  // namespace pawl
