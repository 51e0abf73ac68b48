#include "store/checkpoint.h"

#include <gtest/gtest.h>

#include "schema/limits.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "store/rows_in_checkpoint.h"
#include "tests/unit/store/log_kit.h"

namespace pawl {
namespace {

/// A state in which every table has a row, and every optional field is set in one of them.
class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : writer_(log_) {
    writer_.boot();
    fb::SettingChangedT setting;
    setting.key = "ownership.repos";
    setting.value = std::make_unique<fb::SettingValueT>();
    setting.value->list = {"shop", "till"};
    writer_.write(propose_group(writer_.requester(), setting));
    fb::TaskCreatedT created = task_created("W-1");
    created.branch = "w-1";
    writer_.write(propose_group({.boot = "boot-1", .actor = "webhook", .key = "key-1", .request = 77}, created));
    writer_.create_task("W-2");
    writer_.create_task("W-3");
    writer_.cancel_task(TaskId{3});

    fb::JobClaimedT claim;
    claim.job = 1;
    claim.owner = owner();
    writer_.write(propose_group(writer_.requester(), claim));
    fb::RunStartedT run;
    run.job = 1;
    run.attempt = 1;
    run.pid = 4242;
    run.pid_start = 7;
    writer_.write(propose_group(writer_.requester(), run));
    fb::LeaseAcquiredT lease;
    lease.key = "repo:shop";
    lease.owner = owner();
    lease.ttl = 60;
    lease.edge = "a->b";
    writer_.write(propose_group(writer_.requester(), lease));
    fb::GateEvaluatedT gate;
    gate.task = 1;
    gate.version = 1;
    gate.gate = "analysis";
    gate.reason = "in error";
    writer_.write(propose_group(writer_.requester(), gate));
    fb::TaskBlockedT blocked;
    blocked.task = 2;
    blocked.version = 1;
    blocked.reason = "test";
    writer_.write(propose_group(writer_.requester(), blocked));
    bytes_ = pack_checkpoint(writer_.state(), writer_.chain()).bytes;
  }

  static std::unique_ptr<fb::OwnerT> owner() {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = "boot-1";
    owner->pid = 9;
    owner->actor = "worker";
    return owner;
  }

  /// The checkpoint with a change in it, but a valid structure.
  template <class Change>
  std::vector<std::uint8_t> changed(Change change) const {
    const std::unique_ptr<fb::CheckpointT> object(fb::GetCheckpoint(bytes_.data())->UnPack());
    change(*object);
    flatbuffers::FlatBufferBuilder builder;
    builder.ForceDefaults(true);
    fb::FinishCheckpointBuffer(builder, fb::Checkpoint::Pack(builder, object.get()));
    return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
  }

  MemoryLog log_;
  Writer writer_;
  std::vector<std::uint8_t> bytes_;
};

TEST_F(CheckpointTest, bytes_are_those_of_flatcs_own_packing) {
  EXPECT_EQ(changed([](fb::CheckpointT&) {}), bytes_);
}

TEST_F(CheckpointTest, a_field_that_an_older_version_did_not_write_is_as_in_a_new_row) {
  flatbuffers::FlatBufferBuilder builder;
  fb::BootRowT boot;
  boot.boot_id = "old";
  builder.Finish(fb::BootRow::Pack(builder, &boot));  // without defaults: only texts
  const Boot read = unpack_row(*flatbuffers::GetRoot<fb::BootRow>(builder.GetBufferPointer()));
  EXPECT_EQ(read.boot_id, "old");
  EXPECT_EQ(read.pid, Boot().pid);
  EXPECT_FALSE(read.stale);
}

TEST_F(CheckpointTest, a_list_that_was_set_to_be_empty_comes_back_empty) {
  fb::SettingChangedT setting;
  setting.key = "ownership.repos";
  setting.value = std::make_unique<fb::SettingValueT>();
  writer_.write(propose_group(writer_.requester(), setting));
  const auto restored = unpack_checkpoint(pack_checkpoint(writer_.state(), writer_.chain()).bytes);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_TRUE(restored->state.settings().ownership.repos.empty());
  EXPECT_EQ(restored->state.digest(), writer_.state().digest());
}

/// A start with `--repo NAME=`: what it gave was nothing, which is not the same as that it gave none.
TEST_F(CheckpointTest, a_text_that_was_given_and_is_empty_comes_back_empty) {
  fb::RepoDeclaredT declared;
  declared.repo = "nowhere";
  declared.given = true;
  writer_.write(propose_group(writer_.requester(), declared));
  const auto restored = unpack_checkpoint(pack_checkpoint(writer_.state(), writer_.chain()).bytes);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->state.repos.find("nowhere")->given, "");
  EXPECT_EQ(restored->state.digest(), writer_.state().digest());
}

TEST_F(CheckpointTest, state_comes_back_with_its_digest_and_goes_on_alike) {
  Result<Restored> restored = unpack_checkpoint(bytes_);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  const State& was = writer_.state();
  EXPECT_EQ(restored->chain, writer_.chain());
  EXPECT_EQ(restored->state.digest(), was.digest());
  EXPECT_EQ(restored->state.archived_digest(), was.archived_digest());
  EXPECT_NE(was.archived_digest(), 0U);
  EXPECT_EQ(restored->state.last_seq, was.last_seq);
  EXPECT_EQ(restored->state.last_time, was.last_time);
  EXPECT_EQ(restored->state.settings().ownership.repos, (std::vector<std::string>{"shop", "till"}));
  EXPECT_EQ(restored->state.indexes.archived_cancelled, 1U);
  EXPECT_EQ(restored->state.indexes.blocked, was.indexes.blocked);
  EXPECT_EQ(restored->state.indexes.running, was.indexes.running);
  EXPECT_EQ(restored->state.indexes.live_work_items, was.indexes.live_work_items);
  ASSERT_NE(restored->state.keys.find("", "key-1"), nullptr);
  EXPECT_EQ(restored->state.keys.find("", "key-1")->task, TaskId{1});
  EXPECT_EQ(restored->state.keys.find("", "key-1")->request, 77U);
  ASSERT_TRUE(restored->state.tasks.find(TaskId{1})->gate);
  EXPECT_FALSE(restored->state.tasks.find(TaskId{1})->gate->passed) << "a gate in error is not red";
  EXPECT_EQ(restored->state.jobs.find(JobId{1})->run->pid, 4242);
  EXPECT_EQ(restored->state.leases.find("repo:shop")->ttl_s, 60);

  MemoryLog other_log;  // their target does not matter
  Writer again(other_log, std::move(restored->state), restored->chain);
  const auto next_of = [](Writer& writer) {
    return writer.decide(propose_group(writer.requester(), task_created("W-4")))
        .records.back()
        .record()
        .stamp()
        ->digest();
  };
  EXPECT_EQ(next_of(again), next_of(writer_));
}

TEST_F(CheckpointTest, packing_is_the_same_twice) {
  const Result<Restored> restored = unpack_checkpoint(bytes_);
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(pack_checkpoint(restored->state, restored->chain).bytes, bytes_);
}

TEST_F(CheckpointTest, empty_state_comes_back) {
  const State state;
  const Result<Restored> restored = unpack_checkpoint(pack_checkpoint(state, Chain{}).bytes);
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->state.digest(), state.digest());
}

TEST_F(CheckpointTest, no_flipped_byte_and_no_cut_crashes_or_changes_the_state) {
  for (std::size_t at = 0; at < bytes_.size(); ++at) {
    std::vector<std::uint8_t> flipped = bytes_;
    flipped[at] ^= 0x41;
    const Result<Restored> restored = unpack_checkpoint(flipped);
    if (restored) {
      EXPECT_EQ(restored->state.digest(), writer_.state().digest()) << at;
    }
    EXPECT_FALSE(unpack_checkpoint({bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at)}).has_value());
  }
}

TEST_F(CheckpointTest, changed_row_has_another_digest) {
  const auto other = changed([](fb::CheckpointT& checkpoint) { checkpoint.tasks[0]->branch = "w-2"; });
  ASSERT_FALSE(unpack_checkpoint(other).has_value());
  EXPECT_EQ(unpack_checkpoint(other).error().code, ErrorCode::damaged);
  EXPECT_TRUE(unpack_checkpoint(changed([](fb::CheckpointT&) {})).has_value()) << "without a change it is accepted";
}

TEST_F(CheckpointTest, rows_that_contradict_each_other_are_damage) {
  const auto refused = [&](const char* what, auto change) {
    const Result<Restored> restored = unpack_checkpoint(changed(change));
    ASSERT_FALSE(restored.has_value()) << what;
    EXPECT_NE(restored.error().message.find(what), std::string::npos) << restored.error().message;
  };
  refused("refers to a pipeline that does not exist", [](fb::CheckpointT& c) { c.tasks[0]->pipeline = 999; });
  refused("is on a stage that its pipeline does not have", [](fb::CheckpointT& c) { c.tasks[0]->stage = "nowhere"; });
  refused("was never created", [](fb::CheckpointT& c) { c.ids->next_task = 1; });
  refused("refers to a task that does not exist", [](fb::CheckpointT& c) { c.jobs[0]->task = 999; });
  refused("has no run", [](fb::CheckpointT& c) { c.jobs[0]->run.reset(); });
  refused("unknown owner", [](fb::CheckpointT& c) { c.leases[0]->owner->boot_id = "nobody"; });
  refused("not in key order", [](fb::CheckpointT& c) { std::swap(c.tasks[0], c.tasks[1]); });
  refused("unknown setting", [](fb::CheckpointT& c) { c.settings[0]->key = "a.b"; });
  refused("invalid value", [](fb::CheckpointT& c) {
    c.settings[0]->value = std::make_unique<fb::SettingValueT>();
    c.settings[0]->value->number = 1;
  });
  refused("unknown status", [](fb::CheckpointT& c) { c.jobs[0]->status = static_cast<fb::JobStatus>(77); });
  refused("wrong length", [](fb::CheckpointT& c) { c.chain.pop_back(); });
}

TEST_F(CheckpointTest, is_good_also_when_the_owner_of_an_ended_job_is_forgotten) {
  const auto start = [&](const std::string& id) {
    fb::BootStartedT boot;
    boot.name = "worker";
    boot.boot_id = id;
    boot.host = "host";
    boot.version = "1";
    writer_.write(propose_group(writer_.requester(), boot));
  };
  start("worker-1");
  fb::SettingChangedT places;
  places.key = "queue.max_concurrency";
  places.value = std::make_unique<fb::SettingValueT>();
  places.value->number = 2;
  writer_.write(propose_group(writer_.requester(), places));
  fb::SettingChangedT serial;
  serial.key = "queue.serial_per_repo";
  serial.value = std::make_unique<fb::SettingValueT>();
  serial.value->flag = false;
  writer_.write(propose_group(writer_.requester(), serial));
  writer_.create_task("W-4");
  const JobId job = writer_.state().indexes.queued.empty() ? JobId{0} : *writer_.state().indexes.queued.rbegin();
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner();
  claim.owner->boot_id = "worker-1";
  writer_.write(propose_group(writer_.requester(), claim));
  fb::JobFinishedT finished;
  finished.job = raw(job);
  finished.attempt = 1;
  finished.result = fb::JobResult::done;
  writer_.write(propose_group(writer_.requester(), finished));
  for (std::size_t n = 0; n <= limits::boots_max; ++n) start("later-" + std::to_string(n));
  ASSERT_EQ(writer_.state().boots.find("worker-1"), nullptr);
  ASSERT_EQ(writer_.state().jobs.find(job)->run->owner.boot_id, "worker-1");
  EXPECT_TRUE(unpack_checkpoint(pack_checkpoint(writer_.state(), writer_.chain()).bytes).has_value());
}

TEST_F(CheckpointTest, archived_task_comes_back_with_its_hashes) {
  ArchivedTask archived;
  archived.task = *writer_.state().tasks.find(TaskId{1});
  archived.jobs.push_back(*writer_.state().jobs.find(JobId{1}));
  const ArchivedBytes bytes = pack_archived(archived, Seq{42});
  EXPECT_EQ(bytes.task, TaskId{1});
  const Result<Unarchived> unarchived = unpack_archived(bytes.bytes);
  ASSERT_TRUE(unarchived.has_value());
  EXPECT_EQ(unarchived->seq, Seq{42});
  EXPECT_EQ(unarchived->rows.task.hash, archived.task.hash);
  ASSERT_EQ(unarchived->rows.jobs.size(), 1U);
  EXPECT_EQ(unarchived->rows.jobs[0].hash, archived.jobs[0].hash);
}

TEST_F(CheckpointTest, archive_and_digest_agree) {
  // The archived rows account for the part of the digest that the rows in memory do not.
  const Result<std::vector<std::uint8_t>> bytes = log_.find(TaskId{3});
  ASSERT_TRUE(bytes.has_value());
  const Result<Unarchived> unarchived = unpack_archived(*bytes);
  ASSERT_TRUE(unarchived.has_value());
  std::uint64_t sum = unarchived->rows.task.hash;
  for (const Job& job : unarchived->rows.jobs) sum += job.hash;
  EXPECT_EQ(sum, writer_.state().archived_digest());
}

TEST_F(CheckpointTest, cut_archived_task_is_damaged) {
  const ArchivedBytes bytes = pack_archived({*writer_.state().tasks.find(TaskId{1}), {}}, Seq{42});
  for (std::size_t length = 0; length < bytes.bytes.size(); ++length) {
    const Result<Unarchived> cut = unpack_archived(RecordBytes(bytes.bytes.data(), length));
    if (!cut) {
      EXPECT_EQ(cut.error().code, ErrorCode::damaged);
    }
  }
  EXPECT_FALSE(unpack_archived(RecordBytes(bytes.bytes.data(), 3)).has_value());
}

}  // namespace
}  // namespace pawl
