#include "tools/forensics/recorded_log.h"

#include <filesystem>

#include "store/checkpoint.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/replayer.h"

namespace pawl {
namespace {

class Reader {
 public:
  Reader() { begin({}, {}); }

  void begin(State state, const Chain& chain) {
    for (const auto& [id, job] : state.jobs.rows()) log_.jobs.add(job);
    replayer_.emplace(std::move(state), chain,
                      [this](std::span<const Replayer::Item> items, std::span<const ArchivedTask> archived) {
                        take(items, {archived.begin(), archived.end()});
                      });
  }
  void begin_after(ExportedCheckpoint checkpoint) {
    log_.checkpoint = pack_checkpoint(checkpoint.restored.state, checkpoint.restored.chain).bytes;
    begin(std::move(checkpoint.restored.state), checkpoint.restored.chain);
  }

  Result<bool> add(std::vector<std::uint8_t> bytes, std::string line = {}) {
    waiting_.push_back(bytes);
    PAWL_TRY(replayer_->add(std::move(bytes), std::move(line)));
    return !replayer_->difference();
  }

  Result<RecordedLog> finish() {
    if (!replayer_->difference()) PAWL_TRY(replayer_->finish());
    if (const auto& difference = replayer_->difference()) {
      return Error{ErrorCode::damaged, "record " + std::to_string(raw(difference->seq)) + " differs in its " +
                                           difference->what + "; 'pawl replay' shows both sides"};
    }
    return std::move(log_);
  }

 private:
  void take(std::span<const Replayer::Item> items, const std::vector<ArchivedTask>& archived) {
    RecordedGroup group;
    Effects effects;
    for (std::size_t i = 0; i < items.size(); ++i) {
      effects.insert(effects.end(), items[i].applied.effects.begin(), items[i].applied.effects.end());
      group.push_back({std::move(waiting_[i]), items[i].applied.effects});
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(items.size()));
    log_.jobs.add(replayer_->state(), archived, effects);
    log_.groups.push_back(std::move(group));
  }

  RecordedLog log_;
  std::optional<Replayer> replayer_;
  std::vector<std::vector<std::uint8_t>> waiting_;
};

}  // namespace

void JobPlaces::add(const Job& job) {
  JobPlace place{job.task, job.version, 0};
  while (jobs_.contains(place)) ++place.ordinal;
  places_.emplace(job.id, place);
  jobs_.emplace(place, job.id);
}

void JobPlaces::add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects) {
  for (const Effect& effect : effects) {
    if (effect.kind != EffectKind::job_queued || places_.contains(JobId{effect.id})) continue;
    if (const Job* job = after.jobs.find(JobId{effect.id})) add(*job);
    for (const ArchivedTask& task : archived) {
      for (const Job& job : task.jobs) {
        if (job.id == JobId{effect.id}) add(job);
      }
    }
  }
}

std::optional<JobPlace> JobPlaces::place_of(JobId job) const {
  const auto found = places_.find(job);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<JobId> JobPlaces::job_at(const JobPlace& place) const {
  const auto found = jobs_.find(place);
  return found == jobs_.end() ? std::nullopt : std::optional(found->second);
}

LogBeginning beginning_of(const RecordedLog& log) {
  if (log.checkpoint.empty()) return {};
  auto restored = unpack_checkpoint(log.checkpoint);
  PAWL_ASSERT(restored.has_value());  // It was packed here, from a state that is one.
  return {std::move(restored->state), restored->chain};
}

Result<RecordedLog> read_recorded(const std::string& path) {
  Reader recorded;
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed)) {
    const std::unique_ptr<Log> log = PAWL_TRY(open_log(path));
    Result<bool> taken = true;
    const Result<void> read = log->read(Seq{1}, [&](RecordBytes bytes) {
      taken = recorded.add({bytes.begin(), bytes.end()});
      return taken.has_value() && *taken;
    });
    PAWL_TRY(taken);
    PAWL_TRY(read);
    return recorded.finish();
  }
  LineReader reader;
  reader.checkpoint = [&](ExportedCheckpoint checkpoint) -> Result<void> {
    recorded.begin_after(std::move(checkpoint));
    return {};
  };
  reader.record = [&](std::vector<std::uint8_t> bytes, std::string line) -> Result<bool> {
    return recorded.add(std::move(bytes), std::move(line));
  };
  PAWL_TRY(read_lines(path, reader));
  return recorded.finish();
}

}  // namespace pawl
