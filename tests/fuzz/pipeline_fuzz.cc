// Pipelines as people write them: the machine accepts what was read, and then holds the same.
#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_yaml.h"
#include "daemon/pipeline_yaml_text.h"
#include "engine/state/settings.h"
#include "schema/json/record_json.h"
#include "tests/fuzz/fuzz.h"
#include "tools/simulation/direct_machine.h"

namespace pawl::fuzz {

void pipeline(Bytes input) {
  const auto read = parse_pipeline(std::string(text_of(input)), "FILE", "/folder");
  if (!read) {
    PAWL_ASSERT(read.error().message.starts_with("FILE:"));
    return;
  }
  const Pipeline* pipeline = &read->pipeline;
  PAWL_ASSERT(read->command_lines.size() == commands_of(*pipeline, "/bin").size());
  PAWL_ASSERT(read->stage_lines.size() == pipeline->stages.size());
  const auto yaml = yaml_of(*pipeline);
  if (!yaml) assertion_failed(yaml.error().message.c_str(), __FILE__, __LINE__);  // whatever was read has a text
  const auto read_again = parse_pipeline(*yaml, "FILE", "/elsewhere");
  if (!read_again) assertion_failed(read_again.error().message.c_str(), __FILE__, __LINE__);
  PAWL_ASSERT(read_again->pipeline == *pipeline);
  fb::BootStartedT boot;
  boot.name = daemon_name;
  boot.boot_id = "boot";
  boot.host = "host";
  boot.version = "test";
  const Requester requester{.boot = "boot", .actor = "pawld", .key = {}, .request = {}};
  DirectMachine machine;
  machine.propose(propose_group(requester, boot));
  PAWL_ASSERT(machine.propose(propose_group(requester, pipeline_event(*pipeline))).outcome == Outcome::accepted);
  const PipelineRow* in_force = machine.state().pipeline_in_force(pipeline->name);
  PAWL_ASSERT(in_force && *in_force->definition == *pipeline);

  std::string line;
  append_record_json(line, machine.lines().back().record.record(), "[]");
  const auto again = read_record_line(line);
  if (!again) assertion_failed(again.error().message.c_str(), __FILE__, __LINE__);
  PAWL_ASSERT(pipeline_from(*again->record().event_as_PipelineDefined()) == *pipeline);
}

}  // namespace pawl::fuzz
