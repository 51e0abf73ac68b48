#include "engine/json/state_json.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "schema/json/json_text.h"
#include "schema/json/record_json.h"

namespace pawl {
namespace {

std::string_view spelling(JobStatus status) {
  return fb::EnumNameJobStatus(status);
}
std::string_view spelling(StepState state) {
  return fb::EnumNameStepState(state);
}

std::string_view spelling(ApprovalTimeout end) {
  return fb::EnumNameApprovalTimeout(end);
}

/// Writes the fields that visit() names into an object. Construct, visit, close().
class JsonRowWriter {
 public:
  explicit JsonRowWriter(std::string& out) : out_(out) { out_ += '{'; }

  template <class T>
  void operator()(int, std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, Variables>) {
      if (value.empty()) return;  // as in the event, which omits it
    }
    // A step's run is never shown: anyone who has it can find and end the process.
    if constexpr (std::is_same_v<T, std::string>) {
      if (name == "run") return;
    }
    constexpr std::string_view time_suffix = "_us";
    const bool is_time = name.ends_with(time_suffix);
    if (is_time) name.remove_suffix(time_suffix.size());
    append_name(name, is_time ? "_at\":" : "\":");
    write(value);
  }
  void close() { out_ += '}'; }

 private:
  /// In one piece: a row has some thirty of them.
  void append_name(std::string_view name, std::string_view end) {
    const std::string_view begin = out_.back() == '{' ? "\"" : ",\"";
    const std::size_t before = out_.size();
    out_.resize(before + begin.size() + name.size() + end.size());
    char* at = out_.data() + before;
    at = std::copy(begin.begin(), begin.end(), at);
    at = std::copy(name.begin(), name.end(), at);
    std::copy(end.begin(), end.end(), at);
  }
  void write(const std::string& value) { append_json_text_or_null(out_, value); }
  void write(TimeUs value) { append_json_time(out_, value); }
  void write(bool value) { append_json_bool(out_, value); }
  void write(const CommandLine& words) {
    if (words.empty()) {
      out_ += "null";
    } else {
      write_list(words, [this](const std::string& word) { append_json_text(out_, word); });
    }
  }
  template <class T>
  void write(const std::optional<T>& value) {
    if (value) {
      write(*value);
    } else {
      out_ += "null";
    }
  }
  template <class T>
  void write(const std::shared_ptr<const T>& value) {
    write(*value);
  }
  template <class T>
  void write(const std::vector<T>& values) {
    write_list(values, [this](const T& value) { write(value); });
  }
  template <class T>
  void write(const T& value) {
    if constexpr (std::is_same_v<T, JobStatus> || std::is_same_v<T, StepState> || std::is_same_v<T, ApprovalTimeout>) {
      append_json_text(out_, spelling(value));
    } else if constexpr (std::is_enum_v<T>) {
      append_json_integer(out_, static_cast<std::uint64_t>(value));  // an id, a seq, a token or a version
    } else if constexpr (std::is_integral_v<T>) {
      if constexpr (std::is_signed_v<T>) {
        append_json_integer(out_, std::int64_t{value});
      } else {
        append_json_integer(out_, std::uint64_t{value});
      }
    } else {
      JsonRowWriter inner(out_);
      visit(value, inner);
      inner.close();
    }
  }

  template <class T, class Each>
  void write_list(const std::vector<T>& values, Each each) {
    out_ += '[';
    for (const T& value : values) {
      if (out_.back() != '[') out_ += ',';
      each(value);
    }
    out_ += ']';
  }

  std::string& out_;
};

template <class Row>
void append_row(std::string& out, const Row& row) {
  JsonRowWriter writer(out);
  visit(row, writer);
  writer.close();
}

void append_field(std::string& out, std::string_view name, std::uint64_t value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_integer(out, value);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_text(out, value);
}

void append_effect(std::string& out, const Effect& effect) {
  out += "{\"effect\":";
  append_json_text(out, name(effect.kind));
  switch (effect.kind) {
    case EffectKind::task:
    case EffectKind::job_queued:
    case EffectKind::job_cancelled:
      append_field(out, "id", effect.id);
      break;
    case EffectKind::lease_granted:
    case EffectKind::lease_freed:
      append_field(out, "key", effect.text);
      append_field(out, "token", effect.token);
      break;
    case EffectKind::blocked:
      append_field(out, "task", effect.id);
      append_field(out, "reason", effect.text);
      break;
    case EffectKind::end_group:
      append_field(out, "job", effect.id);
      out += ",\"pid\":";
      append_json_integer(out, effect.pid);
      break;
    case EffectKind::alert:
      append_field(out, "reason", effect.text);
      break;
  }
  out += '}';
}

/// Collects output and passes it on in large pieces.
class Pieces {
 public:
  explicit Pieces(const std::function<void(std::string_view)>& out) : out_(out) {}

  std::string& text() { return text_; }
  void flush_if_large() {
    if (text_.size() >= piece_bytes) flush();
  }
  void flush() {
    if (!text_.empty()) out_(text_);
    text_.clear();
  }

 private:
  static constexpr std::size_t piece_bytes = 64 * 1024;

  const std::function<void(std::string_view)>& out_;
  std::string text_;
};

/// Writes the items of one list.
class List {
 public:
  List(Pieces& pieces, std::string_view name) : pieces_(pieces) {
    pieces_.text() += ",\"";
    pieces_.text() += name;
    pieces_.text() += "\":[";
  }
  template <class Row>
  void add(const Row& row) {
    if (!first_) pieces_.text() += ',';
    first_ = false;
    append_json(pieces_.text(), row);
    pieces_.flush_if_large();
  }
  void close() { pieces_.text() += ']'; }

 private:
  Pieces& pieces_;
  bool first_ = true;
};

Result<void> write_tasks(const State& state, const EachArchived& archived, Pieces& pieces) {
  List list(pieces, "tasks");
  if (auto read = for_each_task(state, archived, [&](const Task& task) { list.add(task); }); !read) return read;
  list.close();
  return {};
}

Result<void> write_jobs(const State& state, const EachArchived& archived, Pieces& pieces) {
  List list(pieces, "jobs");
  for (const auto& [id, job] : state.jobs.rows()) list.add(job);
  if (archived) {
    const auto add = [&](const ArchivedTask& finished) {
      for (const Job& job : finished.jobs) list.add(job);
    };
    if (auto read = archived(add); !read) return read;
  }
  list.close();
  return {};
}

}  // namespace

void append_json(std::string& out, const Task& task) {
  append_row(out, task);
}

void append_json(std::string& out, const Job& job) {
  JsonRowWriter writer(out);
  visit(job, writer);
  writer(0, "pid", job.run ? job.run->pid : std::nullopt);
  writer(0, "exit_code", job.run ? job.run->exit_code : std::nullopt);
  writer.close();
}

void append_json(std::string& out, const Lease& lease) {
  append_row(out, lease);
}
void append_json(std::string& out, const Boot& boot) {
  append_row(out, boot);
}
void append_json(std::string& out, const Owner& owner) {
  append_row(out, owner);
}
void append_json(std::string& out, const PipelineRow& pipeline) {
  append_row(out, pipeline);
}

void append_json(std::string& out, const HoldRow& hold) {
  append_row(out, hold);
}

void append_json(std::string& out, const FreezeRow& freeze) {
  append_row(out, freeze);
}

void append_json(std::string& out, const SettingValue& value) {
  struct Append {
    std::string& out;
    void operator()(bool flag) const { append_json_bool(out, flag); }
    void operator()(std::int64_t number) const { append_json_integer(out, number); }
    void operator()(const std::string& text) const { append_json_text(out, text); }
    void operator()(const std::vector<std::string>& texts) const {
      out += '[';
      for (const std::string& text : texts) {
        if (out.back() != '[') out += ',';
        append_json_text(out, text);
      }
      out += ']';
    }
  };
  std::visit(Append{out}, value);
}

void append_json(std::string& out, const Settings& settings) {
  out += '{';
  for (const SettingKey& key : setting_keys()) {
    if (out.back() != '{') out += ',';
    append_json_text(out, key.name);
    out += ':';
    append_json(out, key.get(settings));
  }
  out += '}';
}

void append_json(std::string& out, const Effects& effects) {
  out += '[';
  for (const Effect& effect : effects) {
    if (out.back() != '[') out += ',';
    append_effect(out, effect);
  }
  out += ']';
}

void append_record_line(std::string& out, const fb::Record& record, const Effects& effects, Audience audience) {
  thread_local std::string effects_json;  // reused: a line is written for every record of an export
  effects_json.clear();
  append_json(effects_json, effects);
  append_record_json(out, record, effects_json, audience);
}

Result<void> for_each_task(const State& state, const EachArchived& archived,
                           const std::function<void(const Task&)>& each) {
  auto next = state.tasks.rows().begin();
  if (archived) {
    const auto merge = [&](const ArchivedTask& finished) {
      for (; next != state.tasks.rows().end() && next->first < finished.task.id; ++next) each(next->second);
      each(finished.task);
    };
    if (auto read = archived(merge); !read) return read;
  }
  for (; next != state.tasks.rows().end(); ++next) each(next->second);
  return {};
}

Result<void> write_state_json(const State& state, const EachArchived& archived,
                              const std::function<void(std::string_view)>& out) {
  Pieces pieces(out);
  pieces.text() += "{\"seq\":";
  append_json_integer(pieces.text(), raw(state.last_seq));
  pieces.text() += ",\"digest\":";
  append_json_hex(pieces.text(), state.digest());
  if (auto written = write_tasks(state, archived, pieces); !written) return written;
  if (auto written = write_jobs(state, archived, pieces); !written) return written;
  List leases(pieces, "leases");
  for (const auto& [key, lease] : state.leases.rows()) leases.add(lease);
  leases.close();
  List boots(pieces, "boots");
  for (const auto& [id, boot] : state.boots.rows()) boots.add(boot);
  boots.close();
  pieces.text() += ",\"settings\":";
  append_json(pieces.text(), state.settings());
  pieces.text() += '}';
  pieces.flush();
  return {};
}

}  // namespace pawl
