#include "store/checkpoint.h"

#include <algorithm>

#include "store/rows_in_checkpoint.h"

namespace pawl {
namespace {

Error damaged_checkpoint(const std::string& what) {
  return {ErrorCode::damaged, "the checkpoint is damaged: " + what};
}

/// The vector of a table's rows, in row order.
auto pack_rows(flatbuffers::FlatBufferBuilder& builder, const auto& rows) {
  std::vector<decltype(pack_row(builder, rows.begin()->second))> tables;
  tables.reserve(rows.size());
  for (const auto& [key, row] : rows) tables.push_back(pack_row(builder, row));
  return builder.CreateVector(tables);
}

flatbuffers::Offset<fb::KeyRow> pack_key(flatbuffers::FlatBufferBuilder& builder, std::uint64_t order,
                                         const KeyRow& row) {
  fb::KeyRowT key;
  key.key = row.key;
  key.request = row.request;
  key.seq = raw(row.seq);
  key.outcome = static_cast<std::uint16_t>(row.outcome);
  key.task = raw(row.task);
  key.job = raw(row.job);
  key.token = raw(row.token);
  key.order = order;
  key.principal = row.principal;
  return fb::KeyRow::Pack(builder, &key);
}

std::vector<std::uint8_t> bytes_of(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// Loads rows, which must have distinct keys in ascending order.
template <class Key, class Row>
bool load_rows(const auto& tables, Table<Key, Row>& rows, auto unpack, auto key_of) {
  for (const auto* table : tables) {
    Row row = unpack(*table);
    const Key key = key_of(row);
    if (rows.size() > 0 && !(rows.rows().rbegin()->first < key)) return false;
    rows.load(key, std::move(row));
  }
  return true;
}

/// Checks that rows refer only to rows that exist: the rules rely on it and do not check again.
Result<void> check_references(const State& state) {
  const Ids& ids = *state.ids.find(0);
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (row.definition->stages.empty())
      return damaged_checkpoint("pipeline " + std::to_string(raw(seq)) + " has no stages");
  }
  for (const auto& [id, task] : state.tasks.rows()) {
    const std::string where = "task " + std::to_string(raw(id));
    if (id == TaskId{0} || id >= ids.next_task) return damaged_checkpoint(where + " was never created");
    const PipelineRow* pipeline = state.pipelines.find(task.pipeline);
    if (!pipeline) return damaged_checkpoint(where + " refers to a pipeline that does not exist");
    if (!is_terminal(task.stage) && !pipeline->definition->stage(task.stage)) {
      return damaged_checkpoint(where + " is on a stage that its pipeline does not have");
    }
  }
  for (const auto& [id, job] : state.jobs.rows()) {
    const std::string where = "job " + std::to_string(raw(id));
    if (id == JobId{0} || id >= ids.next_job) return damaged_checkpoint(where + " was never queued");
    if (!state.tasks.find(job.task)) return damaged_checkpoint(where + " refers to a task that does not exist");
    if (job.status == JobStatus::running && !job.run) return damaged_checkpoint(where + " is running but has no run");
    // The owner of an ended job may already be forgotten: the number of boots is limited, but a task's age is not.
    if (job.status == JobStatus::running && !state.boots.find(job.run->owner.boot_id)) {
      return damaged_checkpoint(where + " has an unknown owner");
    }
  }
  for (const auto& [key, lease] : state.leases.rows()) {
    if (!state.boots.find(lease.owner.boot_id)) return damaged_checkpoint("lease '" + key + "' has an unknown owner");
  }
  Settings settings;
  for (const auto& [key, row] : state.settings_changed.rows()) {
    const SettingKey* setting = setting_named(key);
    if (!setting)
      return Error{ErrorCode::unsupported,
                   "the checkpoint has an unknown setting '" + key + "'; a newer pawl wrote it"};
    if (!setting->set(settings, row.value)) return damaged_checkpoint("setting '" + key + "' has an invalid value");
  }
  return {};
}

Result<void> load_tables(const fb::Checkpoint& checkpoint, State& state) {
  state.ids.load(0, unpack_row(*checkpoint.ids()));
  const auto unpack = [](const auto& table) { return unpack_row(table); };
  const bool in_order =
      load_rows(*checkpoint.tasks(), state.tasks, unpack, [](const Task& row) { return row.id; }) &&
      load_rows(*checkpoint.jobs(), state.jobs, unpack, [](const Job& row) { return row.id; }) &&
      load_rows(*checkpoint.leases(), state.leases, unpack, [](const Lease& row) { return row.key; }) &&
      load_rows(*checkpoint.boots(), state.boots, unpack, [](const Boot& row) { return row.boot_id; }) &&
      load_rows(*checkpoint.pipelines(), state.pipelines, unpack, [](const PipelineRow& row) { return row.seq; }) &&
      load_rows(*checkpoint.settings(), state.settings_changed, unpack,
                [](const SettingRow& row) { return row.key; }) &&
      (!checkpoint.repos() ||
       load_rows(*checkpoint.repos(), state.repos, unpack, [](const RepoRow& row) { return row.repo; })) &&
      (!checkpoint.holds() ||
       load_rows(*checkpoint.holds(), state.holds, unpack, [](const HoldRow& row) { return row.place; })) &&
      (!checkpoint.freezes() ||
       load_rows(*checkpoint.freezes(), state.freezes, unpack, [](const FreezeRow& row) { return row.pipeline; }));
  if (!in_order) return damaged_checkpoint("rows are not in key order");
  for (const fb::KeyRow* row : *checkpoint.keys()) {
    const auto outcome = outcome_numbered(row->outcome());
    if (!outcome) return Error{ErrorCode::unsupported, "the checkpoint has an unknown outcome; a newer pawl wrote it"};
    state.keys.remember({.key = row->key()->str(),
                         .request = row->request(),
                         .seq = Seq{row->seq()},
                         .outcome = *outcome,
                         .task = TaskId{row->task()},
                         .job = JobId{row->job()},
                         .token = Token{row->token()},
                         .principal = row->principal() ? row->principal()->str() : std::string()});
  }
  return {};
}

/// The verifier's default limit is meant for small messages; the checksum of the bytes has already been checked.
flatbuffers::Verifier verifier_of(std::span<const std::uint8_t> bytes) {
  constexpr flatbuffers::uoffset_t depth_max = 64;
  return {bytes.data(), bytes.size(), depth_max, static_cast<flatbuffers::uoffset_t>(bytes.size() / 4 + 1)};
}

}  // namespace

StoredCheckpoint pack_checkpoint(const State& state, const Chain& chain) {
  flatbuffers::FlatBufferBuilder builder(64 * 1024);
  builder.ForceDefaults(true);
  // In field order; each field's rows are written before it.
  const auto chain_bytes = builder.CreateVector(chain.data(), chain.size());
  const auto ids = pack_row(builder, *state.ids.find(0));
  const auto tasks = pack_rows(builder, state.tasks.rows());
  const auto jobs = pack_rows(builder, state.jobs.rows());
  const auto leases = pack_rows(builder, state.leases.rows());
  const auto boots = pack_rows(builder, state.boots.rows());
  const auto settings = pack_rows(builder, state.settings_changed.rows());
  const auto pipelines = pack_rows(builder, state.pipelines.rows());
  std::vector<flatbuffers::Offset<fb::KeyRow>> key_rows;
  for (const auto& [order, row] : state.keys.rows()) key_rows.push_back(pack_key(builder, order, row));
  const auto keys = builder.CreateVector(key_rows);
  const auto totals = fb::CreateTotals(builder, state.indexes.archived_done, state.indexes.archived_cancelled);
  decltype(pack_rows(builder, state.repos.rows())) repos = 0;
  if (state.repos.size() > 0) repos = pack_rows(builder, state.repos.rows());
  decltype(pack_rows(builder, state.holds.rows())) holds = 0;
  if (state.holds.size() > 0) holds = pack_rows(builder, state.holds.rows());
  decltype(pack_rows(builder, state.freezes.rows())) freezes = 0;
  if (state.freezes.size() > 0) freezes = pack_rows(builder, state.freezes.rows());
  const auto checkpoint = fb::CreateCheckpoint(builder, raw(state.last_seq), state.last_time.us, state.digest(),
                                               state.archived_digest(), chain_bytes, ids, tasks, jobs, leases, boots,
                                               settings, pipelines, keys, totals, repos, holds, freezes);
  fb::FinishCheckpointBuffer(builder, checkpoint);
  return {state.last_seq, bytes_of(builder)};
}

Result<Restored> unpack_checkpoint(const std::vector<std::uint8_t>& bytes) {
  flatbuffers::Verifier verifier = verifier_of(bytes);
  if (bytes.size() < 8 || !fb::CheckpointBufferHasIdentifier(bytes.data()) || !fb::VerifyCheckpointBuffer(verifier)) {
    return damaged_checkpoint("its structure is not valid");
  }
  const fb::Checkpoint& checkpoint = *fb::GetCheckpoint(bytes.data());
  Restored restored;
  if (checkpoint.chain()->size() != restored.chain.size()) return damaged_checkpoint("its chain has the wrong length");
  std::copy(checkpoint.chain()->begin(), checkpoint.chain()->end(), restored.chain.begin());

  State& state = restored.state;
  PAWL_TRY(check_enums(checkpoint));
  PAWL_TRY(load_tables(checkpoint, state));
  PAWL_TRY(check_references(state));
  state.last_seq = Seq{checkpoint.seq()};
  state.last_time = TimeUs{checkpoint.time_us()};
  state.loaded(checkpoint.archived_digest(), checkpoint.totals()->done(), checkpoint.totals()->cancelled());
  if (state.digest() != checkpoint.digest())
    return damaged_checkpoint("the digest of its rows differs from the stored one");
  return restored;
}

ArchivedBytes pack_archived(const ArchivedTask& archived, Seq seq) {
  flatbuffers::FlatBufferBuilder builder(1024);
  builder.ForceDefaults(true);
  const auto task = pack_row(builder, archived.task);
  std::vector<flatbuffers::Offset<fb::JobRow>> job_rows;
  for (const Job& job : archived.jobs) job_rows.push_back(pack_row(builder, job));
  const auto jobs = builder.CreateVector(job_rows);
  builder.Finish(fb::CreateArchived(builder, task, jobs, raw(seq)));
  return {archived.task.id, bytes_of(builder)};
}

Result<Unarchived> unpack_archived(RecordBytes bytes) {
  const Error error{ErrorCode::damaged, "an archived task is damaged"};
  flatbuffers::Verifier verifier = verifier_of(bytes);
  if (!verifier.VerifyBuffer<fb::Archived>(nullptr)) return error;
  const fb::Archived& archived = *flatbuffers::GetRoot<fb::Archived>(bytes.data());
  Unarchived unarchived;
  if (!enums_are_known(archived)) return error;
  unarchived.rows.task = unpack_row(*archived.task());
  unarchived.rows.task.hash = row_hash(RowKind::task, unarchived.rows.task);
  for (const fb::JobRow* table : *archived.jobs()) {
    Job job = unpack_row(*table);
    job.hash = row_hash(RowKind::job, job);
    unarchived.rows.jobs.push_back(std::move(job));
  }
  unarchived.seq = Seq{archived.seq()};
  return unarchived;
}

}  // namespace pawl
