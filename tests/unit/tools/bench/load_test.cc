#include "tools/bench/load.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace pawl::bench {
namespace {

/// Carries out requests on leases and tasks of its own, one at a time, in the order of the actors.
class World {
 public:
  explicit World(Load& load) : load_(load) {}

  /// Until every actor has ended.
  void run() {
    std::vector<bool> ended(load_.actors(), false);
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (std::size_t actor = 0; actor < load_.actors(); ++actor) {
        if (ended[actor]) continue;
        const auto op = load_.next(actor);
        ended[actor] = !op;
        if (!op) continue;
        goes_on = true;
        if (++calls_ > calls_max) {
          ADD_FAILURE() << "it does not end";
          return;
        }
        said += (said.empty() ? "" : " ") + std::string(name(op->verb));
        load_.took(*op, answer(*op), clock_ns(), clock_ns());
      }
    }
  }

  std::string said;                                // the calls, in order
  std::map<Verb, std::string> fails;               // the code that each call fails with
  std::map<std::uint64_t, std::uint64_t> version;  // of each task
  std::map<std::uint64_t, std::uint64_t> held;     // task → token
  std::uint64_t jobless = 0;                       // the task whose job another has claimed

 private:
  Reply answer(const Op& op) {
    if (const auto code = fails.find(op.verb); code != fails.end()) {
      return {.kind = Reply::Kind::failed, .code = code->second};
    }
    switch (op.verb) {
      case Verb::submit:
        version[++tasks_] = 1;
        return {.id = tasks_};
      case Verb::acquire:
        if (version[op.task] > stages) return {.kind = Reply::Kind::lost, .code = "terminal"};
        if (held.contains(op.task)) return {.kind = Reply::Kind::lost, .code = "lease_held"};
        return {.token = held[op.task] = ++tokens_};
      case Verb::transition:
        EXPECT_EQ(op.version, version[op.task]);
        EXPECT_EQ(op.token, held[op.task]);
        ++version[op.task];
        return {};
      case Verb::release:
        EXPECT_EQ(op.token, held[op.task]);
        held.erase(op.task);
        return {};
      case Verb::claim:
        if (op.task == jobless) return {.kind = Reply::Kind::empty};
        return {.id = 70 + op.task, .attempt = 1};
      case Verb::exited:
        EXPECT_EQ(op.job, 70 + op.task);
        EXPECT_EQ(op.attempt, 1U);
        return {};
      case Verb::cancel:
        EXPECT_TRUE(op.job == 0 || op.job == 70 + op.task) << "that of an earlier round";
        return {};
      case Verb::renew:
      case Verb::note:
      case Verb::task:
      case Verb::queue:
        return {};
    }
    return {};
  }

  static constexpr unsigned calls_max = 100'000;

  Load& load_;
  unsigned calls_ = 0;
  std::uint64_t tasks_ = 0;
  std::uint64_t tokens_ = 0;
};

struct Ran {
  std::string said;
  Figures figures;
  std::vector<std::uint64_t> tasks;
};

Ran run(Load::Wish wish, const std::map<Verb, std::string>& fails = {}, std::uint64_t existing = 0) {
  std::uint64_t submissions = 0;
  wish.submissions = &submissions;
  wish.task = existing;
  Load load(std::move(wish));
  World world(load);
  world.fails = fails;
  if (existing != 0) world.version[existing] = 1;
  world.run();
  EXPECT_TRUE(world.held.empty() || fails.contains(Verb::release)) << "a lease was left behind";
  return {world.said, load.figures(), load.tasks()};
}

TEST(Load, each_loop_has_its_calls) {
  const auto once = [](ActorLoop loop) { return run({.loop = loop, .count = 1}, {}, 9).said; };
  EXPECT_EQ(once(ActorLoop::guarded), "submit acquire transition release");
  EXPECT_EQ(once(ActorLoop::lease), "acquire renew release");
  EXPECT_EQ(once(ActorLoop::submit), "submit cancel");
  EXPECT_EQ(once(ActorLoop::job), "submit claim exited cancel");
  EXPECT_EQ(once(ActorLoop::note), "note");
  EXPECT_EQ(once(ActorLoop::task), "task");
  EXPECT_EQ(once(ActorLoop::queue), "queue");
  EXPECT_EQ(run({.loop = ActorLoop::contended, .count = 1}, {}, 9).said, "acquire transition release");
}

TEST(Load, a_task_that_has_gone_through_all_stages_is_replaced) {
  const Ran ran = run({.loop = ActorLoop::guarded, .count = stages + 1});
  EXPECT_EQ(ran.figures.rounds, stages + 1);
  EXPECT_EQ(ran.figures.of_verb[static_cast<std::size_t>(Verb::submit)].done.count(), 2U);
  EXPECT_EQ(ran.tasks, std::vector<std::uint64_t>{2});
}

TEST(Load, of_those_who_fight_one_wins_each_round_and_the_others_lose_without_an_error) {
  const Ran ran = run({.loop = ActorLoop::contended, .actors = 3, .count = stages + 5}, {}, 9);
  EXPECT_GE(ran.figures.rounds, stages + 5);
  const VerbFigures& acquired = ran.figures.of_verb[static_cast<std::size_t>(Verb::acquire)];
  EXPECT_EQ(acquired.done.count(), ran.figures.rounds);
  EXPECT_GT(acquired.lost, acquired.done.count());
  EXPECT_TRUE(ran.figures.errors.empty());
}

TEST(Load, a_claim_that_finds_nothing_is_followed_by_the_cancel_of_its_own_task) {
  std::uint64_t submissions = 0;
  Load load({.loop = ActorLoop::job, .count = 2, .submissions = &submissions});
  World world(load);
  world.jobless = 2;
  world.run();
  EXPECT_TRUE(world.said.starts_with("submit claim exited cancel submit claim cancel")) << world.said;
}

TEST(Load, what_a_failed_call_has_begun_is_given_back) {
  const Ran ran = run({.loop = ActorLoop::guarded, .count = 1000}, {{Verb::transition, "blocked"}});
  EXPECT_TRUE(ran.said.starts_with("submit acquire transition release acquire transition release")) << ran.said;
}

TEST(Load, a_thousand_failures_in_a_row_end_it) {
  const Ran ran =
      run({.loop = ActorLoop::submit, .for_ns = std::int64_t{3600} * 1'000'000'000}, {{Verb::submit, "quota"}});
  EXPECT_EQ(ran.figures.errors.at("submit: quota"), 1000U);
  EXPECT_EQ(ran.figures.rounds, 0U);
}

TEST(Load, an_interrupt_ends_it_between_two_rounds) {
  const std::atomic<bool> is_interrupted{true};
  EXPECT_EQ(run({.loop = ActorLoop::guarded, .count = 5, .is_interrupted = &is_interrupted}).said, "");
}

TEST(Load, an_actor_that_thinks_is_due_later) {
  std::uint64_t submissions = 0;
  Load load({.loop = ActorLoop::queue, .count = 2, .think_ns = 50'000'000, .submissions = &submissions});
  EXPECT_LE(load.due_ns(0), clock_ns());
  const auto op = load.next(0);
  load.took(*op, {}, 100, 200);
  EXPECT_EQ(load.due_ns(0), 50'000'200);
}

}  // namespace
}  // namespace pawl::bench
