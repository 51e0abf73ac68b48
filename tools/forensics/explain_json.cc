#include "schema/json/json_text.h"
#include "tools/forensics/explain_render.h"

namespace pawl {
namespace {

/// `"name":`, preceded by a comma if something came before.
void key(std::string& out, std::string_view name) {
  if (out.back() != '{' && out.back() != '[') out += ',';
  append_json_text(out, name);
  out += ':';
}

void member(std::string& out, std::string_view name, std::string_view text) {
  key(out, name);
  append_json_text(out, text);
}
void member(std::string& out, std::string_view name, std::uint64_t value) {
  key(out, name);
  append_json_integer(out, value);
}
void member(std::string& out, std::string_view name, TimeUs time) {
  key(out, name);
  append_json_time(out, time);
}
void flag(std::string& out, std::string_view name, bool value) {
  key(out, name);
  append_json_bool(out, value);
}

template <class Id>
void id_or_null(std::string& out, std::string_view name, const std::optional<Id>& id) {
  key(out, name);
  out += id ? std::to_string(raw(*id)) : "null";
}

void seqs(std::string& out, std::string_view name, const std::vector<Seq>& all) {
  key(out, name);
  out += '[';
  for (const Seq seq : all) {
    if (out.back() != '[') out += ',';
    append_json_integer(out, raw(seq));
  }
  out += ']';
}

template <class List, class Each>
void list(std::string& out, std::string_view name, const List& all, Each each) {
  key(out, name);
  out += '[';
  for (const auto& one : all) {
    if (out.back() != '[') out += ',';
    out += '{';
    each(one);
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string story_json(const Story& story) {
  std::string out = "{";
  member(out, "subject", story.subject);
  member(out, "log_records", story.log_records);
  member(out, "log_end", story.log_end);
  id_or_null(out, "torn_at", story.torn_at);
  key(out, "broken");
  out += break_json(story.broken);
  flag(out, "redacted", story.is_redacted);
  list(out, "tasks", story.tasks, [&](const auto& each) {
    const TaskSeen& task = each.second;
    member(out, "id", raw(each.first));
    member(out, "work_item", task.work_item);
    member(out, "repo", task.repo);
    key(out, "branch");
    append_json_text_or_null(out, task.branch);
    member(out, "stage", task.stage);
    member(out, "version", raw(task.version));
    member(out, "entered_at", task.entered.time);
    member(out, "entered_by", task.entered.actor);
    key(out, "blocked");
    append_json_text_or_null(out, task.blocked);
  });
  key(out, "lanes");
  out += '[';
  for (const std::string& lane : story.lanes) {
    if (out.back() != '[') out += ',';
    append_json_text(out, lane);
  }
  out += ']';
  key(out, "lane_hosts");
  out += '[';
  for (const std::string& host : story.lane_hosts) {
    if (out.back() != '[') out += ',';
    append_json_text_or_null(out, host);
  }
  out += ']';
  list(out, "findings", story.findings, [&](const Finding& finding) {
    member(out, "kind", name(finding.kind));
    member(out, "seq", raw(finding.seq));
    member(out, "what", finding.what);
    seqs(out, "led_by", finding.led_by);
    seqs(out, "followed_by", finding.followed_by);
    key(out, "decided");
    append_json_texts(out, finding.decided);
  });
  list(out, "stays", story.intervals, [&](const StageSpan& stay) {
    member(out, "task", raw(stay.task));
    member(out, "stage", stay.stage);
    member(out, "version", raw(stay.version));
    member(out, "from", raw(stay.from));
    member(out, "begun_at", stay.begun);
    id_or_null(out, "to", stay.to);
  });
  list(out, "spans", story.spans, [&](const StorySpan& span) {
    member(out, "kind", name(span.kind));
    member(out, "label", span.label);
    member(out, "lane", span.lane);
    member(out, "from", raw(span.from));
    member(out, "begun_at", span.begun);
    id_or_null(out, "to", span.to);
    key(out, "ended_at");
    span.to ? append_json_time(out, span.ended) : append_json_text_or_null(out, "");
    key(out, "how");
    append_json_text_or_null(out, span.how);
    flag(out, "holds", span.holds);
  });
  list(out, "entries", story.entries, [&](const StoryEntry& entry) {
    member(out, "seq", raw(entry.seq));
    member(out, "lane", entry.lane);
    flag(out, "refused", entry.outcome != Outcome::accepted);
    flag(out, "back", entry.is_rollback);
    member(out, "says", entry.narration.says);
    key(out, "notes");
    append_json_texts(out, entry.narration.notes);
    seqs(out, "because", entry.narration.because);
    key(out, "findings");
    out += '[';
    for (const std::size_t i : entry.findings) {
      if (out.back() != '[') out += ',';
      append_json_integer(out, std::uint64_t{i});
    }
    out += ']';
    id_or_null(out, "task", entry.task);
    id_or_null(out, "job", entry.job);
    id_or_null(out, "like", entry.like);
    key(out, "record");
    out += entry.line;
  });
  return out + "}\n";
}

}  // namespace pawl
