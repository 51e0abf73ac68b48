#include "store/commit/batch.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "schema/subject.h"
#include "store/chain.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

Decision decision_of(const Decided& decided) {
  const fb::Record& deciding = decided.records[decided.deciding].record();
  Decision decision{.outcome = decided.outcome,
                    .seq = Seq{deciding.stamp()->seq()},
                    .unchecked = deciding.stamp()->unchecked(),
                    .effects = {},
                    .detail = decided.applied[decided.deciding].detail};
  for (const Applied& applied : decided.applied) {
    decision.effects.insert(decision.effects.end(), applied.effects.begin(), applied.effects.end());
  }
  return decision;
}

}  // namespace

void Decider::take(ReadRequest read) {
  look_at_clock();
  read.look(state_);
  if (batch_.groups.empty()) {
    batch_.early_reads.push_back(std::move(read));
  } else {
    batch_.others.emplace_back(std::move(read));
  }
}

void Decider::take(WriteRequest write) {
  if (has_stepped_down_) {
    batch_.answers.push_back({superseded_decision(), std::move(write.done)});
    return;
  }
  const TimeUs now = look_at_clock();
  // Check for a known key first: the request is not even resolved again.
  if (!write.group.empty() && write.group.front().record().key()) {
    const fb::Record& record = write.group.front().record();
    if (const KeyRow* first = state_.keys.find(principal_of(record), record.key()->str())) {
      Decision decision{.outcome = first->outcome, .seq = first->seq, .effects = {}, .detail = {}};
      const bool same = record.request().has_value() && *record.request() == first->request;
      decision.source = same ? Decision::AnswerSource::replayed : Decision::AnswerSource::mismatched;
      decision.first = *first;
      if (write.look) write.look({.state = state_, .decision = decision, .archived = {}});
      batch_.answers.push_back({std::move(decision), std::move(write.done)});
      return;
    }
  }
  if (write.resolve && !write.resolve(state_, write.group)) {
    batch_.others.emplace_back(NothingProposed{std::move(write.done)});
    return;
  }
  const fb::BootStarted* boot = write.group.front().record().event_as_BootStarted();
  if (boot && boot->boottime_us()) {
    // Read once more and use it for both: the two times of a boot must be from the same moment.
    const LogTime clock = clock_();
    bring_up_to_date(write.group, clock);
    return decide_and_keep(std::move(write), std::max(clock.time, state_.last_time));
  }
  decide_and_keep(std::move(write), now);
}

TimeUs Decider::look_at_clock() {
  const LogTime clock = clock_();
  const TimeUs now = std::max(clock.time, state_.last_time);
  if (has_stepped_down_ || clock.asleep_us - asleep_told_us_ < shortest_gap_us) return now;
  // The time before this daemon's boot is recorded with the boot (store/commit/start.h).
  const Boot* boot = state_.boot_named(daemon_name);
  if (!boot || boot->started <= began_) return now;
  const std::int64_t slept_us = clock.asleep_us - std::exchange(asleep_told_us_, clock.asleep_us);
  // Part of the accumulated time was before the last record.
  const std::int64_t counted_us = std::min(slept_us, now.us - state_.last_time.us);
  if (counted_us <= 0) return now;
  fb::TimeGapT gap;
  gap.us = counted_us;
  const Requester requester{.boot = boot->boot_id, .actor = "sequencer", .key = {}, .request = std::nullopt};
  decide_and_keep({.group = propose_group(requester, gap), .done = [](const std::optional<Decision>&) {}}, now);
  return now;
}

void Decider::bring_up_to_date(Group& group, const LogTime& clock) {
  auto* boot = static_cast<fb::BootStarted*>(group.front().mutable_record().mutable_event());
  if (boot->boottime_us()) boot->mutate_boottime_us(clock.boottime_us);
  const bool has_gap = group.size() >= 2 && group[1].record().event_as_TimeGap();
  if (has_gap) {
    auto* gap = static_cast<fb::TimeGap*>(group[1].mutable_record().mutable_event());
    gap->mutate_us(std::max(gap->us(), clock.gap_us));
  } else {
    // There was no gap worth recording when the boot was prepared; the machine may have slept since.
    if (raw(state_.last_seq) == 0 || clock.gap_us < shortest_gap_us) return;
    const fb::Record& asked = group.front().record();
    const Requester requester{
        .boot = asked.boot()->str(), .actor = asked.actor()->str(), .key = {}, .request = std::nullopt};
    fb::TimeGapT gap;
    gap.us = clock.gap_us;
    group.insert(std::next(group.begin()), propose(requester, gap));
  }
  asleep_told_us_ = clock.asleep_us;
}

void Decider::decide_and_keep(WriteRequest write, TimeUs now) {
  PAWL_ASSERT(!write.group.empty());
  const Seq seq_before = state_.last_seq;
  const TimeUs time_before = state_.last_time;
  Decided decided = decide(state_, std::move(write.group), now);
  Decision decision = decision_of(decided);
  if (folded(decided, decision)) {
    // A refusal changed only these two, so restoring them removes the record.
    state_.last_seq = seq_before;
    state_.last_time = time_before;
    if (write.look) write.look({.state = state_, .decision = decision, .archived = {}});
    batch_.answers.push_back({std::move(decision), std::move(write.done)});
    return;
  }
  if (write.look) write.look({.state = state_, .decision = decision, .archived = decided.archived});
  batch_.records += decided.records.size();
  for (const Proposal& record : decided.records) batch_.bytes += record.size();
  batch_.groups.push_back(std::move(decided));
  batch_.answers.push_back({std::move(decision), std::move(write.done)});
}

bool Decider::folded(const Decided& decided, Decision& decision) {
  if (decided.outcome == Outcome::accepted || decided.records.size() != 1 || !state_.boot_named(daemon_name)) {
    return false;
  }
  const fb::Record& record = decided.records.front().record();
  if (record.key()) return false;
  const TimeUs time{record.stamp()->time_us()};
  const RefusalKey key = refusal_key(record, decided.outcome);
  if (const std::optional<Seq> first = folding_.fold(key, time)) {
    decision.source = Decision::AnswerSource::folded;
    decision.seq = *first;
    return true;
  }
  folding_.recorded(key, decision.seq, time);
  return false;
}

void Decider::tell(const std::vector<Folding::Folded>& told) {
  if (told.empty()) return;
  const TimeUs now = look_at_clock();
  const Boot* boot = state_.boot_named(daemon_name);
  for (const Folding::Folded& each : told) {
    fb::RefusalsFoldedT event;
    event.seq = raw(each.seq);
    event.count = each.count;
    const Requester requester{.boot = boot->boot_id, .actor = "sequencer", .key = {}, .request = std::nullopt};
    decide_and_keep({.group = propose_group(requester, event), .done = [](const std::optional<Decision>&) {}}, now);
  }
}

void Decider::step_down(State durable) {
  PAWL_ASSERT(batch_.empty());
  state_ = std::move(durable);
  folding_ = Folding();
  has_stepped_down_ = true;
}

Result<void> make_durable(DecidedBatch& batch, Journal& journal, Chain& chain,
                          const std::function<void(const std::vector<Decided>&)>& publish, BatchTimes* times) {
  using Steady = std::chrono::steady_clock;
  const auto now = [times] { return times ? Steady::now() : Steady::time_point(); };
  for (const ReadRequest& read : std::exchange(batch.early_reads, {})) read.done();
  if (!batch.groups.empty()) {
    const Steady::time_point began = now();
    Batch bytes;
    bytes.records.reserve(batch.records);
    for (Decided& group : batch.groups) {
      for (Proposal& record : group.records) {
        chain = stamp_chain(chain, record);
        bytes.records.emplace_back(record.data(), record.size());
      }
      const Seq last{group.records.back().record().stamp()->seq()};
      for (const ArchivedTask& archived : group.archived) bytes.archived.push_back(pack_archived(archived, last));
    }
    const Seq first{batch.groups.front().records.front().record().stamp()->seq()};
    const Steady::time_point chained = now();
    PAWL_TRY(journal.append(bytes, first));
    if (times) {
      *times = {.records = batch.records,
                .bytes = batch.bytes,
                .decide = batch.decide_time,
                .chain = chained - began,
                .append = now() - chained};
    }
    publish(batch.groups);
  }
  DecidedBatch durable = std::exchange(batch, {});
  for (DueAnswer& answer : durable.answers) answer.done(std::move(answer.decision));
  for (const auto& other : durable.others) {
    if (const auto* read = std::get_if<ReadRequest>(&other)) read->done();
    if (const auto* write = std::get_if<NothingProposed>(&other)) write->done(std::nullopt);
  }
  return {};
}

void withdraw(DecidedBatch batch, const State& durable) {
  for (DueAnswer& answer : batch.answers) answer.done(superseded_decision());
  const auto answer = [&durable](const ReadRequest& read) {
    read.look(durable);
    read.done();
  };
  for (const ReadRequest& read : batch.early_reads) answer(read);
  for (const auto& other : batch.others) {
    if (const auto* read = std::get_if<ReadRequest>(&other)) answer(*read);
    if (const auto* write = std::get_if<NothingProposed>(&other)) write->done(superseded_decision());
  }
}

}  // namespace pawl
