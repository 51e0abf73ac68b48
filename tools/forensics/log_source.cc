#include "tools/forensics/log_source.h"

#include <cstdlib>
#include <filesystem>

namespace pawl {

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

Result<std::unique_ptr<RocksLog>> open_log(const std::string& data_dir) {
  return RocksLog::open(data_dir, RocksLog::Mode::read_only);
}

Result<std::unique_ptr<RocksLog>> open_data(const Arguments& arguments, std::string_view command) {
  std::string dir = arguments.value_or("data", "");
  if (const char* variable = std::getenv("PAWL_DATA"); dir.empty() && variable) dir = variable;
  if (!dir.empty()) return open_log(dir);
  return Error{ErrorCode::malformed, std::string(command) + ": which data folder? Give --data DIR"};
}

Result<Seq> seq_at(Log& log, const Moment& moment) {
  if (moment.seq) return *moment.seq;
  Seq last{};
  Result<void> viewed;
  PAWL_TRY(log.read(Seq{1}, [&](RecordBytes bytes) {
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
