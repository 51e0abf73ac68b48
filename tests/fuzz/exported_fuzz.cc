// Lines that claim to come from `pawl export`. A replay compares everything, so hardly any get far; their records are
// also applied as if they were right.
#include "schema/json/record_json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reapplied.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/line_form.h"

namespace pawl::fuzz {
namespace {

void replay_lines(const std::string& path) {
  std::optional<Replica> replica;
  LineReader reader;
  reader.checkpoint = [&](ExportedCheckpoint checkpoint) -> Result<void> {
    PAWL_ASSERT(checkpoint_line(checkpoint.restored.state, checkpoint.restored.chain).size() > 2);
    replica.emplace(std::move(checkpoint.restored.state), checkpoint.restored.chain, proving_policy());
    return {};
  };
  reader.record = [&](const std::vector<std::uint8_t>& bytes, std::string line) -> Result<bool> {
    if (!replica) replica.emplace(State(), Chain{}, proving_policy());
    return replica->add(bytes, std::move(line));
  };
  const Result<void> read = read_lines(path, reader);
  PAWL_ASSERT(read || read.error().message.starts_with(path + ", line "));
  if (replica && read) PAWL_ASSERT(replica->finish().has_value());
}

void apply_lines(const std::string& path) {
  ReappliedLog log;
  LineReader reader;
  reader.checkpoint = [](ExportedCheckpoint) -> Result<void> { return {}; };
  reader.record = [&](std::vector<std::uint8_t> bytes, std::string) -> Result<bool> {
    log.take(std::move(bytes));
    return true;
  };
  // An error only ends the input: the records before it are applied.
  const Result<void> read = read_lines(path, reader);
  PAWL_ASSERT(read || !read.error().message.empty());
  log.finish();
}

}  // namespace

void exported(Bytes input) {
  const InputFile file(input);
  replay_lines(file.path());
  apply_lines(file.path());
}

}  // namespace pawl::fuzz
