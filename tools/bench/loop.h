// What `pawl bench` asks for: the loops of its actors, each a fixed sequence of calls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl::bench {

/// One call of the daemon, or the same request to a log in this process.
enum class Verb : std::uint8_t {
  submit,
  acquire,
  renew,
  transition,
  release,
  claim,
  exited,
  cancel,
  note,
  task,   // reads one task
  queue,  // reads the queue page
};
constexpr std::size_t verbs = 11;
std::string_view name(Verb verb);

/// What an actor does again and again.
enum class ActorLoop : std::uint8_t {
  guarded,    // acquire, transition, release on a task of its own: the unit of work W
  contended,  // the same, but all actors fight for one task
  lease,      // acquire, renew, release
  submit,     // submit, cancel
  job,        // submit, claim, exited, cancel
  note,
  task,
  queue,
};
constexpr std::array<ActorLoop, 8> loops{ActorLoop::guarded, ActorLoop::contended, ActorLoop::lease, ActorLoop::submit,
                                         ActorLoop::job,     ActorLoop::note,      ActorLoop::task,  ActorLoop::queue};
std::string_view name(ActorLoop loop);
std::optional<ActorLoop> loop_named(std::string_view name);

/// The pipeline that the tasks of a benchmark have: stages `s1` to `s32`, each with an agent that no worker runs. So a
/// task can be moved 32 times before a new one is needed.
constexpr std::string_view pipeline_name = "pawl-bench";
constexpr std::string_view agent_name = "pawl-bench";
constexpr std::uint64_t stages = 32;
/// "s1"; after the last: "done".
std::string stage_name(std::uint64_t number);
/// All repositories of a benchmark begin so. Each actor has one of its own, since jobs of one repository may have to
/// run one after another.
constexpr std::string_view repo_prefix = "pawl-bench/";
std::string repo_name(std::size_t actor);

/// One request of one actor. The fields that its verb does not need are zero.
struct Op {
  Verb verb{};
  std::size_t actor = 0;
  std::uint64_t number = 0;  // of a submission: unique in this process
  std::uint64_t task = 0;
  std::uint64_t version = 0;
  std::uint64_t token = 0;
  std::uint64_t job = 0;
  std::uint64_t attempt = 0;
};

/// What came of it.
struct Reply {
  enum class Kind : std::uint8_t {
    done,
    lost,    // refused because another actor was faster: part of the contest
    empty,   // a claim that found no job
    failed,  // anything else
  };
  Kind kind = Kind::done;
  std::uint64_t id = 0;       // of the task created or the job claimed
  std::uint64_t token = 0;    // of the lease acquired
  std::uint64_t attempt = 0;  // of the job claimed
  std::string code = {};      // of a failure: "quota"
};

/// Whether a refusal only says that another actor was faster.
bool is_lost_race(std::string_view code);

}  // namespace pawl::bench
