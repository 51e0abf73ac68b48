#include "tools/forensics/exported_lines.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/json/record_json.h"
#include "store/base64.h"
#include "store/chain.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::string_view checkpoint_head = "{\"checkpoint\":";
constexpr std::size_t checkpoint_line_bytes_max = std::size_t{4} * 1024 * 1024 * 1024;

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};
using LinesFile = std::unique_ptr<std::FILE, CloseFile>;

/// The next line without its end; none at the end of the file. `malformed` if it exceeds the maximum length.
Result<std::optional<std::string>> next_line(std::FILE* file) {
  std::string line;
  for (int letter = ::getc_unlocked(file); letter != EOF; letter = ::getc_unlocked(file)) {
    if (letter == '\n') return std::optional(std::move(line));
    line.push_back(static_cast<char>(letter));
    const bool is_checkpoint = line.size() > record_line_bytes_max && line.starts_with(checkpoint_head);
    if (line.size() > (is_checkpoint ? checkpoint_line_bytes_max : record_line_bytes_max)) {
      return Error{ErrorCode::malformed, "the line is too long"};
    }
  }
  if (std::ferror(file)) return Error{ErrorCode::io, std::strerror(errno)};
  if (line.empty()) return std::optional<std::string>();
  return std::optional(std::move(line));
}

std::string text_in(const json::object& object, const char* name) {
  const json::value* found = object.if_contains(name);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

Result<ExportedCheckpoint> read_checkpoint(std::string_view line) {
  const json::value document = PAWL_TRY(parse_json(line));
  const json::value& found = document.at("checkpoint");
  if (!found.is_object() || document.get_object().size() != 1) {
    return Error{ErrorCode::malformed, "checkpoint: must be an object, and alone on its line"};
  }
  const json::object& fields = found.get_object();
  const auto bytes = base64_decoded(text_in(fields, "data"));
  if (!bytes) return Error{ErrorCode::malformed, "checkpoint: data: not base64"};
  Restored restored = PAWL_TRY(unpack_checkpoint(*bytes));
  const json::value* seq = fields.if_contains("seq");
  if (!seq || !seq->is_int64() || static_cast<std::uint64_t>(seq->get_int64()) != raw(restored.state.last_seq)) {
    return Error{ErrorCode::malformed, "checkpoint: seq: does not match its data"};
  }
  return ExportedCheckpoint{std::move(restored), text_in(fields, "digest"), text_in(fields, "chain")};
}

/// Reads the lines one by one.
struct LineTaker {
  const LineReader& reader;
  bool may_be_checkpoint = true;

  Result<bool> take(std::string line, std::uint64_t number);
  Result<bool> take_record(std::string line);
};

Result<bool> LineTaker::take(std::string line, std::uint64_t number) {
  if (number == 1 && line == redacted_line) {
    if (reader.redacted) reader.redacted();
    return true;
  }
  if (std::exchange(may_be_checkpoint, false) && line.starts_with(checkpoint_head)) {
    auto checkpoint = PAWL_TRY(read_checkpoint(line));
    PAWL_TRY(reader.checkpoint(std::move(checkpoint)));
    return true;
  }
  std::string copy = reader.refused ? line : std::string();
  Result<bool> taken = take_record(std::move(line));
  if (!taken && reader.refused) reader.refused(copy);
  return taken;
}

Result<bool> LineTaker::take_record(std::string line) {
  const Proposal record = PAWL_TRY(read_record_line(line));
  return reader.record({record.data(), record.data() + record.size()}, std::move(line));
}

}  // namespace

Result<void> read_text_lines(const std::string& path,
                             const std::function<Result<bool>(std::string line, std::uint64_t number)>& each) {
  const std::string shown = path == "-" ? "standard input" : path;
  const LinesFile file(path == "-" ? stdin : std::fopen(path.c_str(), "re"));
  if (!file) return Error{errno == ENOENT ? ErrorCode::missing : ErrorCode::io, shown + ": " + std::strerror(errno)};
  for (std::uint64_t number = 1;; ++number) {
    auto line = next_line(file.get());
    Result<bool> taken = true;
    if (!line) {
      taken = line.error();
    } else if (!*line) {
      return {};
    } else {
      taken = each(std::move(**line), number);
    }
    if (!taken) {
      return Error{taken.error().code, shown + ", line " + std::to_string(number) + ": " + taken.error().message};
    }
    if (!*taken) return {};
  }
}

Result<void> read_lines(const std::string& path, const LineReader& reader) {
  LineTaker taker{.reader = reader};
  return read_text_lines(path,
                         [&](std::string line, std::uint64_t number) { return taker.take(std::move(line), number); });
}

std::string checkpoint_line(const State& state, const Chain& chain) {
  std::string out(checkpoint_head);
  out += "{\"seq\":";
  append_json_integer(out, raw(state.last_seq));
  out += ",\"digest\":";
  append_json_hex(out, state.digest());
  out += ",\"chain\":\"" + hex(chain) + "\",\"data\":\"";
  out += base64(pack_checkpoint(state, chain).bytes);
  return out + "\"}}";
}

}  // namespace pawl
