#include "tools/forensics/witness_lines.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <filesystem>

#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "schema/time.h"
#include "store/open.h"
#include "tools/forensics/exported_lines.h"

namespace pawl {
namespace {

Error no_line(const std::string& why) {
  return {ErrorCode::malformed, "not a line of `pawl witness`: " + why};
}

template <std::size_t bytes>
bool are_digits(const std::string& text) {
  std::array<std::uint8_t, bytes> read{};
  return text.size() == 2 * bytes && read_hex(text, read);
}

Result<WitnessLine> line_of(const fb::Record& record) {
  std::string text;
  append_head_json(text, record);
  return read_witness_line(text);
}

std::string plural(std::uint64_t number, const std::string& thing) {
  return std::to_string(number) + ' ' + thing + (number == 1 ? "" : "s");
}

}  // namespace

std::string WitnessLine::text() const {
  return "{\"seq\":" + std::to_string(raw(seq)) + ",\"time\":\"" + time + "\",\"digest\":\"" + digest +
         "\",\"chain\":\"" + chain + "\"}";
}

Result<WitnessLine> read_witness_line(const std::string& text) {
  const auto document = parse_json(text);
  if (!document || !document->is_object()) return no_line("not a JSON object");
  const boost::json::object& object = document->get_object();
  const auto text_at = [&](std::string_view name) {
    const auto* found = object.if_contains(boost::json::string_view(name));
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  const auto* seq = object.if_contains("seq");
  if (!seq || !seq->is_int64() || seq->get_int64() < 1) return no_line("seq");
  WitnessLine line{.seq = Seq{static_cast<std::uint64_t>(seq->get_int64())},
                   .time = text_at("time"),
                   .digest = text_at("digest"),
                   .chain = text_at("chain")};
  if (!parse_rfc3339(line.time)) return no_line("time");
  if (!are_digits<sizeof(std::uint64_t)>(line.digest)) return no_line("digest");
  if (!are_digits<sizeof(Chain)>(line.chain)) return no_line("chain");
  if (object.size() != 4) return no_line("it has unknown members");
  return line;
}

Result<WitnessLine> head_of_log(const std::string& path) {
  std::vector<std::uint8_t> last;
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed)) {
    const std::unique_ptr<Log> log = PAWL_TRY(open_log(path, LogMode::read_only));
    PAWL_TRY(log->read(log->last_seq(), [&](RecordBytes bytes) {
      last.assign(bytes.begin(), bytes.end());
      return false;
    }));
  } else {
    PAWL_TRY(read_lines(path, {.checkpoint = [](const ExportedCheckpoint&) { return Result<void>(); },
                               .record =
                                   [&](std::vector<std::uint8_t> bytes, const std::string&) {
                                     last = std::move(bytes);
                                     return Result<bool>(true);
                                   }}));
  }
  if (last.empty()) return Error{ErrorCode::missing, path + ": has no records"};
  return line_of(*PAWL_TRY(view_record(last)));
}

Result<Witness> Witness::read(const std::string& path) {
  Witness witness;
  witness.path_ = path == "-" ? "standard input" : path;
  PAWL_TRY(read_text_lines(path, [&](const std::string& text, std::uint64_t number) -> Result<bool> {
    witness.lines_.push_back(PAWL_TRY(read_witness_line(text)));
    witness.lines_.back().number = number;
    return true;
  }));
  if (witness.lines_.empty()) return Error{ErrorCode::malformed, witness.path_ + ": has no lines"};
  std::stable_sort(witness.lines_.begin(), witness.lines_.end(),
                   [](const WitnessLine& left, const WitnessLine& right) { return left.seq < right.seq; });
  return witness;
}

void Witness::begin(Seq last, const Chain& chain) {
  last_ = last;
  for (next_ = 0; next_ < lines_.size() && lines_[next_].seq <= last; ++next_) {
    const WitnessLine& line = lines_[next_];
    // Before a checkpoint, only the last record's chain is known.
    line.seq == last ? compare(line, line.time, line.digest, hex(chain)) : void(++before_);
  }
}

void Witness::see(const fb::Record& record) {
  const Seq seq{record.stamp()->seq()};
  last_ = seq;
  last_time_ = rfc3339({record.stamp()->time_us()});
  for (; next_ < lines_.size() && lines_[next_].seq <= seq; ++next_) {
    const WitnessLine& line = lines_[next_];
    if (line.seq < seq) {  // only a restore leaves seqs out: any other gap has ended the walk
      restored_.push_back({line.seq, seq});
    } else {
      compare(line, last_time_, hex(record.stamp()->digest()), hex(chain_of(record)));
    }
  }
}

void Witness::compare(const WitnessLine& line, const std::string& time, const std::string& digest,
                      const std::string& chain) {
  if (line.chain == chain && line.time == time && line.digest == digest) {
    ++agreed_;
    if (!contradiction_) agreed_at_ = line.seq;
    return;
  }
  if (contradiction_) {
    ++contradiction_->more;
    return;
  }
  contradiction_ = {.line = line, .what = {}, .agreed_at = agreed_at_};
  const std::string saw = path_ + ", line " + std::to_string(line.number) + ", saw this record with ";
  if (line.chain == chain) {
    // The chain covers time and digest too, so the line was changed.
    contradiction_->what = saw + "the same chain but another time or digest: the line was changed, not the log";
    return;
  }
  const std::string where =
      agreed_at_ ? "between record " + std::to_string(raw(*agreed_at_)) + ", on which a line agrees, and " : "up to ";
  contradiction_->what = saw + "the chain " + line.chain.substr(0, 16) + "…, of " + line.time + "; here it has " +
                         chain.substr(0, 16) + "…, of " + time + ": history " + where +
                         "this record was rewritten after that line was taken";
}

Findings Witness::findings(bool is_whole) const {
  Findings found;
  if (contradiction_) {
    std::string what = contradiction_->what;
    if (contradiction_->more > 0) what += "; " + plural(contradiction_->more, "line") + " after it differ too";
    found.push_back({.kind = Finding::Kind::rewritten, .seq = contradiction_->line.seq, .what = std::move(what)});
    if (contradiction_->agreed_at) found.back().led_by.push_back(*contradiction_->agreed_at);
  }
  if (is_whole && next_ < lines_.size()) {
    const WitnessLine& line = lines_[next_];
    std::string what = path_ + ", line " + std::to_string(line.number) + ", saw record " +
                       std::to_string(raw(line.seq)) + " of " + line.time +
                       ", but the log ends here: it was cut off, or put back without 'pawl restore', or is a copy that "
                       "was made earlier";
    if (left() > 1) what += "; " + plural(left() - 1, "more line") + " beyond the end";
    found.push_back({.kind = Finding::Kind::cut_off, .seq = last_, .what = std::move(what)});
  }
  return found;
}

}  // namespace pawl
