#include "tools/forensics/log_source.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <filesystem>
#include <utility>

#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/number.h"
#include "store/base64.h"
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

/// Whether a walk that failed may end with what it has.
bool may_end(const LogWalk& walk, const Replica& replica, const Error& error) {
  const bool is_of_log =
      error.code == ErrorCode::damaged || error.code == ErrorCode::malformed || error.code == ErrorCode::unsupported;
  return walk.broken && is_of_log && replica.records() > 0;
}

LogBreak break_at(const Replica& replica, const Error& error, std::string raw) {
  const bool is_newer = error.code == ErrorCode::unsupported;
  return {.kind = is_newer ? LogBreak::Kind::newer : LogBreak::Kind::damaged,
          .at = next(replica.state().last_seq),
          .why = error.message + (is_newer ? "; reading it takes a newer pawl" : ""),
          .raw = std::move(raw)};
}

/// A record as `pawl export` writes one that it cannot read; empty if there are no bytes.
std::string raw_record(Journal& log, Seq seq) {
  std::string out;
  const Result<void> read = log.read(seq, [&](RecordBytes bytes) {
    out = "{\"seq\":" + std::to_string(raw(seq)) + ",\"bytes\":\"" + base64(bytes) + "\"}";
    return false;
  });
  return read ? out : std::string();
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

Result<void> walk_journal(Journal& journal, const LogWalk& walk) {
  Replica& replica = walk.begin({}, {});
  const Result<void> read = replica.read(journal);
  if (!read && !may_end(walk, replica, read.error())) return read.error();
  if (!read) {
    const Seq bad = replica.fault() ? replica.fault()->seq : next(replica.state().last_seq);
    walk.broken(break_at(replica, read.error(), raw_record(journal, bad)));
  }
  return {};
}

Result<std::optional<Seq>> walk_folder(const std::string& dir, const LogWalk& walk) {
  const std::unique_ptr<Log> log = PAWL_TRY(walk.broken ? open_part(dir) : open_log(dir, LogMode::read_only));
  ReadingProgress progress(walk.purpose);
  ShownJournal shown(*log, progress);
  PAWL_TRY(walk_journal(shown, walk));
  return log->torn_at();
}

/// Whether a line that is not a record of this version is the first of a group: then the group before it is whole.
bool begins_group(const std::string& line) {
  const auto document = parse_json(line);
  const auto* fields = document && document->is_object() ? &document->get_object() : nullptr;
  const auto* seq = fields ? fields->if_contains("seq") : nullptr;
  const auto* group = fields ? fields->if_contains("group") : nullptr;
  return seq && group && *seq == *group;
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
  std::string refused;
  ReadingProgress progress(walk.purpose);
  const std::uint64_t bytes_total = size_of(path);
  std::uint64_t bytes_read = 0;
  LineReader reader;
  reader.refused = [&](const std::string& line) { refused = line; };
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
  const Result<void> read = read_lines(path, reader);
  if (!read && begins_group(refused)) PAWL_TRY(replica->finish());
  if (!read && !may_end(walk, *replica, read.error())) return read.error();
  if (!read) {
    walk.broken(break_at(*replica, read.error(), refused));
  } else if (is_wanted) {
    PAWL_TRY(replica->finish());
  }
  return {};
}

}  // namespace

LogBreak break_at(const Difference& difference) {
  return {.kind = LogBreak::Kind::diverges, .at = difference.seq, .why = error_of(difference).message};
}

std::string in_words(const LogBreak& broken) {
  const std::string from = "from record " + std::to_string(raw(broken.at)) + " on, ";
  std::string out = from +
                    (broken.kind == LogBreak::Kind::diverges ? "nothing is told: " : "the log cannot be read: ") +
                    broken.why + '\n';
  constexpr std::size_t raw_max = 1000;
  if (!broken.raw.empty()) {
    out += "  as it stands: " + broken.raw.substr(0, raw_max) + (broken.raw.size() > raw_max ? "…" : "") + '\n';
  }
  return out;
}

std::string break_json(const std::optional<LogBreak>& broken) {
  if (!broken) return "null";
  std::string out = "{\"kind\":";
  append_json_text(out, broken->kind == LogBreak::Kind::damaged ? "damaged"
                        : broken->kind == LogBreak::Kind::newer ? "newer"
                                                                : "diverges");
  out += ",\"seq\":" + std::to_string(raw(broken->at)) + ",\"why\":";
  append_json_text(out, broken->why);
  out += ",\"raw\":";
  append_json_text_or_null(out, broken->raw);
  return out + '}';
}

Result<std::optional<Seq>> walk_log(const std::string& path, const LogWalk& walk) {
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed)) return walk_folder(path, walk);
  PAWL_TRY(walk_lines(path, walk));
  return std::optional<Seq>();
}

LogWalker walker_of(std::string path) {
  return [path = std::move(path)](const LogWalk& walk) { return walk_log(path, walk); };
}

LogWalker walker_of(Journal& journal) {
  return [&journal](const LogWalk& walk) -> Result<std::optional<Seq>> {
    PAWL_TRY(walk_journal(journal, walk));
    return std::optional<Seq>();
  };
}

bool lies_in(const std::string& to, const std::string& log) {
  if (log == "-") return false;
  std::error_code ignored;
  const auto source = std::filesystem::weakly_canonical(log, ignored);
  auto at = std::filesystem::weakly_canonical(to, ignored);
  while (at.has_relative_path() && at != source) at = at.parent_path();
  return at == source;
}

Result<TimeUs> time_from(std::string_view text) {
  constexpr std::size_t date_bytes = sizeof("2026-06-15") - 1;
  std::string utc(text);
  if (utc.size() > date_bytes && utc[date_bytes] == ' ') utc[date_bytes] = 'T';
  const std::size_t sign = utc.find_first_of("+-", date_bytes);
  if (sign == std::string::npos) return parse_rfc3339(utc);
  const std::string offset = utc.substr(sign + 1);
  utc.resize(utc.find_last_not_of(' ', sign - 1) + 1);
  const auto read = parse_rfc3339(utc + "Z");
  // The offset is a time of day: 1970 began at zero.
  const auto ahead = parse_rfc3339("1970-01-01T" + offset + ":00Z");
  if (!read || !ahead) return Error{ErrorCode::malformed, "'" + std::string(text) + "' is not a time"};
  return TimeUs{text[text.size() - offset.size() - 1] == '+' ? read->us - ahead->us : read->us + ahead->us};
}

Result<Moment> moment_of(std::string_view text, std::string_view option) {
  if (const auto seq = read_number(text, option)) return Moment{Seq{*seq}, std::nullopt};
  const auto time = time_from(text);
  if (!time) {
    return Error{ErrorCode::malformed, std::string(option) + ": '" + std::string(text) +
                                           "' is neither a seq nor a time such as 2026-06-15T10:00:00Z"};
  }
  return Moment{std::nullopt, *time};
}

Result<std::unique_ptr<Log>> open_part(const std::string& dir) {
  auto log = open_log(dir, LogMode::readable_part);
  if (log || log.error().code != ErrorCode::damaged) return log;
  Error error = log.error();
  error.message += "; nothing of this log can be read: look for a backup, or for another copy of the folder";
  return error;
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
