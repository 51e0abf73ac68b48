#include "daemon/startup.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/version.h"
#include "daemon/work/process_table.h"
#include "store/data_dir.h"

namespace pawl {

std::string boot_version(std::optional<Seq> torn_at) {
  std::string version(program_version);
  if (torn_at) version += "+torn." + std::to_string(raw(*torn_at));
  return version;
}

Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version) {
  fb::BootStartedT event;
  event.name = daemon_name;
  event.boot_id = boot_id;
  event.pid = ::getpid();
  event.pid_start = pid_start_of(::getpid()).value_or(0);
  event.host = this_host();
  event.version = version;
  const Asker asker{.boot = boot_id, .actor = std::string(daemon_name), .key = {}, .request = std::nullopt};
  const Decision decision = machine.propose(propose_group(asker, event));
  if (decision.outcome == Outcome::accepted) return {};
  return Error{ErrorCode::busy, "the log refuses this daemon's boot: " + std::string(name(decision.outcome))};
}

Result<void> define_pipelines(Machine& machine, const std::vector<Pipeline>& in_force,
                              const std::vector<Pipeline>& given, const Asker& asker) {
  const auto named = [](const std::vector<Pipeline>& pipelines, const std::string& name) {
    return std::find_if(pipelines.begin(), pipelines.end(), [&](const Pipeline& each) { return each.name == name; });
  };
  std::vector<Pipeline> wanted = given;
  // What every log begins with, whatever of that name follows.
  const Pipeline standard = default_pipeline();
  if (named(in_force, standard.name) == in_force.end()) wanted.insert(wanted.begin(), standard);
  for (const Pipeline& pipeline : wanted) {
    const auto known = named(in_force, pipeline.name);
    if (known != in_force.end() && *known == pipeline) continue;
    const Decision decision = machine.propose(propose_group(asker, pipeline_event(pipeline)));
    if (decision.outcome == Outcome::accepted) continue;
    return Error{ErrorCode::malformed, "pipeline '" + pipeline.name +
                                           "' is refused: " + std::string(name(decision.outcome)) +
                                           (decision.detail.empty() ? "" : ": " + decision.detail)};
  }
  return {};
}

SpaceWatch::SpaceWatch(std::filesystem::path folder, std::uint64_t floor_bytes)
    : folder_(std::move(folder)), floor_bytes_(floor_bytes) {
  look();  // Of the first two who ask at once, one would be told of what the other has not yet found out.
}

Readiness SpaceWatch::look() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_start).count();
  std::int64_t next_ms = next_look_ms_.load();
  if (now_ms >= next_ms && next_look_ms_.compare_exchange_strong(next_ms, now_ms + 1000)) {
    // What cannot be asked is not taken for full: an append that fails says so by itself.
    const auto free = pawl::free_bytes(folder_.string());
    free_bytes_.store(free ? *free : floor_bytes_);
  }
  const std::uint64_t free = free_bytes_.load();
  return {.has_space = free >= floor_bytes_, .free_bytes = free, .free_bytes_floor = floor_bytes_};
}

std::size_t raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlimit raised = limit;
  raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace pawl
