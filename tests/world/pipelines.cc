#include "tests/world/pipelines.h"

namespace pawl::hostile {
namespace {

const CommandLine some_command = {"agent"};  // each gets its own below

Pipeline with_commands(const std::string& name, const PipelineStep& merge, const PipelineStep& deploy) {
  const Gate gate{.run = some_command};
  PipelineStep retest{.name = "retest", .run = some_command};
  Pipeline pipeline{.name = name, .agents = {}, .stages = {}};
  pipeline.agents = {{.name = "builder", .run = some_command}, {.name = "shipper", .run = some_command}};
  pipeline.stages = {
      {.name = "build", .agent = "builder", .gate = gate, .to = "deploy-staging"},
      {.name = "deploy-staging",
       .agent = "shipper",
       .gate = gate,
       .to = "deploy",
       .steps = {retest, merge},
       .rollback = "build"},
      {.name = "deploy", .gate = gate, .to = "done", .steps = {deploy}, .rollback = "build"},
  };
  return pipeline;
}

/// Several effects on one edge, one of which stands when the next fails; no way back, and a stage without a gate.
Pipeline chained(PipelineStep merge, PipelineStep publish) {
  merge.not_done_exit_codes.clear();
  publish.name = "publish";
  publish.exclusive = false;
  const PipelineStep announce{.name = "announce", .run = some_command, .timeout_s = 120};
  Pipeline pipeline{.name = "chained", .agents = {}, .stages = {}};
  pipeline.agents = {{.name = "builder", .run = some_command}};
  pipeline.stages = {
      {.name = "build", .agent = "builder", .to = "ship"},
      {.name = "ship",
       .agent = "builder",
       .gate = Gate{.run = some_command},
       .to = "done",
       .steps = {announce, merge, publish}},
  };
  return pipeline;
}

/// People are asked on both edges: once with all the time in the world but ours, once by two who have to agree.
Pipeline asked(const PipelineStep& merge) {
  Pipeline pipeline{.name = "asked", .agents = {}, .stages = {}};
  pipeline.agents = {{.name = "builder", .run = some_command}};
  Gate one{.run = some_command};
  one.approve = Approval{.by = {"token:ann", "group:release"}, .timeout_s = 900};
  Gate both{.run = some_command};
  both.approve = Approval{.by = {"token:ann", "token:bob"},
                          .need = 2,
                          .not_submitter = true,
                          .timeout_s = 1200,
                          .on_timeout = ApprovalTimeout::roll_back};
  pipeline.stages = {
      {.name = "build", .agent = "builder", .gate = one, .to = "ship"},
      {.name = "ship", .gate = both, .to = "done", .steps = {merge}, .rollback = "build"},
  };
  return pipeline;
}

/// Each command names its kind and its step: that is all that identifies a process.
Pipeline with_names(Pipeline pipeline) {
  for (Stage& stage : pipeline.stages) {
    if (stage.gate && !stage.gate->run.empty()) stage.gate->run = {"gate"};
    for (PipelineStep& step : stage.steps) {
      if (!step.run.empty()) step.run = {"step", pipeline.name, step.name};
      if (!step.probe.empty()) step.probe = {"probe", pipeline.name, step.name};
    }
  }
  return pipeline;
}

}  // namespace

PipelineStep step_named(const std::string& pipeline, const std::string& step) {
  static const std::vector<Pipeline> all = pipelines();
  for (const Pipeline& each : all) {
    for (const Stage& stage : each.stages) {
      for (const PipelineStep& found : stage.steps) {
        if (each.name == pipeline && found.name == step) return found;
      }
    }
  }
  return {};
}

std::vector<Pipeline> pipelines() {
  const PipelineStep merge{
      .name = "merge", .run = some_command, .timeout_s = 120, .irreversible = true, .exclusive = true};
  const PipelineStep deploy{.name = "deploy", .run = some_command, .irreversible = true};
  PipelineStep known_merge = merge;
  known_merge.probe = some_command;
  known_merge.not_done_exit_codes = {3};
  known_merge.settle_s = 30;
  PipelineStep known_deploy = deploy;
  known_deploy.probe = some_command;
  known_deploy.settle_s = 30;
  return {default_pipeline(), with_names(with_commands("conclusive", known_merge, known_deploy)),
          with_names(with_commands("blunt", merge, deploy)), with_names(chained(known_merge, known_merge)),
          with_names(asked(known_merge))};
}

}  // namespace pawl::hostile
