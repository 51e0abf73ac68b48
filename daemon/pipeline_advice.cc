#include "daemon/pipeline_advice.h"

#include <algorithm>

#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_zone.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

/// The stages in the order that tasks pass through them, which may differ from the file's.
std::vector<std::size_t> way_of(const Pipeline& pipeline) {
  std::vector<std::size_t> way = {0};
  while (const Stage* next = pipeline.stage(pipeline.stages[way.back()].to)) {
    way.push_back(static_cast<std::size_t>(next - pipeline.stages.data()));
  }
  return way;
}

void look_at_rollbacks(const PipelineText& text, std::vector<PipelineAdvice>& advice) {
  const Pipeline& pipeline = text.pipeline;
  const std::vector<std::size_t> way = way_of(pipeline);
  for (std::size_t i = 0; i < way.size(); ++i) {
    const Stage& stage = pipeline.stages[way[i]];
    if (stage.rollback.empty()) continue;
    bool is_passed = false;  // the stage that it rolls back to
    for (std::size_t before = 0; before < i; ++before) {
      const Stage& passed = pipeline.stages[way[before]];
      is_passed = is_passed || passed.name == stage.rollback;
      const auto step = std::find_if(passed.steps.begin(), passed.steps.end(),
                                     [](const PipelineStep& each) { return each.irreversible; });
      if (!is_passed || step == passed.steps.end()) continue;
      advice.push_back({text.stage_lines[way[i]],
                        "stage '" + stage.name + "' rolls back to '" + stage.rollback +
                            "', before the irreversible step '" + step->name + "' of stage '" + passed.name +
                            "': a task that comes back runs that step a second time, with another PAWL_STEP_KEY"});
      break;
    }
  }
}

/// An approval is of what its own stage judged.
void look_at_approvals(const PipelineText& text, std::vector<PipelineAdvice>& advice) {
  const Stage* asks = nullptr;
  for (const std::size_t at : way_of(text.pipeline)) {
    const Stage& stage = text.pipeline.stages[at];
    if (stage.approval()) {
      asks = &stage;
    } else if (asks && !stage.steps.empty()) {
      advice.push_back(
          {text.stage_lines[at], "stage '" + stage.name + "' has steps but no `approve`: stage '" + asks->name +
                                     "' asks for approvals, and commits that are pushed after it are delivered without "
                                     "one; to prevent that, give this stage's gate an `approve` too"});
    }
  }
}

void look_at_probes(const PipelineText& text, std::vector<PipelineAdvice>& advice) {
  std::size_t command = text.pipeline.agents.size();  // as in commands_of()
  for (const Stage& stage : text.pipeline.stages) {
    ++command;
    for (const PipelineStep& step : stage.steps) {
      if (step.irreversible && !step.run.empty() && step.probe.empty()) {
        advice.push_back(
            {text.command_lines[command], "step '" + step.name + "' of stage '" + stage.name +
                                              "' is irreversible and has no probe: if its outcome is lost, the task is "
                                              "blocked until a person says whether it happened"});
      }
      command += 2;
    }
  }
}

void look_at_files(const PipelineText& text, std::vector<PipelineAdvice>& advice) {
  for (const VariableLine& variable : text.variables) {
    if (!variable.variable.file) continue;
    const Result<Descriptor> file = open_regular_file(*variable.variable.file);
    if (file) continue;
    advice.push_back({variable.line, variable.variable.name + ": " + file.error().message +
                                         "; commands that need it wait until it can be read"});
  }
}

void look_at_programs(const PipelineText& text, const std::string& path, std::vector<PipelineAdvice>& advice) {
  const std::vector<NamedCommand> commands = commands_of(text.pipeline, path);
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (const auto problem = program_problem(commands[i])) advice.push_back({text.command_lines[i], problem->what});
  }
}

/// A local time that comes twice or not at all; empty: it comes once.
std::string how_read(const Zone& zone, const std::string& text, std::int64_t minute, const TimeUs taken) {
  const Zone::Instants found = zone.at(minute);
  if (!found.is_skipped && !found.is_twice()) return {};
  return "'" + text + (found.is_skipped ? "' does not exist" : "' comes twice") +
         ", as the clocks change; it is read as " + zone.in_words(taken) + " (" + rfc3339(taken) + ')';
}

void look_at_freezes(const PipelineText& text, TimeUs now, std::vector<PipelineAdvice>& advice) {
  if (!text.pipeline.calendar) return;
  const Calendar& calendar = *text.pipeline.calendar;
  const auto zone = Zone::named(calendar.zone);
  if (!zone) return;
  for (std::size_t i = 0; i < calendar.freezes.size(); ++i) {
    const CalendarSpan& span = calendar.freezes[i];
    const auto covered = dated_span(span);
    const TimeUs from = zone->at(covered->from_minute).early;
    const TimeUs until = zone->at(covered->until_minute).late;
    if (until <= now) {
      advice.push_back({text.freeze_lines[i], "the freeze '" + in_words(span, false) + "' is over"});
      continue;
    }
    for (const std::string& how : {how_read(*zone, span.from, covered->from_minute, from),
                                   how_read(*zone, span.until, covered->until_minute, until)}) {
      if (!how.empty()) advice.push_back({text.freeze_lines[i], how});
    }
  }
}

}  // namespace

std::vector<PipelineAdvice> advice_on(const PipelineText& text, const std::string& path, TimeUs now) {
  std::vector<PipelineAdvice> advice;
  look_at_rollbacks(text, advice);
  look_at_approvals(text, advice);
  look_at_probes(text, advice);
  look_at_files(text, advice);
  look_at_programs(text, path, advice);
  look_at_freezes(text, now, advice);
  std::stable_sort(advice.begin(), advice.end(),
                   [](const PipelineAdvice& one, const PipelineAdvice& other) { return one.line < other.line; });
  return advice;
}

}  // namespace pawl
