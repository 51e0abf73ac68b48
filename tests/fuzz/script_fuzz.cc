// Scripts for `pawl simulate`: whatever one says, its log is valid.
#include <vector>

#include "engine/forensics/invariants.h"
#include "schema/json/record_json.h"
#include "tests/fuzz/fuzz.h"
#include "tools/forensics/line_form.h"
#include "tools/simulation/simulation.h"

namespace pawl::fuzz {
namespace {

/// The log replays without a difference, down to the form of its lines.
void check_replay(const std::vector<std::string>& lines) {
  Replica replica(State(), Chain{}, proving_policy());
  for (const std::string& line : lines) {
    const auto record = read_record_line(line);
    if (!record) assertion_failed(record.error().message.c_str(), __FILE__, __LINE__);
    PAWL_ASSERT(replica.add({record->data(), record->size()}, line).has_value());
    PAWL_ASSERT(!replica.difference());
  }
  PAWL_ASSERT(replica.finish().has_value() && !replica.difference());
}

/// None of its records breaks an invariant, unless the script switched off the setting that protects it.
void check_invariants(const std::vector<std::string>& lines) {
  State state;
  std::vector<Proposal> group;
  const auto check = [&] {
    std::vector<const fb::Record*> records;
    for (const Proposal& proposal : group) records.push_back(&proposal.record());
    if (records.empty()) return;
    for (const Finding& finding : check_group(state, records).findings) {
      const bool is_wrong = finding.kind == Finding::Kind::violation || finding.kind == Finding::Kind::divergence;
      if (is_wrong) assertion_failed(finding.what.c_str(), __FILE__, __LINE__);
    }
    group.clear();
  };
  for (const std::string& line : lines) {
    Proposal record = std::move(read_record_line(line)).value();
    if (record.stamp().group() == record.stamp().seq()) check();
    group.push_back(std::move(record));
  }
  check();
}

}  // namespace

void script(Bytes input) {
  const InputFile file(input);
  const auto script = read_script(file.path());
  if (!script) return PAWL_ASSERT(script.error().message.starts_with(file.path() + ", line "));
  std::vector<std::string> made;
  Simulation simulation(
      [&](std::string_view line) {
        if (!line.starts_with("{\"show\"")) made.emplace_back(line);
      },
      nullptr);
  for (const ScriptLine& line : *script) {
    const auto missed = simulation.play(line);
    if (!missed) break;
  }
  check_replay(made);
  check_invariants(made);
}

}  // namespace pawl::fuzz
