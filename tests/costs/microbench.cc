// pawl_microbench: the time of each piece of work, by Google Benchmark. Its options are Google Benchmark's:
// --benchmark_filter=apply, --benchmark_repetitions=5, --benchmark_format=json.
//
// Besides the list of tests/costs/work.h: applying one event of each kind, and searching a job among many more.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "engine/rules/claim.h"
#include "engine/rules/group.h"
#include "store/memory_log.h"
#include "tests/costs/work.h"
#include "tools/bench/deliveries.h"
#include "tools/bench/pipeline.h"

namespace pawl::costs {
namespace {

void run(benchmark::State& timing, const Work& work) {
  const auto call = work.prepare();
  std::uint64_t units = 0;
  for (auto round : timing) {
    static_cast<void>(round);
    units += call();
  }
  timing.SetItemsProcessed(static_cast<std::int64_t>(units));
}

/// A log of deliveries in memory, by groups.
struct Groups {
  MemoryLog log;
  std::vector<std::vector<std::uint64_t>> words;
  std::vector<std::vector<const fb::Record*>> groups;

  Groups() {
    bench::Deliveries writer(log);
    for (unsigned i = 0; i < 200; ++i) writer.deliver();
    writer.flush();
    PAWL_ASSERT(log.read(Seq{1}, [&](RecordBytes bytes) {
      std::vector<std::uint64_t>& copy = words.emplace_back((bytes.size() + 7) / 8);
      std::memcpy(copy.data(), bytes.data(), bytes.size());
      const fb::Record* record = fb::GetRecord(copy.data());
      if (groups.empty() || groups.back().front()->stamp()->group() != record->stamp()->group()) groups.emplace_back();
      groups.back().push_back(record);
      return true;
    }));
  }
};

const Groups& groups() {
  static const Groups all;
  return all;
}

/// Applies the whole log, and takes the time of the groups that begin with that kind of event.
void apply_kind(benchmark::State& timing, fb::Event kind) {
  using std::chrono::steady_clock;
  std::int64_t applied = 0;
  for (auto round : timing) {
    static_cast<void>(round);
    State state;
    steady_clock::duration spent{};
    for (const auto& group : groups().groups) {
      const bool is_it = group.front()->event_type() == kind;
      const auto begin = is_it ? steady_clock::now() : steady_clock::time_point();
      const Reapplied result = reapply(state, group);
      if (!is_it) continue;
      spent += steady_clock::now() - begin;
      applied += static_cast<std::int64_t>(group.size());
      PAWL_ASSERT(!result.divergence);
    }
    timing.SetIterationTime(std::chrono::duration<double>(spent).count());
  }
  timing.SetItemsProcessed(applied);
}

/// The state of a daemon with so many queued jobs, in a hundred repositories.
std::unique_ptr<State> queued(unsigned jobs) {
  const Requester requester{.boot = "boot", .actor = "bench", .key = {}, .request = {}};
  auto state = std::make_unique<State>();
  state->last_time = TimeUs{1'767'225'600 * us_per_s};
  const auto tell = [&](Group group) {
    const Decided decided = decide(*state, std::move(group), state->last_time);
    PAWL_ASSERT(decided.outcome == Outcome::accepted);
  };
  fb::BootStartedT boot;
  boot.name = "pawld";
  boot.boot_id = requester.boot;
  boot.host = "bench";
  boot.version = "bench";
  tell(propose_group(requester, boot));
  tell(propose_group(requester, pipeline_event(bench::bench_pipeline())));
  for (unsigned i = 0; i < jobs; ++i) {
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(i);
    event.repo = "repo-" + std::to_string(i % 100);
    event.pipeline = bench::pipeline_name;
    tell(propose_group(requester, event));
  }
  return state;
}

void claim(benchmark::State& timing) {
  const auto state = queued(static_cast<unsigned>(timing.range(0)));
  const std::vector<std::string> agents{std::string(bench::agent_name)};
  for (auto round : timing) {
    static_cast<void>(round);
    benchmark::DoNotOptimize(
        first_claimable(*state, agents, {}, state->last_time, [](JobId) { return ClaimableJobs::Look::take; }));
  }
}

void add_all() {
  for (const Work& work : all_work()) {
    benchmark::RegisterBenchmark(std::string(work.name).c_str(), run, work)->Unit(benchmark::kMicrosecond);
  }
  std::map<fb::Event, bool> kinds;
  for (const auto& group : groups().groups) kinds[group.front()->event_type()] = true;
  for (const auto& [kind, is_there] : kinds) {
    benchmark::RegisterBenchmark((std::string("apply/") + fb::EnumNameEvent(kind)).c_str(), apply_kind, kind)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
  benchmark::RegisterBenchmark("claim/queued", claim)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace pawl::costs

int main(int count, char** words) {
  pawl::costs::add_all();
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
