#include "store/rows_in_checkpoint.h"

namespace pawl {
namespace {

std::string text(const flatbuffers::String* field) {
  return field ? field->str() : std::string();
}

template <class T>
std::optional<T> optional(flatbuffers::Optional<T> field) {
  return field ? std::optional<T>(*field) : std::nullopt;
}

std::optional<TimeUs> optional_time(flatbuffers::Optional<std::int64_t> field) {
  return field ? std::optional<TimeUs>(TimeUs{*field}) : std::nullopt;
}

template <class T>
flatbuffers::Optional<T> stored(const std::optional<T>& value) {
  return value ? flatbuffers::Optional<T>(*value) : flatbuffers::nullopt;
}

flatbuffers::Optional<std::int64_t> stored(const std::optional<TimeUs>& value) {
  return value ? flatbuffers::Optional<std::int64_t>(value->us) : flatbuffers::nullopt;
}

std::unique_ptr<fb::OwnerT> pack_owner(const Owner& owner) {
  auto table = std::make_unique<fb::OwnerT>();
  table->boot_id = owner.boot_id;
  table->pid = owner.pid;
  table->actor = owner.actor;
  return table;
}

Owner unpack_owner(const fb::Owner& table) {
  return {.boot_id = table.boot_id()->str(), .pid = table.pid(), .actor = table.actor()->str()};
}

std::unique_ptr<fb::StepRowT> pack_step(const StepRow& step) {
  auto table = std::make_unique<fb::StepRowT>();
  table->version = raw(step.version);
  table->to = step.to;
  table->step = step.step;
  table->started = raw(step.started);
  table->run = step.run;
  table->irreversible = step.irreversible;
  table->state = step.state;
  table->boot = step.boot;
  return table;
}

StepRow unpack_step(const fb::StepRow& table) {
  return {.version = Version{table.version()},
          .to = table.to()->str(),
          .step = table.step()->str(),
          .started = Seq{table.started()},
          .run = text(table.run()),
          .irreversible = table.irreversible(),
          .state = table.state(),
          .boot = table.boot()->str()};
}

std::unique_ptr<fb::GateRowT> pack_gate(const GateRow& gate) {
  auto table = std::make_unique<fb::GateRowT>();
  table->version = raw(gate.version);
  table->gate = gate.gate;
  table->passed = stored(gate.passed);
  table->reason = gate.reason;
  table->seq = raw(gate.seq);
  return table;
}

GateRow unpack_gate(const fb::GateRow& table) {
  return {.version = Version{table.version()},
          .gate = table.gate()->str(),
          .passed = optional(table.passed()),
          .reason = text(table.reason()),
          .seq = Seq{table.seq()}};
}

std::unique_ptr<fb::RunRowT> pack_run(const Run& run) {
  auto table = std::make_unique<fb::RunRowT>();
  table->id = raw(run.id);
  table->owner = pack_owner(run.owner);
  table->claimed_us = run.claimed.us;
  table->pid = stored(run.pid);
  table->pid_start = stored(run.pid_start);
  table->started_us = stored(run.started);
  table->exit_code = stored(run.exit_code);
  table->exited_us = stored(run.exited);
  table->marked = run.marked;
  return table;
}

Run unpack_run(const fb::RunRow& table) {
  return {.id = RunId{table.id()},
          .owner = unpack_owner(*table.owner()),
          .claimed = TimeUs{table.claimed_us()},
          .pid = optional(table.pid()),
          .pid_start = optional(table.pid_start()),
          .started = optional_time(table.started_us()),
          .exit_code = optional(table.exit_code()),
          .exited = optional_time(table.exited_us()),
          .marked = table.marked()};
}

}  // namespace

fb::TaskRowT pack_row(const Task& row) {
  fb::TaskRowT table;
  table.id = raw(row.id);
  table.work_item = row.work_item;
  table.repo = row.repo;
  table.branch = row.branch;
  table.pipeline = raw(row.pipeline);
  table.stage = row.stage;
  table.version = raw(row.version);
  table.blocked = row.blocked;
  table.cancel_requested = row.cancel_requested;
  table.rollbacks = row.rollbacks;
  for (const TaskId task : row.depends_on) table.depends_on.push_back(raw(task));
  for (const StepRow& step : row.steps) table.steps.push_back(pack_step(step));
  if (row.gate) table.gate = pack_gate(*row.gate);
  table.last = std::make_unique<fb::LastTransitionT>();
  table.last->seq = raw(row.last.seq);
  table.last->boot = row.last.boot;
  table.last->actor = row.last.actor;
  table.created_us = row.created.us;
  table.entered_us = row.entered.us;
  return table;
}

Task unpack_row(const fb::TaskRow& table) {
  Task row;
  row.id = TaskId{table.id()};
  row.work_item = table.work_item()->str();
  row.repo = table.repo()->str();
  row.branch = text(table.branch());
  row.pipeline = Seq{table.pipeline()};
  row.stage = table.stage()->str();
  row.version = Version{table.version()};
  row.blocked = text(table.blocked());
  row.cancel_requested = text(table.cancel_requested());
  row.rollbacks = table.rollbacks();
  for (const std::uint64_t task : *table.depends_on()) row.depends_on.push_back(TaskId{task});
  for (const fb::StepRow* step : *table.steps()) row.steps.push_back(unpack_step(*step));
  if (table.gate()) row.gate = unpack_gate(*table.gate());
  row.last = {
      .seq = Seq{table.last()->seq()}, .boot = table.last()->boot()->str(), .actor = table.last()->actor()->str()};
  row.created = TimeUs{table.created_us()};
  row.entered = TimeUs{table.entered_us()};
  return row;
}

fb::JobRowT pack_row(const Job& row) {
  fb::JobRowT table;
  table.id = raw(row.id);
  table.task = raw(row.task);
  table.agent = row.agent;
  table.stage = row.stage;
  table.version = raw(row.version);
  table.status = row.status;
  table.attempts = row.attempts;
  table.max_attempts = row.max_attempts;
  table.interruptions = row.interruptions;
  table.reason = row.reason;
  if (row.run) table.run = pack_run(*row.run);
  table.queued_us = row.queued.us;
  return table;
}

Job unpack_row(const fb::JobRow& table) {
  Job row;
  row.id = JobId{table.id()};
  row.task = TaskId{table.task()};
  row.agent = table.agent()->str();
  row.stage = table.stage()->str();
  row.version = Version{table.version()};
  row.status = table.status();
  row.attempts = table.attempts();
  row.max_attempts = table.max_attempts();
  row.interruptions = table.interruptions();
  row.reason = text(table.reason());
  if (table.run()) row.run = unpack_run(*table.run());
  row.queued = TimeUs{table.queued_us()};
  return row;
}

fb::LeaseRowT pack_row(const Lease& row) {
  fb::LeaseRowT table;
  table.key = row.key;
  table.token = raw(row.token);
  table.owner = pack_owner(row.owner);
  table.edge = row.edge;
  table.ttl = stored(row.ttl_s);
  table.acquired_us = row.acquired.us;
  table.renewed_us = row.renewed.us;
  return table;
}

Lease unpack_row(const fb::LeaseRow& table) {
  Lease row;
  row.key = table.key()->str();
  row.token = Token{table.token()};
  row.owner = unpack_owner(*table.owner());
  row.edge = text(table.edge());
  row.ttl_s = optional(table.ttl());
  row.acquired = TimeUs{table.acquired_us()};
  row.renewed = TimeUs{table.renewed_us()};
  return row;
}

fb::BootRowT pack_row(const Boot& row) {
  fb::BootRowT table;
  table.boot_id = row.boot_id;
  table.name = row.name;
  table.pid = row.pid;
  table.pid_start = row.pid_start;
  table.host = row.host;
  table.version = row.version;
  table.started = raw(row.started);
  table.stale = row.stale;
  return table;
}

Boot unpack_row(const fb::BootRow& table) {
  Boot row;
  row.boot_id = table.boot_id()->str();
  row.name = table.name()->str();
  row.pid = table.pid();
  row.pid_start = table.pid_start();
  row.host = table.host()->str();
  row.version = table.version()->str();
  row.started = Seq{table.started()};
  row.stale = table.stale();
  return row;
}

fb::SettingRowT pack_row(const SettingRow& row) {
  fb::SettingRowT table;
  table.key = row.key;
  table.value = std::make_unique<fb::SettingValueT>(setting_value_event(row.value));
  return table;
}

SettingRow unpack_row(const fb::SettingRow& table) {
  SettingRow row;
  row.key = table.key()->str();
  const fb::SettingValue& value = *table.value();
  // The generated packing leaves out a list that is empty, and no setting's value is nothing.
  const bool is_empty_list = !value.flag().has_value() && !value.number().has_value() && !value.text() && !value.list();
  row.value = is_empty_list ? SettingValue(std::vector<std::string>()) : setting_value_from(value);
  return row;
}

fb::PipelineRowT pack_row(const PipelineRow& row) {
  fb::PipelineRowT table;
  table.seq = raw(row.seq);
  table.in_force = row.in_force;
  table.definition = std::make_unique<fb::PipelineDefinedT>(pipeline_event(*row.definition));
  return table;
}

PipelineRow unpack_row(const fb::PipelineRow& table) {
  PipelineRow row;
  row.seq = Seq{table.seq()};
  row.in_force = table.in_force();
  row.definition = std::make_shared<const Pipeline>(pipeline_from(*table.definition()));
  return row;
}

fb::IdsRowT pack_row(const Ids& row) {
  fb::IdsRowT table;
  table.next_task = raw(row.next_task);
  table.next_job = raw(row.next_job);
  table.next_run = raw(row.next_run);
  return table;
}

Ids unpack_row(const fb::IdsRow& table) {
  Ids row;
  row.next_task = TaskId{table.next_task()};
  row.next_job = JobId{table.next_job()};
  row.next_run = RunId{table.next_run()};
  return row;
}

bool enums_are_known(const fb::TaskRow& table) {
  for (const fb::StepRow* step : *table.steps()) {
    if (step->state() > StepState::MAX) return false;
  }
  return true;
}

bool enums_are_known(const fb::JobRow& table) {
  return table.status() <= JobStatus::MAX;
}

Result<void> check_enums(const fb::Checkpoint& checkpoint) {
  bool known = true;
  for (const fb::TaskRow* task : *checkpoint.tasks()) known = known && enums_are_known(*task);
  for (const fb::JobRow* job : *checkpoint.jobs()) known = known && enums_are_known(*job);
  if (!known) return Error{ErrorCode::unsupported, "the checkpoint has a status that is not known here"};
  return {};
}

}  // namespace pawl
