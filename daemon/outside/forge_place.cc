#include "daemon/outside/forge_place.h"

#include <fcntl.h>

#include <charconv>
#include <sstream>

#include "schema/json/json_text.h"
#include "store/files.h"
#include "store/os/file_io.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

constexpr const char* places_name = "forges";
constexpr std::string_view places_head = "pawl forges 1";

Error damaged_places(const std::string& path) {
  return {ErrorCode::damaged, path + " is not a list of places in the log"};
}

}  // namespace

// A line for each repository: seq, chain, and the name, which may have blanks in it but no line end.

Result<LogPlaces> read_places(const std::string& dir) {
  const std::string path = dir + '/' + places_name;
  const Descriptor file = open_below(dir, places_name, O_RDONLY);
  if (!file) {
    const Error error = inner_error(path);
    if (error.code == ErrorCode::missing) return LogPlaces();
    return error;
  }
  PAWL_TRY(check_file(file, path));
  std::istringstream text(PAWL_TRY(read_to_end(file, path)));
  std::string line;
  if (!std::getline(text, line) || line != places_head) return damaged_places(path);
  LogPlaces places;
  while (std::getline(text, line)) {
    LogPlace place;
    std::uint64_t seq = 0;
    const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), seq);
    const auto digits = static_cast<std::size_t>(end - line.data());
    constexpr std::size_t chain_digits = 2 * std::tuple_size_v<Chain>;
    const bool is_whole = failure == std::errc() && line.size() > digits + chain_digits + 2 && line[digits] == ' ' &&
                          line[digits + 1 + chain_digits] == ' ' &&
                          read_hex(std::string_view(line).substr(digits + 1, chain_digits), place.chain);
    if (!is_whole) return damaged_places(path);
    place.seq = Seq{seq};
    places.insert_or_assign(line.substr(digits + chain_digits + 2), place);
  }
  return places;
}

Result<void> write_places(const std::string& dir, const LogPlaces& places) {
  std::string text = std::string(places_head) + '\n';
  for (const auto& [repo, place] : places) {
    text += std::to_string(raw(place.seq)) + ' ' + hex(place.chain) + ' ' + repo + '\n';
  }
  Files& files = disk_files();
  const std::string path = dir + '/' + places_name;
  const std::string fresh = path + ".new";
  PAWL_TRY(files.write(fresh, text));
  PAWL_TRY(files.sync(fresh));
  PAWL_TRY(files.rename(fresh, path));
  return files.sync(dir);
}

Result<std::string> put_places_aside(const std::string& dir) {
  const std::string aside = dir + '/' + places_name + ".of-another-log";
  PAWL_TRY(disk_files().rename(dir + '/' + places_name, aside));
  return aside;
}

Result<LogPlace> last_place(Journal& journal) {
  LogPlace place{.seq = journal.last_seq(), .chain = {}};
  if (raw(place.seq) == 0) return place;
  Result<void> viewed;
  PAWL_TRY(journal.read(place.seq, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (record) {
      place.chain = chain_of(**record);
    } else {
      viewed = record.error();
    }
    return false;
  }));
  PAWL_TRY(viewed);
  return place;
}

Result<bool> is_in(Journal& journal, const LogPlace& place) {
  if (raw(place.seq) == 0) return place.chain == Chain{};
  if (place.seq > journal.last_seq()) return false;
  bool is_same = false;
  PAWL_TRY(journal.read(place.seq, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    is_same = record && (*record)->stamp()->seq() == raw(place.seq) && chain_of(**record) == place.chain;
    return false;
  }));
  return is_same;
}

}  // namespace pawl
