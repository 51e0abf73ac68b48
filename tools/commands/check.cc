// `pawl check`: tests a log for violated invariants after every group, and for conflicts between records.
#include <algorithm>

#include "schema/json/json_text.h"
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/forensics/audit.h"
#include "tools/forensics/findings_json.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/what_if_judge.h"
#include "tools/forensics/witness_lines.h"

namespace pawl {
namespace {

struct Checked {
  Audit audit{Seq{1}};
  std::optional<Seq> torn_at;
  std::optional<LogBreak> broken = std::nullopt;
  std::optional<Witness> witness = std::nullopt;

  /// The audit's findings and the witness's.
  Findings findings() const {
    Findings all = audit.findings();
    if (!witness) return all;
    for (Finding& finding : witness->findings(!audit.stopped_at() && !broken)) {
      const auto is_behind = [&](const Finding& other) { return !is_grave(other) || other.seq > finding.seq; };
      all.insert(std::find_if(all.begin(), all.end(), is_behind), std::move(finding));
    }
    return all;
  }
};

/// The audit's policy, which shows each record to the witness first.
ReplicaPolicy policy_of(Checked& checked) {
  ReplicaPolicy policy = checked.audit.policy();
  if (!checked.witness) return policy;
  policy.apply = [&witness = *checked.witness, look = policy.apply](State& state,
                                                                    std::span<const VerifiedRecord> group) {
    for (const VerifiedRecord& verified : group) witness.see(*verified.record);
    return look(state, group);
  };
  return policy;
}

Result<void> check(const std::string& path, Checked& checked) {
  std::optional<Replica> replica;
  checked.torn_at = PAWL_TRY(walk_log(path, {.begin = [&](State state, const Chain& chain) -> Replica& {
                                               checked.audit = Audit(next(state.last_seq));
                                               if (checked.witness) checked.witness->begin(state.last_seq, chain);
                                               return replica.emplace(std::move(state), chain, policy_of(checked));
                                             },
                                             .broken = [&](LogBreak broken) { checked.broken = std::move(broken); }}));
  if (replica) checked.audit.conclude(replica->state());
  return {};
}

/// "12", or "12 StepStarted by monitor" for a record of this log.
std::string in_words(const Audit& audit, Seq seq) {
  const auto heading = audit.heading(seq);
  std::string out = std::to_string(raw(seq));
  if (!heading) return out;
  out += ' ' + heading->type + " by " + printable(heading->actor);
  if (heading->outcome != Outcome::accepted) out += " (" + std::string(name(heading->outcome)) + ')';
  return out;
}

std::string in_words(const Audit& audit, const std::vector<Seq>& seqs) {
  std::string out;
  for (const Seq seq : seqs) out += (out.empty() ? "" : ", ") + in_words(audit, seq);
  return out;
}

/// "8 to 11, 14": for long lists, where the seqs are enough.
std::string in_ranges(const std::vector<Seq>& seqs) {
  constexpr std::size_t ranges_max = 12;
  std::string out;
  std::size_t ranges = 0;
  for (std::size_t i = 0; i < seqs.size(); ++ranges) {
    std::size_t last = i;
    while (last + 1 < seqs.size() && seqs[last + 1] == next(seqs[last])) ++last;
    if (ranges == ranges_max) return out + ", and " + std::to_string(seqs.size() - i) + " more";
    out += (out.empty() ? "" : ", ") + std::to_string(raw(seqs[i]));
    if (last > i) out += (last > i + 1 ? " to " : ", ") + std::to_string(raw(seqs[last]));
    i = last + 1;
  }
  return out;
}

std::string kind_of(const Finding& finding) {
  std::string out(name(finding.kind));
  if (finding.invariant > 0) out += ", invariant " + std::to_string(finding.invariant);
  return out;
}

std::string in_words(const Audit& audit, const Finding& finding) {
  const auto heading = audit.heading(finding.seq);
  std::string out = "record " + std::to_string(raw(finding.seq));
  if (heading) out += ", " + rfc3339(heading->time) + ", " + heading->type + " by " + printable(heading->actor);
  out += "  [" + kind_of(finding) + "]\n  " + printable(finding.what) + '\n';
  if (!finding.led_by.empty()) out += "  led by    " + in_words(audit, finding.led_by) + '\n';
  for (const std::string& each : finding.decided) out += "  decided   " + printable(each) + '\n';
  if (finding.followed_by.empty()) return out;
  const bool is_long = finding.kind == Finding::Kind::unchecked;
  out +=
      is_long ? "  and so    " + in_ranges(finding.followed_by) : "  shown by  " + in_words(audit, finding.followed_by);
  return out + '\n';
}

/// "  task 12 (SHOP-4) was blocked: job_failed (record 31), by itself: its own 2 attempts failed"
std::string in_words(const BadEnd& end) {
  std::string out = "  " + printable(end.words);
  if (end.at) out += " (record " + std::to_string(raw(end.at.seq)) + ')';
  out += end.cause == Seq{0} ? ", by itself: " + printable(end.why)
                             : ", because of record " + std::to_string(raw(end.cause));
  if (end.cause != Seq{0} && !end.why.empty()) out += ": " + printable(end.why);  // no finding says it
  if (end.let_go) out += "; let go by record " + std::to_string(raw(end.let_go.seq));
  out += '\n';
  for (const std::string& each : end.decided) out += "    " + printable(each) + '\n';
  return out;
}

/// How many findings that say the same of different tasks are shown in full; --json has them all.
constexpr std::size_t like_max = 3;

/// The end of the findings from `begin` on that say the same of different tasks: "task 12: crossed the guarded edge …".
std::size_t end_of_like(const Findings& findings, std::size_t begin) {
  const auto said = [](const Finding& finding) {
    const std::size_t colon = finding.what.find(": ");
    return finding.what.starts_with("task ") && colon != std::string::npos ? finding.what.substr(colon) : "";
  };
  const auto is_like = [&](const Finding& other) {
    return other.kind == findings[begin].kind && other.invariant == findings[begin].invariant && !said(other).empty() &&
           said(other) == said(findings[begin]);
  };
  std::size_t end = begin + 1;
  while (end < findings.size() && is_like(findings[end])) ++end;
  return end;
}

std::string counted(std::size_t number, const std::string& thing) {
  return std::to_string(number) + ' ' + thing + (number == 1 ? "" : "s");
}

/// The result of comparing a witness's lines, except for findings.
std::string in_words(const Witness& witness, bool is_stopped) {
  std::string out =
      "\n" + printable(witness.path()) + ": " + counted(witness.agreed(), "line") + " in agreement with the log\n";
  if (witness.before() > 0) out += "  " + counted(witness.before(), "line") + " from before its first record\n";
  if (is_stopped && witness.left() > 0) {
    out += "  " + counted(witness.left(), "line") + " about records that were not checked\n";
  }
  for (const Witness::Restored& each : witness.restored()) {
    out += "  record " + std::to_string(raw(each.seq)) +
           " is missing: the log itself says that it was restored from a backup (record " +
           std::to_string(raw(each.by)) + ")\n";
  }
  return out;
}

std::string in_words(const Checked& checked, const Findings& findings) {
  const Audit& audit = checked.audit;
  std::string out = checked.broken ? printable_lines(in_words(*checked.broken)) + "up to there, " : "";
  out += counted(audit.records(), "record");
  if (audit.first() > Seq{1}) out += ", from the checkpoint before " + std::to_string(raw(audit.first()));
  if (findings.empty()) {
    out += ": nothing found";
    if (!audit.ended().empty()) out += ", but " + counted(audit.ended().size(), "task") + " did not end well";
    out += '\n';
  } else {
    out += ": " + counted(findings.size(), "finding");
  }
  if (const auto culprit = culprit_of(findings)) out += "; it begins with record " + in_words(audit, *culprit);
  if (!findings.empty()) out += '\n';
  for (std::size_t i = 0; i < findings.size();) {
    const std::size_t end = end_of_like(findings, i);
    const std::size_t shown = std::min(end, i + like_max);
    for (; i < shown; ++i) out += '\n' + in_words(audit, findings[i]);
    std::vector<Seq> more;
    for (; i < end; ++i) more.push_back(findings[i].seq);
    if (!more.empty()) {
      out += "\nand " + std::to_string(more.size()) + " more like these: records " + in_ranges(more) + '\n';
    }
  }
  if (!audit.ended().empty()) out += "\nhow it ended\n";
  for (const BadEnd& end : audit.ended()) out += in_words(end);
  if (const auto at = audit.stopped_at()) {
    out +=
        "\nfrom record " + std::to_string(raw(*at)) + " on the log was not checked: the state before it is not known\n";
  }
  if (checked.witness) out += in_words(*checked.witness, audit.stopped_at() || checked.broken);
  if (checked.torn_at) {
    out += "\nrecords from " + std::to_string(raw(*checked.torn_at)) +
           " on are torn: never acknowledged, or still being written\n";
  }
  return out;
}

template <class Id>
void append_or_null(std::string& out, const std::optional<Id>& id) {
  out += id ? std::to_string(raw(*id)) : "null";
}

void append_witness(std::string& out, const Witness& witness) {
  out += "{\"agreed\":" + std::to_string(witness.agreed()) + ",\"before\":" + std::to_string(witness.before()) +
         ",\"left\":" + std::to_string(witness.left()) + ",\"restored\":[";
  for (const Witness::Restored& each : witness.restored()) {
    if (out.back() != '[') out += ',';
    out += "{\"seq\":" + std::to_string(raw(each.seq)) + ",\"by\":" + std::to_string(raw(each.by)) + '}';
  }
  out += "]}";
}

std::string in_json(const Checked& checked, const Findings& findings) {
  std::string out = "{\"records\":" + std::to_string(checked.audit.records()) +
                    ",\"first\":" + std::to_string(raw(checked.audit.first())) + ",\"culprit\":";
  append_or_null(out, culprit_of(findings));
  out += ",\"stopped_at\":";
  append_or_null(out, checked.audit.stopped_at());
  out += ",\"torn_at\":";
  append_or_null(out, checked.torn_at);
  out += ",\"broken\":" + break_json(checked.broken) + ",\"findings\":[";
  for (const Finding& finding : findings) {
    if (out.back() != '[') out += ',';
    append_finding(out, finding, checked.audit.heading(finding.seq));
  }
  out += "],\"ended\":[";
  for (const BadEnd& end : checked.audit.ended()) {
    if (out.back() != '[') out += ',';
    append_end(out, end);
  }
  out += "],\"witness\":";
  checked.witness ? append_witness(out, *checked.witness) : void(out += "null");
  return out + "}\n";
}

Exit run_check(const Arguments& arguments) {
  const auto& words = arguments.positional();
  const auto path = log_named(words.empty() ? std::nullopt : std::optional(words[0]), arguments, "check");
  if (!path) return fail(path.error());
  Checked checked;
  if (const auto file = arguments.value("witness")) {
    if (*file == "-" && *path == "-")
      return fail(Exit::usage, "check: LOG and --witness cannot both be standard input");
    auto witness = Witness::read(*file);
    if (!witness) return fail_to_read(witness.error());
    checked.witness = std::move(*witness);
  }
  const Result<void> walked = check(*path, checked);
  if (!walked) return fail_to_read(walked.error());
  const Findings findings = checked.findings();
  if (arguments.has("json")) {
    print(in_json(checked, findings));
  } else {
    print_for_people(in_words(checked, findings));
  }
  if (checked.broken) return fail(Exit::usage, checked.broken->why);
  const auto is_word = [](const Finding& finding) { return finding.kind == Finding::Kind::taken_on_word; };
  return std::all_of(findings.begin(), findings.end(), is_word) ? Exit::done : Exit::refused;
}

}  // namespace

const Command check_command = {
    .name = "check",
    .arguments = "[LOG]",
    .summary = "Tests the invariants after every group of a log, and finds what should never have happened",
    .details =
        "LOG is a data folder (PAWL_DATA), a file of exported lines, or '-' for such lines on standard input.\n"
        "Each finding comes with its record and those that led to it, the earliest first; records that were decided\n"
        "with ownership switched off come last. Exit 1 if there is any finding, 2 if the log cannot be read.\n\n"
        "  violation       an invariant, named by its number, does not hold\n"
        "  divergence      the record differs from what the rules compute, or was changed later\n"
        "  double_effect   a step was started twice for one crossing\n"
        "  contradiction   a task went two ways at once: rolled back by one path, delivered by another\n"
        "  reaped_alive    a job was reaped from an owner that acted on it later\n"
        "  double_entry    a second actor entered a crossing that the first had not left\n"
        "  overdue         a job or a lease outlived its limit, and the setting that would end it is off\n"
        "  time_backwards  a record's time is before the previous record's\n"
        "  gap             records are missing\n"
        "  rewritten       with --witness: there was a different record here when the line was taken\n"
        "  cut_off         with --witness: there were more records after this one\n"
        "  incident        something other than a task's own agent, gate or step made it end badly: the record that\n"
        "                  caused it, with all its victims\n"
        "  taken_on_word   a step was begun again, since a probe or a person said that it had not happened (exit 0)\n"
        "  unchecked       ownership was switched off\n",
    .options = with_log_options({{"json", "", "print the findings as JSON"},
                                 {"witness", "FILE", "compare the log with lines that 'pawl witness' printed"}}),
    .positional_max = 1,
    .run = run_check};

}  // namespace pawl
