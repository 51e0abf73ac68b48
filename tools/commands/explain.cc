// `pawl explain`: tells the story of one thing in a log.
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/commands/story_file.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// What a record is about. Reads the log up to that record.
Result<StorySubject> about_record(const std::string& path, Seq seq) {
  std::optional<StorySubject> found;
  std::optional<LogBreak> broken;
  std::optional<Replica> replica;
  ReplicaPolicy policy = proving_policy([&](const AppliedGroup& group) {
    for (const AppliedRecord& record : group.records) {
      if (Seq{record.record.stamp()->seq()} == seq) found = about(record, group.state, group.archived);
    }
  });
  policy.wants = [&found](const State&, auto) -> Result<bool> { return !found; };
  PAWL_TRY(walk_log(path, {.begin = [&](State state, const Chain& chain) -> Replica& {
                             return replica.emplace(std::move(state), chain, policy);
                           },
                           .broken = [&](LogBreak at) { broken = std::move(at); }}));
  if (found) return *found;
  if (broken) return Error{ErrorCode::damaged, broken->why};
  if (replica->difference()) return error_of(*replica->difference());
  return Error{ErrorCode::missing, "the log has no record " + std::to_string(raw(seq)) + ": its last one is " +
                                       std::to_string(raw(replica->state().last_seq))};
}

/// Reads the log once; memory grows with the subject's part of it. The teller and the audit see the same application of
/// each record.
Result<Story> story_of(const std::string& path, const StorySubject& subject, bool is_folded,
                       TimelineBuilder::Lines lines) {
  TimelineBuilder teller(subject, lines);
  bool is_redacted = false;
  Audit audit(Seq{1});
  std::optional<LogBreak> broken;
  std::optional<Replica> replica;
  ReplicaPolicy policy = proving_policy([&](const AppliedGroup& group) {
    audit.keep(group.state);
    teller.add(group.records, group.state);
  });
  policy.apply = [&audit](State& state, std::span<const VerifiedRecord> group) { return audit.apply(state, group); };
  const auto torn_at = PAWL_TRY(walk_log(path, {.begin = [&](State state, const Chain& chain) -> Replica& {
                                                  teller.begin(state);
                                                  audit = Audit(next(state.last_seq));
                                                  return replica.emplace(std::move(state), chain, policy);
                                                },
                                                .redacted = [&is_redacted] { is_redacted = true; },
                                                .broken = [&](LogBreak at) { broken = std::move(at); }}));
  if (replica->difference()) broken = break_at(*replica->difference());
  audit.conclude(replica->state());
  Result<Story> told = teller.finish(audit.findings());
  if (!told && broken) return Error{ErrorCode::damaged, broken->why};
  Story story = PAWL_TRY(std::move(told));
  story.torn_at = torn_at;
  story.broken = std::move(broken);
  story.is_redacted = is_redacted;
  if (is_folded) fold(story, subject.seq);
  return story;
}

Exit run_explain(const Arguments& arguments) {
  const auto& words = arguments.positional();
  const auto named = log_named(words.size() < 2 ? std::nullopt : std::optional(words[0]), arguments, "explain");
  if (!named) return fail(named.error());
  const std::string& path = *named;
  const auto html = arguments.value("html");
  if (html && arguments.has("json")) return fail(Exit::usage, "explain: give --html or --json, not both");
  auto subject = subject_of(words.back());
  if (!subject) return fail(subject.error());
  if (subject->seq) {
    if (path == "-") {
      return fail(Exit::usage, "explain: a record's story reads the log twice, so LOG cannot be standard input");
    }
    subject = about_record(path, *subject->seq);
    if (!subject) return fail_to_read(subject.error());
  }
  const auto lines = html || arguments.has("json") ? TimelineBuilder::Lines::kept : TimelineBuilder::Lines::left_out;
  const auto story = story_of(path, *subject, !arguments.has("all"), lines);
  if (!story) return fail_to_read(story.error());
  if (!html) {
    if (arguments.has("json")) {
      print(story_json(*story));
    } else {
      print_for_people(story_text(*story));
    }
    return story->broken ? fail(Exit::usage, story->broken->why) : Exit::done;
  }
  const Result<void> written = write_page(*html, path, story_page(*story));
  if (!written) return fail(written.error());
  print_for_people(*html + ": " + story->subject + ", " + std::to_string(story->entries.size()) + " records\n");
  return story->broken ? fail(Exit::usage, story->broken->why) : Exit::done;
}

}  // namespace

const Command explain_command = {
    .name = "explain",
    .arguments = "[LOG] WHAT",
    .summary = "Tells the story of one task, job, record, repository, boot, lease or setting",
    .details =
        "LOG is a data folder (PAWL_DATA), a file of exported lines, or '-' for such lines on standard input. WHAT is\n"
        "one of\n\n"
        "  task:12         a task: all of its records, those of its jobs, and of the leases taken for it\n"
        "  job:7           a job: from the record that queued it to the one that ended it, and what came late\n"
        "  31, record:31   a record: what led to it, and what depends on it (reads LOG twice, so not '-')\n"
        "  SHOP-1          a work item: every task that it had; 'item:31' if the name looks like one of the "
        "others\n"
        "  repo:shop       a repository: the moves, leases, gates, steps, blocks and cancels of all of its tasks\n"
        "  boot:build-2    a boot, by name or id: its start and end, what it held and lost, what it was refused\n"
        "  key:repo:shop   a lease, by its key: who took it, and gave it back or lost it, and who ran into it\n"
        "  setting:reaper.enabled\n"
        "                  a setting: its values, and the decisions that rest on them\n\n"
        "Records in a row that say the same of the same thing are one line, except with --all.\n"
        "What 'pawl check' finds about it is shown with the records. Settings and boots are shown if something\n"
        "depends on them. Exit 2 if the log cannot be read, or has nothing about it.\n",
    .options = with_log_options({{"all", "", "show every record, also those that repeat the one before"},
                                 {"html", "FILE", "write a page for a browser; it needs no network"},
                                 {"json", "", "print the story as JSON"}}),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_explain};

}  // namespace pawl
