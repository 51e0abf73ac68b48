#include "store/commit/start.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "store/os/process_identity.h"

namespace pawl {
namespace {

Error superseded_at_start() {
  return {ErrorCode::superseded, "another writer took the log while this daemon started"};
}

}  // namespace

std::string boot_version(std::string version, std::optional<Seq> torn_at) {
  if (torn_at) version += "+torn." + std::to_string(raw(*torn_at));
  return version;
}

std::vector<std::string> hosts_of_member(const State& state, const std::string& member) {
  std::vector<std::string> hosts;
  for (const auto& [id, boot] : state.boots.rows()) {
    if (boot.name == daemon_name && boot.member == member) hosts.push_back(boot.host);
  }
  return hosts;
}

bool another_led(const State& state, const std::string& member) {
  const Boot* last = nullptr;
  for (const auto& [id, boot] : state.boots.rows()) {
    if (boot.name == daemon_name && (!last || last->started < boot.started)) last = &boot;
  }
  // Earlier boots recorded no member: nothing is known about them except that they shared one folder.
  return last && last->member && *last->member != member;
}

KnownPipelines known_pipelines(const State& state) {
  KnownPipelines known;
  std::map<std::string, std::shared_ptr<const Pipeline>> given;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (row.in_force) known.in_force.push_back(*row.definition);
    // Earlier logs do not record who gave it: then it counts as given by the start.
    if (row.given.value_or(true)) given[row.definition->name] = row.definition;
  }
  for (const auto& [name, definition] : given) known.given.push_back(*definition);
  return known;
}

TimeBefore time_before(const State& state, std::optional<TimeUs> last_sign) {
  TimeBefore before{.last_sign = last_sign};
  if (raw(state.last_seq) == 0) return before;
  before.last_record = state.last_time;
  const Boot* last = state.boot_named(daemon_name);
  if (!last || !last->boottime_us || !last->started_at || !last->time_ns) return before;
  const std::string here = this_host();
  const HostParts ours = host_parts(here);
  const HostParts theirs = host_parts(last->host);
  const bool same_kernel = is_known(ours) && is_known(theirs) && ours.kernel_boot == theirs.kernel_boot;
  if (same_kernel && *last->time_ns == time_namespace() && is_known(*last->time_ns)) {
    before.base = {.time = *last->started_at, .boottime_us = *last->boottime_us};
  }
  return before;
}

BootClock boot_clock(Clock& clock) {
  return {.time_ns = time_namespace(), .boottime_us = clock.base().boottime_us, .gap_us = clock.gap_us()};
}

Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version,
                        const std::string& member, const BootClock& clock) {
  fb::BootStartedT event;
  event.name = daemon_name;
  event.boot_id = boot_id;
  event.pid = ::getpid();
  event.pid_start = pid_start_of(::getpid()).value_or(0);
  event.host = this_host();
  event.version = version;
  event.member = member;
  const Requester requester{.boot = boot_id, .actor = std::string(daemon_name), .key = {}, .request = std::nullopt};
  if (!clock.time_ns.empty()) {
    event.time_ns = clock.time_ns;
    event.boottime_us = clock.boottime_us;
  }
  Group group = propose_group(requester, event);
  if (clock.gap_us > 0) {
    fb::TimeGapT gap;
    gap.us = clock.gap_us;
    group.push_back(propose(requester, gap));
  }
  const Decision decision = machine.propose(std::move(group));
  if (decision.outcome == Outcome::accepted) return {};
  if (decision.source == Decision::AnswerSource::superseded) return superseded_at_start();
  return Error{ErrorCode::busy, "the log refuses this daemon's boot: " + std::string(name(decision.outcome))};
}

Result<std::vector<std::string>> define_pipelines(Machine& machine, const KnownPipelines& known,
                                                  const std::vector<Pipeline>& given, const Requester& requester) {
  const auto named = [](const std::vector<Pipeline>& pipelines, const std::string& name) -> const Pipeline* {
    const auto found =
        std::find_if(pipelines.begin(), pipelines.end(), [&](const Pipeline& each) { return each.name == name; });
    return found == pipelines.end() ? nullptr : &*found;
  };
  std::vector<fb::PipelineDefinedT> wanted;
  // What every log begins with, whatever is defined under that name later.
  const Pipeline standard = default_pipeline();
  Pipeline earlier = standard;  // as in earlier logs, from when a branch was created for every task
  earlier.branch.reset();
  const Pipeline* ours = named(known.in_force, standard.name);
  if (!ours || (*ours == earlier && !named(given, standard.name))) wanted.push_back(pipeline_event(standard));
  std::vector<std::string> passed_over;
  for (const Pipeline& pipeline : given) {
    const Pipeline* before = named(known.given, pipeline.name);
    if (!before || *before != pipeline) {
      wanted.push_back(pipeline_event(pipeline));
      wanted.back().given = true;
    } else if (const Pipeline* in_force = named(known.in_force, pipeline.name); *in_force != pipeline) {
      passed_over.push_back(pipeline.name);
    }
  }
  for (const fb::PipelineDefinedT& event : wanted) {
    const Decision decision = machine.propose(propose_group(requester, event));
    if (decision.outcome == Outcome::accepted) continue;
    if (decision.source == Decision::AnswerSource::superseded) return superseded_at_start();
    return Error{ErrorCode::malformed, "pipeline '" + event.name +
                                           "' is refused: " + std::string(name(decision.outcome)) +
                                           (decision.detail.empty() ? "" : ": " + decision.detail)};
  }
  return passed_over;
}

std::vector<RepoRow> repos_known(const State& state) {
  std::vector<RepoRow> rows;
  for (const auto& [repo, row] : state.repos.rows()) rows.push_back(row);
  return rows;
}

Result<DeclaredRepos> declare_repos(Machine& machine, const std::vector<RepoRow>& known,
                                    const std::map<std::string, std::string>& given, const Requester& requester) {
  DeclaredRepos done;
  std::map<std::string, const RepoRow*> rows;
  for (const RepoRow& row : known) {
    rows.emplace(row.repo, &row);
    const bool is_as_given = row.declared && row.given == row.url;
    if (is_as_given && !given.contains(row.repo)) done.left.push_back(row.repo);
  }
  for (const auto& [repo, url] : given) {
    const auto found = rows.find(repo);
    const RepoRow* row = found == rows.end() ? nullptr : found->second;
    if (row && row->given == url) {
      if (!row->declared || row->url != url) done.passed_over.push_back(repo);
      continue;
    }
    fb::RepoDeclaredT event;
    event.repo = repo;
    event.url = url;
    event.given = true;
    const Decision decision = machine.propose(propose_group(requester, event));
    if (decision.outcome == Outcome::accepted) continue;
    if (decision.source == Decision::AnswerSource::superseded) return superseded_at_start();
    return Error{ErrorCode::malformed, "repository '" + repo + "' is refused: " + std::string(name(decision.outcome)) +
                                           (decision.detail.empty() ? "" : ": " + decision.detail)};
  }
  return done;
}

Result<std::optional<std::string>> set_default_pipeline(Machine& machine, Seq last_seq,
                                                        const std::vector<Pipeline>& given,
                                                        const Requester& requester) {
  if (raw(last_seq) != 0 || given.size() != 1) return std::optional<std::string>();
  const std::string& pipeline = given.front().name;
  if (pipeline == Settings().pipeline.fallback) return std::optional<std::string>();
  fb::SettingChangedT event;
  event.key = "pipeline.default";
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(pipeline));
  const Decision decision = machine.propose(propose_group(requester, event));
  if (decision.outcome == Outcome::accepted) return std::optional(pipeline);
  if (decision.source == Decision::AnswerSource::superseded) return superseded_at_start();
  return Error{ErrorCode::malformed, "pipeline.default is refused: " + std::string(name(decision.outcome))};
}

}  // namespace pawl
