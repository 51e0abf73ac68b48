#include "tools/forensics/log_source.h"

#include <filesystem>
#include <utility>

#include "schema/hex.h"
#include "tools/commands/sources.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/reading_progress.h"

namespace pawl {
namespace {

/// None if the checkpoint matches its line.
std::optional<Difference> difference_of(const ExportedCheckpoint& checkpoint) {
  const State& state = checkpoint.restored.state;
  const std::string digest = hex(state.digest());
  const std::string chain = hex(checkpoint.restored.chain);
  const auto differs = [&](const std::string& what, const std::string& recorded, const std::string& recomputed) {
    return Difference{.kind = Difference::Kind::checkpoint,
                      .seq = state.last_seq,
                      .what = what + " of the checkpoint",
                      .recorded = recorded,
                      .recomputed = recomputed};
  };
  if (checkpoint.digest != digest) return differs("digest", checkpoint.digest, digest);
  if (checkpoint.chain != chain) return differs("chain", checkpoint.chain, chain);
  return std::nullopt;
}

/// A journal that shows how far it has been read.
class ShownJournal final : public Journal {
 public:
  ShownJournal(Journal& journal, ReadingProgress& progress)
      : journal_(journal), progress_(progress), last_(raw(journal.last_seq())) {}

  Result<void> append(const Batch& batch, Seq expected_next) override { return journal_.append(batch, expected_next); }
  Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) override {
    std::uint64_t seq = raw(from);
    return journal_.read(from, [&](RecordBytes bytes) {
      progress_.show(seq, last_, seq);
      ++seq;
      return each(bytes);
    });
  }
  Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) override {
    return journal_.follow(from, each, std::move(stop));
  }
  Seq last_seq() const override { return journal_.last_seq(); }
  Result<void> seal() override { return journal_.seal(); }
  std::optional<Seq> torn_at() const override { return journal_.torn_at(); }

 private:
  Journal& journal_;
  ReadingProgress& progress_;
  std::uint64_t last_;
};

Result<std::optional<Seq>> walk_folder(const std::string& dir, const LogWalk& walk) {
  const std::unique_ptr<Log> log = PAWL_TRY(open_log(dir, LogMode::read_only));
  ReadingProgress progress(walk.purpose);
  ShownJournal shown(*log, progress);
  PAWL_TRY(walk.begin({}, {}).read(shown));
  return log->torn_at();
}

/// In bytes; 0 if it is not known.
std::uint64_t size_of(const std::string& path) {
  std::error_code failed;
  const std::uintmax_t bytes = path == "-" ? 0 : std::filesystem::file_size(path, failed);
  return failed ? 0 : bytes;
}

Result<void> walk_lines(const std::string& path, const LogWalk& walk) {
  Replica* replica = &walk.begin({}, {});
  bool is_wanted = true;
  ReadingProgress progress(walk.purpose);
  const std::uint64_t bytes_total = size_of(path);
  std::uint64_t bytes_read = 0;
  LineReader reader;
  reader.checkpoint = [&](ExportedCheckpoint checkpoint) -> Result<void> {
    auto difference = difference_of(checkpoint);
    if (difference && !walk.differs) {
      return Error{ErrorCode::damaged, "checkpoint: its digest or chain does not match its data"};
    }
    if (difference) {
      walk.differs(std::move(*difference));
      is_wanted = false;
      return {};
    }
    replica = &walk.begin(std::move(checkpoint.restored.state), checkpoint.restored.chain);
    return {};
  };
  reader.record = [&](const std::vector<std::uint8_t>& bytes, std::string line) -> Result<bool> {
    if (!is_wanted) return false;
    bytes_read += line.size() + 1;
    progress.show(bytes_read, bytes_total, fb::GetRecord(bytes.data())->stamp()->seq());
    return replica->add(bytes, std::move(line));
  };
  reader.redacted = walk.redacted;
  PAWL_TRY(read_lines(path, reader));
  if (is_wanted) PAWL_TRY(replica->finish());
  return {};
}

}  // namespace

Result<std::optional<Seq>> walk_log(const std::string& path, const LogWalk& walk) {
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed)) return walk_folder(path, walk);
  PAWL_TRY(walk_lines(path, walk));
  return std::optional<Seq>();
}

bool lies_in(const std::string& to, const std::string& log) {
  if (log == "-") return false;
  std::error_code ignored;
  const auto source = std::filesystem::weakly_canonical(log, ignored);
  auto at = std::filesystem::weakly_canonical(to, ignored);
  while (at.has_relative_path() && at != source) at = at.parent_path();
  return at == source;
}

Result<Moment> moment_of(std::string_view text, std::string_view option) {
  if (const auto seq = read_number(text, option)) return Moment{Seq{*seq}, std::nullopt};
  const auto time = parse_rfc3339(text);
  if (!time) {
    return Error{ErrorCode::malformed, std::string(option) + ": '" + std::string(text) +
                                           "' is neither a seq nor a time such as 2026-06-15T10:00:00Z"};
  }
  return Moment{std::nullopt, *time};
}

std::vector<OptionSpec> with_log_options(std::vector<OptionSpec> own) {
  own.push_back({"data", "DIR", "the data folder to read, even while a daemon has it open", 0, "PAWL_DATA"});
  own.push_back(config_option());
  return own;
}

Result<std::string> log_named(const std::optional<std::string>& word, const Arguments& arguments,
                              std::string_view command) {
  if (word && arguments.source_of({"data"}) == Source::command_line) {
    return Error{ErrorCode::malformed, std::string(command) + ": '" + *word + "' or --data: which log?"};
  }
  const auto data = arguments.value("data");
  if (word) return *word;
  if (data) return *data;
  return Error{ErrorCode::malformed,
               std::string(command) + ": which log? Name a data folder or a file, or set PAWL_DATA"};
}

Result<std::unique_ptr<Log>> open_data(const Arguments& arguments, std::string_view command) {
  if (const auto dir = arguments.value("data")) return open_log(*dir, LogMode::read_only);
  return Error{ErrorCode::malformed, std::string(command) + ": which data folder? Give --data DIR, or set PAWL_DATA"};
}

Result<Seq> seq_at(Journal& journal, const Moment& moment) {
  if (moment.seq) return *moment.seq;
  Seq last{};
  Result<void> viewed;
  PAWL_TRY(journal.read(Seq{1}, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      viewed = record.error();
      return false;
    }
    if ((*record)->stamp()->time_us() > moment.time->us) return false;
    last = Seq{(*record)->stamp()->seq()};
    return true;
  }));
  PAWL_TRY(viewed);
  return last;
}

}  // namespace pawl
