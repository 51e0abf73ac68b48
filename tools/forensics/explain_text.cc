#include <algorithm>

#include "schema/printable.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/text_forms.h"

namespace pawl {
namespace {

/// A longer gap between records of the story is shown.
constexpr std::int64_t silence_us = 10 * us_per_s;

std::string day_of(TimeUs time) {
  return rfc3339(time).substr(0, 10);
}
std::string clock_of(TimeUs time) {
  return rfc3339(time).substr(11, 12);
}

std::string seqs_in_words(const std::vector<Seq>& seqs) {
  constexpr std::size_t shown = 12;
  std::string out;
  for (std::size_t i = 0; i < seqs.size() && i < shown; ++i) out += (i > 0 ? ", " : "") + std::to_string(raw(seqs[i]));
  if (seqs.size() > shown) out += " and " + std::to_string(seqs.size() - shown) + " more";
  return out;
}

void append_tasks(std::string& out, const Story& story) {
  for (const auto& [id, task] : story.tasks) {
    out += "task " + std::to_string(raw(id)) + ": " + printable(task.work_item) + " of " + printable(task.repo);
    if (!task.branch.empty()) out += ", branch " + printable(task.branch);
    out += "\n  at the end of the log on " + printable(task.stage) + ", version " + std::to_string(raw(task.version)) +
           ", since " + rfc3339(task.entered.time).substr(0, 19) + "Z by " + printable(task.entered.actor) + '\n';
    if (!task.blocked.empty()) {
      out +=
          "  blocked as " + printable(task.blocked) + " by record " + std::to_string(raw(task.blocked_by.seq)) + '\n';
    }
  }
}

void append_findings(std::string& out, const Story& story) {
  for (const Finding& finding : story.findings) {
    const bool is_unchecked = finding.kind == Finding::Kind::unchecked;
    out += "\n" + std::string(is_unchecked ? "~" : "!") + " record " + std::to_string(raw(finding.seq)) + "  [" +
           std::string(name(finding.kind)) + "]\n  " + printable(finding.what) + '\n';
    if (!finding.led_by.empty()) out += "  led by " + seqs_in_words(finding.led_by) + '\n';
    for (const std::string& each : finding.decided) out += "  decided " + printable(each) + '\n';
    if (finding.followed_by.empty()) continue;
    out += (is_unchecked ? "  and so " : "  shown by ") + seqs_in_words(finding.followed_by) + '\n';
  }
}

/// The mark in the margin: a finding's record, a refusal, an unchecked record.
char margin_of(const Story& story, const StoryEntry& entry) {
  const auto is_grave = [&](std::size_t i) { return story.findings[i].kind != Finding::Kind::unchecked; };
  if (std::any_of(entry.findings.begin(), entry.findings.end(), is_grave)) return '!';
  if (entry.outcome != Outcome::accepted) return 'x';
  return entry.unchecked ? '~' : ' ';
}

/// "lease task:1", "job 3", "step merge": a job's label says that it is one.
std::string span_in_words(const StorySpan& span) {
  const std::string label = printable(span.label);
  return span.kind == StorySpan::Kind::job ? label : std::string(name(span.kind)) + ' ' + label;
}

std::string silence_in_words(const StoryEntry& before, const StoryEntry& after) {
  const std::uint64_t others = raw(after.seq) - raw(before.seq) - 1;
  return span_of(before.time, after.time) +
         (others == 0 ? " of silence"
                      : " without it, while " + std::to_string(others) +
                            (others == 1 ? " other record was" : " others were") + " written");
}

/// "7 more like this, until 12:03:04 (records 31 to 52)"; `from` and `last` are the first and the last of them.
std::string run_in_words(std::size_t records, const StoryEntry& from, const StoryEntry& last) {
  const bool is_same_day = day_of(from.time) == day_of(last.time);
  return std::to_string(records) + " more like this, until " + (is_same_day ? "" : day_of(last.time) + ' ') +
         clock_of(last.time).substr(0, 8) + " (records " + std::to_string(raw(from.seq)) + " to " +
         std::to_string(raw(last.seq)) + ')';
}

/// The whole timeline, a line for each record or run of like ones.
class Timeline {
 public:
  explicit Timeline(const Story& story) : story_(story) {
    for (const std::string& lane : story.lanes) lane_width_ = std::max(lane_width_, width_of(printable(lane)));
    seq_width_ = std::to_string(raw(story.entries.back().seq)).size();
    indent_.assign(2 + 12 + 2 + seq_width_ + 2 + lane_width_ + 2, ' ');
  }

  std::string text() {
    for (std::size_t i = 0; i < story_.entries.size(); ++i) {
      const StoryEntry& entry = story_.entries[i];
      if (!entry.like) {
        append(entry);
        continue;
      }
      std::size_t end = i;
      while (end < story_.entries.size() && story_.entries[end].like == entry.like) ++end;
      const StoryEntry& last = story_.entries[end - 1];
      out_ += indent_ + run_in_words(end - i, entry, last) + '\n';
      day_ = day_of(last.time);
      before_ = &last;
      i = end - 1;
    }
    return std::move(out_);
  }

 private:
  void append(const StoryEntry& entry) {
    if (before_ && entry.time.us - before_->time.us >= silence_us) {
      out_ += "                ... " + silence_in_words(*before_, entry) + " ...\n";
    }
    if (day_of(entry.time) != day_) out_ += '\n' + (day_ = day_of(entry.time)) + '\n';
    const bool is_same_group = before_ && before_->group == entry.group;
    const bool is_same_time = before_ && before_->time == entry.time;
    const std::string number = std::to_string(raw(entry.seq));
    out_ += margin_of(story_, entry);
    out_ += ' ' + padded(is_same_time ? "" : clock_of(entry.time), 12) + (is_same_group ? " +" : "  ");
    out_ += std::string(seq_width_ - number.size(), ' ') + number + "  ";
    out_ += padded(printable(story_.lanes[entry.lane]), lane_width_ + 2) + printable(entry.narration.says) + '\n';
    if (entry.outcome != Outcome::accepted) out_ += indent_ + "refused: " + std::string(name(entry.outcome)) + '\n';
    for (const std::string& note : entry.narration.notes) out_ += indent_ + printable(note) + '\n';
    for (const std::size_t i : entry.findings) {
      if (story_.findings[i].kind == Finding::Kind::unchecked) continue;
      out_ += indent_ + "! " + std::string(name(story_.findings[i].kind)) + ": " + printable(story_.findings[i].what) +
              '\n';
    }
    before_ = &entry;
  }

  const Story& story_;
  std::size_t lane_width_ = 0;
  std::size_t seq_width_ = 0;
  std::string indent_;
  std::string day_;
  const StoryEntry* before_ = nullptr;
  std::string out_;
};

}  // namespace

std::string story_text(const Story& story) {
  std::string out = printable(story.subject) + '\n';
  if (story.broken) out += in_words(*story.broken);
  if (story.is_redacted) out += "of a redacted log: its names and texts are replaced\n";
  append_tasks(out, story);
  const StoryEntry& first = story.entries.front();
  const StoryEntry& last = story.entries.back();
  out += std::to_string(story.entries.size()) + " of " + std::to_string(story.log_records) + " records, over " +
         span_of(first.time, last.time) + '\n';
  append_findings(out, story);

  out += Timeline(story).text();
  if (story.log_end.us - last.time.us >= silence_us) {
    out += "                ... " + span_of(last.time, story.log_end) + " more to the end of the log ...\n";
  }
  for (const StorySpan& span : story.spans) {
    if (span.to || !span.holds) continue;
    out += "\nnot ended: " + span_in_words(span) + " of " + printable(story.lanes[span.lane]) + ", since record " +
           std::to_string(raw(span.from)) + ", " + span_of(span.begun, story.log_end) + " before the end of the log\n";
  }
  out +=
      "\nin the margin: ! what 'pawl check' points at, x refused, ~ decided with ownership switched off, + belongs to "
      "the group above\n";
  if (story.torn_at) {
    out += "records from " + std::to_string(raw(*story.torn_at)) +
           " on are torn: never acknowledged, or still being written\n";
  }
  return out;
}

}  // namespace pawl
