#include "store/commit/sequencer.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "store/memory_log.h"
#include "store/open.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/store/commit/another_writer.h"

namespace pawl {
namespace {

/// A journal whose appends wait at a gate, so that a test can look at decisions that are not durable yet.
class GatedJournal final : public Journal {
 public:
  explicit GatedJournal(Journal& journal) : journal_(journal) {}

  Result<void> append(const Batch& batch, Seq expected_next) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
    batches_.push_back(batch.records.size());
    return journal_.append(batch, expected_next);
  }
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override {
    return journal_.read(from, each);
  }
  Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) override {
    return journal_.follow(from, each, std::move(stop));
  }
  Seq last_seq() const override { return journal_.last_seq(); }
  Result<void> seal() override { return journal_.seal(); }
  std::optional<Seq> torn_at() const override { return journal_.torn_at(); }

  void shut() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void await_append() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  std::vector<std::size_t> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  Journal& journal_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
  std::vector<std::size_t> batches_;
};

constexpr std::int64_t begun_us = 1'767'225'600 * us_per_s;

class SequencerTest : public testing::Test {
 protected:
  SequencerTest() { restart(); }
  ~SequencerTest() override {
    log_->open();
    sequencer_.reset();
  }

  /// Restarts from the log, under a boot with that number.
  void restart(Sequencer::Options options = {.batch_records_max = 4096, .batch_bytes_max = 1 << 20, .now = {}}) {
    sequencer_.reset();
    memory_ = disk_ ? std::move(MemoryLog::open(disk_)).value() : std::make_unique<MemoryLog>();
    disk_ = memory_->disk();
    log_ = std::make_unique<GatedJournal>(*memory_);
    Opened opened = open_state(*memory_).value();
    options.now = [this] { return TimeUs{begun_us + now_us_.load()}; };
    sequencer_ =
        std::make_unique<Sequencer>(*log_, *memory_, std::move(opened.state), opened.chain, std::move(options));
    sequencer_->start();
    boot_ = "boot-" + std::to_string(++boots_);
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = boot_;
    boot.host = "host";
    boot.version = "test";
    ASSERT_EQ(sequencer_->propose(propose_group(requester(), boot)).outcome, Outcome::accepted);
    if (boots_ == 1) {
      ASSERT_EQ(sequencer_->propose(propose_group(requester(), pipeline_event(default_pipeline()))).outcome,
                Outcome::accepted);
    }
  }

  Requester requester(const std::string& key = {}, std::optional<std::uint64_t> request = {}) const {
    return {.boot = boot_, .actor = "test", .key = key, .request = request};
  }

  static fb::TaskCreatedT task(const std::string& work_item) {
    fb::TaskCreatedT event;
    event.work_item = work_item;
    event.repo = "shop";
    return event;
  }

  static fb::StageTransitionT transition(std::uint64_t task, const std::string& to, std::uint64_t version) {
    fb::StageTransitionT event;
    event.task = task;
    event.to = to;
    event.expected_version = version;
    return event;
  }

  Decision propose(const auto&... events) { return sequencer_->propose(propose_group(requester(), events...)); }

  /// The records of the log from `from` on, as "type outcome".
  std::vector<std::string> records(std::uint64_t from) {
    std::vector<std::string> lines;
    const auto read = memory_->read(Seq{from}, [&](RecordBytes bytes) {
      const fb::Record& record = *view_record(bytes).value();
      lines.push_back(std::string(fb::EnumNameEvent(record.event_type())) + " " +
                      std::string(name(Outcome{record.stamp()->outcome()})));
      return true;
    });
    EXPECT_TRUE(read);
    return lines;
  }

  std::atomic<std::int64_t> now_us_{0};
  std::shared_ptr<MemoryDisk> disk_;
  std::unique_ptr<MemoryLog> memory_;
  std::unique_ptr<GatedJournal> log_;
  std::unique_ptr<Sequencer> sequencer_;
  std::string boot_;
  int boots_ = 0;
};

TEST_F(SequencerTest, decisions_are_in_the_log_in_the_order_of_submission) {
  constexpr int count = 200;
  std::mutex mutex;
  std::vector<std::uint64_t> seqs;
  for (int i = 0; i < count; ++i) {
    sequencer_->submit({.group = propose_group(requester(), task("W-" + std::to_string(i))),
                        .done = [&](std::optional<Decision> decision) {
                          const std::lock_guard lock(mutex);
                          seqs.push_back(raw(decision->seq));
                        }});
  }
  sequencer_->ask([](const State&) { return 0; });
  const std::lock_guard lock(mutex);
  ASSERT_EQ(seqs.size(), std::size_t{count});
  for (int i = 0; i < count; ++i) EXPECT_EQ(seqs[static_cast<std::size_t>(i)], static_cast<std::uint64_t>(3 + i));
  EXPECT_EQ(raw(sequencer_->durable_seq()), 2u + count);
}

TEST_F(SequencerTest, nothing_is_answered_or_published_before_its_append) {
  std::atomic<int> published{0};
  std::atomic<bool> answered{false};
  sequencer_->subscribe([&](std::span<const Published> batch) { published += static_cast<int>(batch.size()); });
  log_->shut();
  sequencer_->submit({.group = propose_group(requester(), task("W-1")), .done = [&](const std::optional<Decision>&) {
                        EXPECT_EQ(published, 1)
                            << "published first, so that a client can find it as soon as it is answered";
                        answered = true;
                      }});
  log_->await_append();
  EXPECT_FALSE(answered);
  EXPECT_EQ(published, 0);
  EXPECT_EQ(raw(sequencer_->durable_seq()), 2u);
  log_->open();
  EXPECT_EQ(sequencer_->ask([](const State& state) { return state.tasks.size(); }), 1u);
  EXPECT_TRUE(answered);
}

TEST_F(SequencerTest, a_request_may_be_served_by_the_thread_that_submits_it) {
  int item = 0;
  // The sequencer's own thread may happen to be at work, and then takes it.
  EXPECT_TRUE(comes_true([&] {
    std::promise<std::thread::id> answered;
    {
      const Sequencer::ServesSoon here;
      sequencer_->submit(
          {.group = propose_group(requester(), task("W-" + std::to_string(++item))),
           .done = [&](const std::optional<Decision>&) { answered.set_value(std::this_thread::get_id()); }});
    }
    sequencer_->serve();
    return answered.get_future().get() == std::this_thread::get_id();
  }));
  EXPECT_EQ(records(3).size(), static_cast<std::size_t>(item));
}

TEST_F(SequencerTest, a_thread_that_serves_waits_for_no_append_but_its_own) {
  log_->shut();
  std::atomic<int> answered{0};
  const auto submit = [&](const std::string& item) {
    const Sequencer::ServesSoon here;
    sequencer_->submit(
        {.group = propose_group(requester(), task(item)), .done = [&](const std::optional<Decision>&) { ++answered; }});
  };
  std::thread appending([&] {
    submit("W-1");
    sequencer_->serve();
  });
  log_->await_append();
  for (const char* item : {"W-2", "W-3", "W-4"}) {
    submit(item);
    sequencer_->serve();
  }
  EXPECT_EQ(answered, 0);
  log_->open();
  appending.join();
  EXPECT_TRUE(comes_true([&] { return answered == 4; })) << "the batch that was left is appended by another thread";
  EXPECT_EQ(log_->batches().back(), 3u) << "as one batch";
}

TEST_F(SequencerTest, what_an_answer_submits_is_decided_although_no_thread_serves_it) {
  std::promise<void> second;
  const auto first_is_done = [&](const std::optional<Decision>&) {
    sequencer_->submit({.group = propose_group(requester(), task("W-2")),
                        .done = [&](const std::optional<Decision>&) { second.set_value(); }});
  };
  {
    const Sequencer::ServesSoon here;
    sequencer_->submit({.group = propose_group(requester(), task("W-1")), .done = first_is_done});
  }
  sequencer_->serve();
  EXPECT_EQ(second.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(SequencerTest, what_was_served_is_sealed_once_nothing_more_comes) {
  std::atomic<std::uint64_t> sealed{0};
  restart({.now = {}, .idle = [&] { sealed = raw(sequencer_->durable_seq()); }, .idle_after_ms = 1});
  {
    const Sequencer::ServesSoon here;
    sequencer_->submit(
        {.group = propose_group(requester(), task("W-1")), .done = [](const std::optional<Decision>&) {}});
  }
  sequencer_->serve();
  const auto last = sequencer_->ask([](const State& state) { return raw(state.last_seq); });
  EXPECT_TRUE(comes_true([&] { return sealed == last; }));
}

TEST_F(SequencerTest, a_read_waits_until_what_it_saw_is_durable) {
  log_->shut();
  sequencer_->submit({.group = propose_group(requester(), task("W-1")), .done = [](const std::optional<Decision>&) {}});
  sequencer_->submit({.group = propose_group(requester(), task("W-2")), .done = [](const std::optional<Decision>&) {}});
  log_->await_append();
  std::atomic<bool> looked{false};
  std::atomic<bool> answered{false};
  std::atomic<std::size_t> saw{0};
  sequencer_->read(
      [&](const State& state) {
        saw = state.tasks.size();
        looked = true;
      },
      [&] { answered = true; });
  EXPECT_FALSE(answered);
  log_->open();
  sequencer_->ask([](const State&) { return 0; });
  EXPECT_TRUE(looked);
  EXPECT_TRUE(answered);
  EXPECT_EQ(saw, 2u);
  EXPECT_EQ(raw(sequencer_->durable_seq()), 4u);
}

TEST_F(SequencerTest, what_comes_during_an_append_goes_into_one_batch) {
  log_->shut();
  sequencer_->submit({.group = propose_group(requester(), task("W-0")), .done = [](const std::optional<Decision>&) {}});
  log_->await_append();
  for (int i = 1; i <= 50; ++i) {
    sequencer_->submit({.group = propose_group(requester(), task("W-" + std::to_string(i))),
                        .done = [](const std::optional<Decision>&) {}});
  }
  log_->open();
  sequencer_->ask([](const State&) { return 0; });
  EXPECT_EQ(records(3).size(), 51u);
  EXPECT_LE(log_->batches().size(), 2u + 4u) << "the 50 waiting groups were not written one by one";
}

TEST_F(SequencerTest, a_batch_is_bounded_but_a_group_is_never_split) {
  restart({.batch_records_max = 4, .batch_bytes_max = 1 << 20, .now = {}});
  const std::size_t before = log_->batches().size();
  log_->shut();
  for (int i = 0; i < 6; ++i) {
    const std::string item = "W-" + std::to_string(i);
    sequencer_->submit({.group = propose_group(requester(), task(item + "a"), task(item + "b"), task(item + "c")),
                        .done = [](const std::optional<Decision>&) {}});
  }
  log_->await_append();
  log_->open();
  sequencer_->ask([](const State&) { return 0; });
  const auto batches = log_->batches();
  for (std::size_t i = before; i < batches.size(); ++i) {
    EXPECT_EQ(batches[i] % 3, 0u);
    EXPECT_LE(batches[i], 6u);
  }
}

TEST_F(SequencerTest, a_refused_group_changes_nothing_and_says_which_was_refused) {
  const Decision decision = propose(task("W-1"), transition(1, "review", 1), task("W-2"));
  EXPECT_EQ(decision.outcome, Outcome::no_such_edge);
  EXPECT_EQ(raw(decision.seq), 4u);
  EXPECT_TRUE(decision.effects.empty());
  EXPECT_EQ(records(3),
            (std::vector<std::string>{"TaskCreated skipped", "StageTransition no_such_edge", "TaskCreated skipped"}));
  EXPECT_FALSE(sequencer_->view(TaskId{1}));
}

TEST_F(SequencerTest, resolve_may_fill_in_the_group_or_call_it_off) {
  std::promise<std::optional<Decision>> called_off;
  sequencer_->submit({.group = propose_group(requester(), task("W-1")),
                      .resolve = [](const State&, Group&) { return false; },
                      .done = [&](std::optional<Decision> decision) { called_off.set_value(std::move(decision)); }});
  EXPECT_FALSE(called_off.get_future().get());
  EXPECT_TRUE(records(3).empty());

  std::promise<std::optional<Decision>> filled_in;
  sequencer_->submit({.group = propose_group(requester(), task("W-1")),
                      .resolve =
                          [this](const State&, Group& group) {
                            group.push_back(pawl::propose(requester(), task("W-2")));
                            return true;
                          },
                      .done = [&](std::optional<Decision> decision) { filled_in.set_value(std::move(decision)); }});
  EXPECT_EQ(raw(filled_in.get_future().get()->seq), 4u);
}

TEST_F(SequencerTest, the_33rd_equal_refusal_of_a_second_is_folded) {
  propose(task("W-1"));
  for (int i = 0; i < 32; ++i) {
    const Decision decision = propose(transition(1, "review", 1));
    EXPECT_EQ(decision.source, Decision::AnswerSource::decided) << i;
    EXPECT_EQ(raw(decision.seq), 4u + static_cast<unsigned>(i));
  }
  for (int i = 0; i < 10; ++i) {
    const Decision decision = propose(transition(1, "review", 1));
    EXPECT_EQ(decision.source, Decision::AnswerSource::folded);
    EXPECT_EQ(decision.outcome, Outcome::no_such_edge);
    EXPECT_EQ(raw(decision.seq), 4u) << "the seq of the first refusal";
  }
  EXPECT_EQ(propose(transition(1, "testing", 7)).outcome, Outcome::version_conflict)
      << "a different refusal, so not the same kind";
  EXPECT_EQ(records(4).size(), 33u);

  now_us_ += 1'000'000;
  sequencer_->ask([](const State&) { return 0; });
  propose(task("W-2"));
  const auto after = records(37);
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0], "RefusalsFolded accepted");
  const auto read = memory_->read(Seq{37}, [](RecordBytes bytes) {
    const auto* folded = view_record(bytes).value()->event_as_RefusalsFolded();
    EXPECT_EQ(folded->seq(), 4u);
    EXPECT_EQ(folded->count(), 10u);
    return false;
  });
  EXPECT_TRUE(read);
  EXPECT_EQ(propose(transition(1, "review", 1)).source, Decision::AnswerSource::decided)
      << "a second later the count restarts";
}

TEST_F(SequencerTest, what_was_folded_is_told_at_the_end) {
  propose(task("W-1"));
  for (int i = 0; i < 40; ++i) propose(transition(1, "review", 1));
  sequencer_->stop();
  const auto all = records(3);
  EXPECT_EQ(all.back(), "RefusalsFolded accepted");
  EXPECT_EQ(all.size(), 1u + 32u + 1u);
}

TEST_F(SequencerTest, what_is_accepted_is_never_folded_however_alike) {
  propose(task("W-1"));
  fb::TaskNoteT note;
  note.task = 1;
  note.text = "again";
  for (unsigned i = 0; i < 40; ++i) {
    const Decision decision = propose(note);
    EXPECT_EQ(decision.source, Decision::AnswerSource::decided);
    EXPECT_EQ(raw(decision.seq), 4u + i);
  }
  EXPECT_EQ(records(4).size(), 40u);
}

TEST_F(SequencerTest, keyed_refusals_are_never_folded) {
  propose(task("W-1"));
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Decision decision =
        sequencer_->propose(propose_group(requester("key-" + std::to_string(i), i), transition(1, "review", 1)));
    EXPECT_EQ(decision.source, Decision::AnswerSource::decided);
  }
  EXPECT_EQ(records(4).size(), 40u);
}

TEST_F(SequencerTest, a_key_is_answered_as_the_first_time_also_after_a_restart) {
  const Decision first = sequencer_->propose(propose_group(requester("key", 7), task("W-1")));
  EXPECT_EQ(first.source, Decision::AnswerSource::decided);
  for (int round = 0; round < 2; ++round) {
    const Decision again = sequencer_->propose(propose_group(requester("key", 7), task("W-1")));
    EXPECT_EQ(again.source, Decision::AnswerSource::replayed);
    EXPECT_EQ(again.seq, first.seq);
    EXPECT_EQ(again.outcome, Outcome::accepted);
    ASSERT_TRUE(again.first);
    EXPECT_EQ(again.first->task, TaskId{1});
    const Decision other = sequencer_->propose(propose_group(requester("key", 8), task("W-2")));
    EXPECT_EQ(other.source, Decision::AnswerSource::mismatched);
    restart();
  }
  EXPECT_EQ(sequencer_->ask([](const State& state) { return state.tasks.size(); }), 1u);
}

TEST_F(SequencerTest, a_keyed_group_is_answered_with_the_seq_that_it_was_answered_with) {
  const Decision first = sequencer_->propose(propose_group(requester("key", 7), task("W-1"), task("W-2")));
  EXPECT_EQ(raw(first.seq), 4u);
  EXPECT_EQ(sequencer_->propose(propose_group(requester("key", 7), task("W-1"), task("W-2"))).seq, first.seq);
  const Decision refused =
      sequencer_->propose(propose_group(requester("no", 7), task("W-3"), task("W-1"), task("W-4")));
  EXPECT_EQ(raw(refused.seq), 6u);
  const Decision again = sequencer_->propose(propose_group(requester("no", 7), task("W-3"), task("W-1"), task("W-4")));
  EXPECT_EQ(again.seq, refused.seq);
  EXPECT_EQ(again.outcome, Outcome::duplicate_work_item);
}

TEST_F(SequencerTest, a_replay_waits_for_the_first_to_be_durable) {
  log_->shut();
  std::atomic<int> answered{0};
  std::array<std::promise<void>, 2> answers;
  for (std::promise<void>& answer : answers) {
    sequencer_->submit(
        {.group = propose_group(requester("key", 7), task("W-1")), .done = [&](const std::optional<Decision>&) {
           ++answered;
           answer.set_value();
         }});
  }
  log_->await_append();
  EXPECT_EQ(answered, 0);
  log_->open();
  for (std::promise<void>& answer : answers) answer.get_future().wait();  // in either order
  EXPECT_EQ(records(3).size(), 1u);
}

TEST_F(SequencerTest, a_look_sees_the_state_right_after_the_decision_and_what_left_it) {
  propose(task("W-1"));
  std::promise<std::pair<bool, std::size_t>> seen;
  fb::CancelRequestedT cancel;
  cancel.task = 1;
  sequencer_->submit({.group = propose_group(requester(), cancel),
                      .look =
                          [&](const SeenDecision& look) {
                            seen.set_value({look.state.tasks.find(TaskId{1}) != nullptr, look.archived.size()});
                          },
                      .done = [](const std::optional<Decision>&) {}});
  EXPECT_EQ(seen.get_future().get(), (std::pair<bool, std::size_t>{false, 1}));
  sequencer_->ask([](const State&) { return 0; });
  EXPECT_TRUE(memory_->find(TaskId{1})) << "archived in the same batch";
}

TEST_F(SequencerTest, the_log_of_a_run_replays_with_its_chain) {
  for (int i = 0; i < 20; ++i) {
    propose(task("W-" + std::to_string(i)), transition(static_cast<std::uint64_t>(i) + 1, "development", 1));
  }
  const std::uint64_t digest = sequencer_->ask([](const State& state) { return state.digest(); });
  sequencer_->stop();
  const Opened opened = open_state(*memory_).value();
  EXPECT_EQ(opened.state.digest(), digest);
  EXPECT_EQ(raw(opened.state.last_seq), 42u);
}

TEST_F(SequencerTest, a_checkpoint_is_taken_every_so_many_records) {
  restart({.batch_records_max = 16, .batch_bytes_max = 1 << 20, .now = {}, .checkpoint_every = 10});
  for (int i = 0; i < 1000 && memory_->list().empty(); ++i) propose(task("W-" + std::to_string(i)));
  EXPECT_FALSE(memory_->list().empty());
}

TEST_F(SequencerTest, idle_is_told_once_after_the_last_write_and_at_the_end) {
  std::atomic<int> told{0};
  std::promise<void> first;
  restart({.batch_records_max = 16,
           .batch_bytes_max = 1 << 20,
           .now = {},
           .idle =
               [&] {
                 if (++told == 1) first.set_value();
               },
           .idle_after_ms = 1});
  first.get_future().wait();
  sequencer_->ask([](const State&) { return 0; });
  sequencer_->stop();
  EXPECT_LE(told, 3) << "at most the two writes of the start, and the end";
}

TEST_F(SequencerTest, what_an_answer_asks_is_answered_at_the_end_too) {
  // Routes look a second time when they are answered. The chain is long enough for stop() to arrive in the middle of
  // it.
  std::atomic<int> answered{0};
  constexpr int links = 20'000;
  std::function<void()> look = [&] {
    if (++answered < links) sequencer_->read([](const State&) {}, look);
  };
  sequencer_->read([](const State&) {}, look);
  sequencer_->stop();
  EXPECT_EQ(answered.load(), links);
}

TEST_F(SequencerTest, an_unsubscribed_listener_hears_no_more) {
  std::atomic<int> heard{0};
  std::uint64_t id = 0;
  id = sequencer_->subscribe([&](std::span<const Published>) {
    ++heard;
    sequencer_->unsubscribe(id);
  });
  propose(task("W-1"));
  propose(task("W-2"));
  EXPECT_EQ(heard, 1);
}

/// A sequencer whose log a second writer takes over.
class SupersededTest : public SequencerTest {
 protected:
  SupersededTest() {
    restart({.batch_records_max = 16,
             .batch_bytes_max = 1 << 20,
             .now = {},
             .superseded =
                 [this](const Error& error) {
                   EXPECT_EQ(error.code, ErrorCode::superseded);
                   if (++told_ == 1) first_told_.set_value();
                 },
             .idle = [this] { ++idle_; },
             .idle_after_ms = 1'000'000});
    sequencer_->subscribe([this](std::span<const Published> batch) { published_ += batch.size(); });
    propose(task("W-1"));
    durable_ = memory_->last_seq();
  }

  /// Submits a task, and returns its decision.
  std::future<std::optional<Decision>> submitted(const std::string& work_item) {
    auto promise = std::make_shared<std::promise<std::optional<Decision>>>();
    sequencer_->submit(
        {.group = propose_group(requester(), task(work_item)),
         .done = [promise](std::optional<Decision> decision) { promise->set_value(std::move(decision)); }});
    return promise->get_future();
  }

  static void expect_superseded(const std::optional<Decision>& decision) {
    ASSERT_TRUE(decision.has_value());
    EXPECT_EQ(decision->source, Decision::AnswerSource::superseded);
    EXPECT_EQ(decision->outcome, Outcome::stale_boot);
    EXPECT_TRUE(decision->effects.empty());
  }

  std::atomic<int> told_{0};
  std::promise<void> first_told_;
  std::atomic<int> idle_{0};
  std::atomic<std::size_t> published_{0};
  Seq durable_{};
};

TEST_F(SupersededTest, all_who_wait_or_come_later_are_answered_without_a_decision) {
  log_->shut();
  auto in_append = submitted("W-2");
  log_->await_append();
  auto behind_it = submitted("W-3");
  std::promise<std::size_t> saw;
  std::size_t tasks = 0;
  sequencer_->read([&](const State& state) { tasks = state.tasks.size(); }, [&] { saw.set_value(tasks); });
  write_as_another(*memory_, boot_);
  log_->open();

  expect_superseded(in_append.get());
  expect_superseded(behind_it.get());
  EXPECT_EQ(saw.get_future().get(), 1U) << "W-2 and W-3 were decided but never became durable";
  expect_superseded(propose(task("W-4")));
  EXPECT_EQ(sequencer_->ask([](const State& state) { return state.tasks.size(); }), 1U);
  first_told_.get_future().wait();
  EXPECT_TRUE(sequencer_->is_superseded());
}

TEST_F(SupersededTest, it_ends_in_good_order_and_its_owner_is_told_once) {
  write_as_another(*memory_, boot_);
  expect_superseded(propose(task("W-2")));
  expect_superseded(propose(task("W-3")));
  sequencer_->stop();
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(published_, 1U) << "W-1 alone";
  EXPECT_EQ(sequencer_->durable_seq(), durable_);
  EXPECT_EQ(memory_->last_seq(), next(durable_)) << "the other writer's record";
  EXPECT_EQ(idle_, 0) << "it must not set the seal";
  EXPECT_TRUE(open_state(*memory_).has_value());
}

TEST_F(SupersededTest, key_that_was_decided_and_lost_is_not_known_afterwards) {
  write_as_another(*memory_, boot_);
  const auto keyed = [&] { return sequencer_->propose(propose_group(requester("key-1", 7), task("W-2"))); };
  expect_superseded(keyed());
  expect_superseded(keyed());
  EXPECT_EQ(sequencer_->ask([](const State& state) { return state.keys.find("", "key-1"); }), nullptr);
}

TEST(SequencerDeath, a_failed_append_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        MemoryLog log;
        log.fail_append(1, MemoryLog::Failure::not_synced);
        Opened opened = open_state(log).value();
        Sequencer sequencer(log, log, std::move(opened.state), opened.chain,
                            {.batch_records_max = 16, .batch_bytes_max = 1 << 20, .now = [] { return TimeUs{1}; }});
        sequencer.start();
        fb::BootStartedT boot;
        boot.name = "pawld";
        boot.boot_id = "b";
        boot.host = "host";
        boot.version = "test";
        sequencer.propose(
            propose_group(Requester{.boot = "b", .actor = "test", .key = {}, .request = std::nullopt}, boot));
      },
      "the log cannot be written");
}

}  // namespace
}  // namespace pawl
