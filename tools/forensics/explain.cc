// Tells the story of one task, job or record of a log.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "store/chain.h"
#include "tools/commands/command.h"
#include "tools/commands/output.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Reads a log from its begin: `begin` gets the state before the first record, `record` each of them.
struct LogReader {
  std::function<void(const State&, const Chain&)> begin;
  std::function<Result<bool>(RecordBytes, const std::string& line)> record;
};

/// The seq from which a folder's log is torn, if it is.
Result<std::optional<Seq>> read_log(const std::string& path, const LogReader& reader) {
  std::error_code failed;
  if (path != "-" && std::filesystem::is_directory(path, failed)) {
    const std::unique_ptr<Log> log = PAWL_TRY(open_log(path));
    Result<bool> taken = true;
    const Result<void> read = log->read(Seq{1}, [&](RecordBytes bytes) {
      taken = reader.record(bytes, {});
      return taken.has_value() && *taken;
    });
    PAWL_TRY(taken);
    PAWL_TRY(read);
    return log->torn_at();
  }
  LineReader lines;
  lines.checkpoint = [&](ExportedCheckpoint checkpoint) -> Result<void> {
    if (checkpoint.digest != hex(checkpoint.restored.state.digest()) ||
        checkpoint.chain != hex(checkpoint.restored.chain)) {
      return Error{ErrorCode::damaged, "checkpoint: its digest or chain is not that of its data"};
    }
    reader.begin(checkpoint.restored.state, checkpoint.restored.chain);
    return {};
  };
  lines.record = [&](const std::vector<std::uint8_t>& bytes, const std::string& line) {
    return reader.record(bytes, line);
  };
  PAWL_TRY(read_lines(path, lines));
  return std::optional<Seq>();
}

Error differs(const Difference& difference) {
  return {ErrorCode::damaged, "record " + std::to_string(raw(difference.seq)) + " differs in its " + difference.what +
                                  "; 'pawl replay' shows both sides"};
}

State copy_of(const State& state, const Chain& chain) {
  auto restored = unpack_checkpoint(pack_checkpoint(state, chain).bytes);
  PAWL_ASSERT(restored.has_value());
  return std::move(restored->state);
}

/// What a record is about. Reads the log up to it.
Result<StorySubject> about_record(const std::string& path, Seq seq) {
  std::optional<StorySubject> found;
  std::optional<Replayer> replayer;
  const auto look = [&](std::span<const Replayer::Item> group, std::span<const ArchivedTask> archived) {
    for (const Replayer::Item& item : group) {
      if (Seq{item.record.stamp()->seq()} == seq) found = about(item, replayer->state(), archived);
    }
  };
  replayer.emplace(State(), Chain{}, look);
  LogReader reader;
  reader.begin = [&](const State& state, const Chain& chain) { replayer.emplace(copy_of(state, chain), chain, look); };
  reader.record = [&](RecordBytes bytes, const std::string& line) -> Result<bool> {
    PAWL_TRY(replayer->add({bytes.begin(), bytes.end()}, line));
    return !found && !replayer->difference();
  };
  PAWL_TRY(read_log(path, reader));
  if (!replayer->difference() && !found) PAWL_TRY(replayer->finish());
  if (replayer->difference()) return differs(*replayer->difference());
  if (found) return *found;
  return Error{ErrorCode::missing, "the log has no record " + std::to_string(raw(seq)) + ": its last one is " +
                                       std::to_string(raw(replayer->state().last_seq))};
}

/// Reads the log once; what is kept of it grows with the subject's part of it.
Result<Story> story_of(const std::string& path, const StorySubject& subject) {
  StoryTeller teller(subject);
  Audit audit{State(), Chain{}};
  std::optional<Replayer> replayer;
  const auto tell = [&](std::span<const Replayer::Item> group, auto) { teller.add(group, replayer->state()); };
  replayer.emplace(State(), Chain{}, tell);
  LogReader reader;
  reader.begin = [&](const State& state, const Chain& chain) {
    teller.begin(state);
    audit = Audit(copy_of(state, chain), chain);
    replayer.emplace(copy_of(state, chain), chain, tell);
  };
  reader.record = [&](RecordBytes bytes, const std::string& line) -> Result<bool> {
    PAWL_TRY(replayer->add({bytes.begin(), bytes.end()}, line));
    if (replayer->difference()) return false;
    return audit.add({bytes.begin(), bytes.end()}, line);
  };
  const auto torn_at = PAWL_TRY(read_log(path, reader));
  if (!replayer->difference()) PAWL_TRY(replayer->finish());
  if (replayer->difference()) return differs(*replayer->difference());
  audit.finish();
  Story story = PAWL_TRY(teller.finish(audit));
  story.torn_at = torn_at;
  return story;
}

/// Writes a file beside the log, never over it or into its folder.
Result<void> write_page(const std::string& to, const std::string& log, const std::string& page) {
  if (lies_in(to, log)) return Error{ErrorCode::malformed, "--html: " + to + " is, or lies in, the log that is read"};
  std::FILE* file = std::fopen(to.c_str(), "we");
  const bool is_written = file && std::fwrite(page.data(), 1, page.size(), file) == page.size();
  const int error = errno;
  const bool is_closed = file && std::fclose(file) == 0;
  if (is_written && is_closed) return {};
  return Error{ErrorCode::io, "--html: " + to + ": " + std::strerror(is_written ? errno : error)};
}

Exit run_explain(const Arguments& arguments) {
  const std::string& path = arguments.positional()[0];
  const auto html = arguments.value("html");
  if (html && arguments.has("json")) return fail(Exit::usage, "explain: --html and --json: give one of them");
  auto subject = subject_of(arguments.positional()[1]);
  if (!subject) return fail(subject.error());
  if (subject->seq) {
    if (path == "-") {
      return fail(Exit::usage, "explain: for a record the log is read twice, which standard input cannot be");
    }
    subject = about_record(path, *subject->seq);
    if (!subject) return fail(subject.error());
  }
  const auto story = story_of(path, *subject);
  if (!story) return fail(story.error());
  if (!html) {
    print(arguments.has("json") ? story_json(*story) : story_text(*story));
    return Exit::done;
  }
  const Result<void> written = write_page(*html, path, story_page(*story));
  if (!written) return fail(written.error());
  print(*html + ": " + story->subject + ", " + std::to_string(story->entries.size()) + " records\n");
  return Exit::done;
}

}  // namespace

const Command explain_command = {
    .name = "explain",
    .arguments = "LOG WHAT",
    .summary = "Tells the story of one task, job or record: who asked, who was refused and why, what was reaped",
    .details =
        "LOG is a data folder, a file of exported lines, or '-' for such lines on standard input. WHAT is one of\n\n"
        "  task:12         a task: all of its records, those of its jobs, and of the leases taken for it\n"
        "  job:7           a job: from the record that queued it to the one that ended it, and what came late\n"
        "  31, record:31   a record: what led to it, and what rests on it (LOG is read twice, so not '-')\n"
        "  SHOP-1          a work item: every task that it had; 'item:31' where the name looks like one of the "
        "above\n\n"
        "What 'pawl check' finds about it stands beside the records. Settings and boots are told where something\n"
        "rests on them. Exit 2 if the log cannot be read, or has nothing of it.\n",
    .options = {{"html", "FILE", "write a page for a browser, which needs no network"},
                {"json", "", "print the story as JSON"}},
    .positional_min = 2,
    .positional_max = 2,
    .run = run_explain};

}  // namespace pawl
