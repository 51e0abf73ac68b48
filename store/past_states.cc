#include "store/past_states.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "store/checkpoint.h"
#include "store/replica.h"

namespace pawl {
namespace {

// Costs in terms of a replayed record, roughly: to unpack a row, two; to pack one, one.
constexpr std::size_t records_per_unpacked_row = 2;
/// A replay spends an eighth of its time on the states that it leaves behind.
constexpr std::size_t records_per_packed_row = 8;
/// What took less than this part of a stride to replay may be replayed again.
constexpr std::uint64_t strides_worth_a_state = 16;
/// What a packed row takes, at least.
constexpr std::size_t packed_row_bytes_min = 128;

std::size_t rows_of(const State& state) {
  return state.tasks.size() + state.jobs.size();
}

}  // namespace

Result<void> PastStates::Known::store(const StoredCheckpoint& checkpoint) {
  const auto [at, is_new] = sparse_.try_emplace(checkpoint.seq, checkpoint.bytes);
  if (is_new) bytes_ += checkpoint.bytes.size();
  return {};
}

std::vector<Seq> PastStates::Known::list() {
  std::vector<Seq> seqs = stored_ ? stored_->list() : std::vector<Seq>();
  for (const auto& [seq, bytes] : sparse_) seqs.push_back(seq);
  std::sort(seqs.begin(), seqs.end(), std::greater<>());
  return seqs;
}

Result<StoredCheckpoint> PastStates::Known::load(Seq seq) {
  const auto found = sparse_.find(seq);
  if (found != sparse_.end()) return StoredCheckpoint{.seq = seq, .bytes = found->second};
  if (stored_) return stored_->load(seq);
  return Error{ErrorCode::missing, "no state is known at record " + std::to_string(raw(seq))};
}

void PastStates::Known::drop_every_second() {
  bool drops = true;
  for (auto at = sparse_.begin(); at != sparse_.end(); drops = !drops) {
    if (drops) bytes_ -= at->second.size();
    at = drops ? sparse_.erase(at) : std::next(at);
  }
}

Result<void> PastStates::look(Seq at, const std::function<void(const State&)>& see) {
  const Seq end = PAWL_TRY(end_of_group(at));
  Opened from = PAWL_TRY(nearest(end));
  ends_.push_back(PAWL_TRY(replay_leaving_states(std::move(from), end)));
  replayed_ = ends_.back().report.replayed;
  see(ends_.back().state);
  drop_ends();
  return {};
}

Result<void> PastStates::walk(Seq after, Seq to, const std::function<void(const State&)>& begin,
                              const std::function<void(const AppliedGroup&)>& each) {
  const Seq start = PAWL_TRY(end_of_group(after));
  const Seq end = PAWL_TRY(end_of_group(to));
  Opened from = PAWL_TRY(nearest(start));
  from = PAWL_TRY(replay_leaving_states(std::move(from), start));
  const std::uint64_t before = from.report.replayed;
  // A walk is often repeated, a bit longer each time: a task's story while it goes on.
  if (before > bounds_.stride / strides_worth_a_state) keep(from.state, from.chain);
  begin(from.state);
  ends_.push_back(PAWL_TRY(replay(journal_, std::move(from), end, each)));
  replayed_ = before + ends_.back().report.replayed;
  drop_ends();
  return {};
}

/// A seq that a restore skipped (schema/record_view.h) ends a group, like the record before it.
Result<Seq> PastStates::end_of_group(Seq at) {
  Seq end = at;
  std::optional<std::uint64_t> group;
  Result<void> viewed;
  PAWL_TRY(journal_.read(at, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      viewed = record.error();
      return false;
    }
    const fb::Stamp& stamp = *(*record)->stamp();
    if (!group && stamp.seq() != raw(at)) return false;
    if (group.value_or(stamp.group()) != stamp.group()) return false;
    group = stamp.group();
    end = Seq{stamp.seq()};
    return true;
  }));
  PAWL_TRY(viewed);
  return end;
}

/// Takes the end that is nearest, unless a checkpoint is so much nearer that unpacking it costs less than the records
/// in between.
Result<Opened> PastStates::nearest(Seq at) {
  auto end = ends_.end();
  for (auto each = ends_.begin(); each != ends_.end(); ++each) {
    const bool is_before = each->state.last_seq <= at;
    if (is_before && (end == ends_.end() || each->state.last_seq > end->state.last_seq)) end = each;
  }
  if (end != ends_.end()) {
    const std::uint64_t is_worth_it = raw(end->state.last_seq) + records_per_unpacked_row * rows_of(end->state);
    const std::vector<Seq> known = known_.list();
    const auto newest = std::find_if(known.begin(), known.end(), [at](Seq seq) { return seq <= at; });
    if (newest == known.end() || raw(*newest) <= is_worth_it) {
      Opened taken = std::move(*end);
      ends_.erase(end);
      taken.report = {};
      return taken;
    }
  }
  return newest_checkpoint(journal_, known_, at);
}

Result<Opened> PastStates::replay_leaving_states(Opened from, Seq at) {
  const auto due_after = [this](const State& state) {
    return raw(state.last_seq) + std::max<std::uint64_t>(stride_, records_per_packed_row * rows_of(state));
  };
  std::uint64_t due = due_after(from.state);
  return replay(journal_, std::move(from), at, [&](const AppliedGroup& group) {
    if (raw(group.state.last_seq) < due) return;
    keep(group.state, chain_of(*group.read.back().record));
    due = due_after(group.state);
  });
}

void PastStates::keep(const State& state, const Chain& chain) {
  if (rows_of(state) * packed_row_bytes_min > bounds_.sparse_bytes_max) return;
  (void)known_.store(pack_checkpoint(state, chain));
  while (known_.sparse().size() > bounds_.sparse_max || known_.bytes() > bounds_.sparse_bytes_max) {
    known_.drop_every_second();
    stride_ *= 2;
  }
}

void PastStates::drop_ends() {
  const auto rows = [this] {
    std::size_t sum = 0;
    for (const Opened& end : ends_) sum += rows_of(end.state);
    return sum;
  };
  while (ends_.size() > bounds_.ends_max || rows() > bounds_.end_rows_max) ends_.erase(ends_.begin());
}

}  // namespace pawl
