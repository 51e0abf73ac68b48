#include "tools/forensics/log_export.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "engine/json/state_json.h"
#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "store/open.h"
#include "tools/commands/output.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/traces.h"

namespace pawl {

/// A field of a CSV line (RFC 4180).
std::string csv(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"') out += '"';
    out += letter;
  }
  return out + '"';
}

namespace {

class LogWriter {
 public:
  explicit LogWriter(Format format) : format_(format) {
    if (format_ == Format::json) print("[");
    if (format_ == Format::csv) {
      print("seq,group,rules,time,boot,actor,key,request,type,data,outcome,unchecked,effects,digest,chain\n");
    }
  }

  /// A line that is no record.
  void write_line(std::string_view line) {
    if (format_ == Format::csv) return;
    begin();
    print(line);
    end();
  }

  void write(const AppliedRecord& item) {
    begin();
    text_.clear();
    if (format_ == Format::csv) {
      append_csv(item);
    } else {
      append_record_line(text_, item.record, item.applied.effects);
    }
    print(text_);
    end();
  }

  void close() {
    if (format_ == Format::json) print(first_ ? "]\n" : "\n]\n");
  }

 private:
  void begin() {
    if (format_ == Format::json) print(first_ ? "\n" : ",\n");
    first_ = false;
  }
  void end() {
    if (format_ != Format::json) print("\n");
  }

  void append_csv(const AppliedRecord& item) {
    const fb::Record& record = item.record;
    const fb::Stamp& stamp = *record.stamp();
    const auto integer = [&](std::uint64_t value) { text_ += std::to_string(value) + ','; };
    const auto text = [&](std::string_view value) { text_ += csv(value) + ','; };
    integer(stamp.seq());
    integer(stamp.group());
    integer(stamp.rules());
    text(rfc3339({stamp.time_us()}));
    text(record.boot()->string_view());
    text(record.actor()->string_view());
    text(record.key() ? record.key()->string_view() : "");
    text(record.request() ? hex(*record.request()) : "");
    text(fb::EnumNameEvent(record.event_type()));
    std::string data;
    append_event_json(data, record);
    text(data);
    text(name(item.applied.outcome));
    text(stamp.unchecked() ? "true" : "false");
    std::string effects;
    append_json(effects, item.applied.effects);
    text(effects);
    text(hex(stamp.digest()));
    append_hex(text_, {stamp.chain()->data(), stamp.chain()->size()});
  }

  Format format_;
  bool first_ = true;
  std::string text_;  // reused
};

template <class Value>
bool is_among(const std::vector<Value>& wanted, const Value& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool is_chosen(const LogOrder& order, const AppliedRecord& item) {
  return is_among(order.actors, item.record.actor()->str()) && is_among(order.types, item.record.event_type()) &&
         is_among(order.outcomes, item.applied.outcome);
}

/// How far it is, on one line that is wiped in the end; nothing where no terminal shows it.
class Bar {
 public:
  Bar(Seq first, Seq last) : first_(raw(first)), last_(raw(last)), is_shown_(::isatty(STDERR_FILENO) == 1) {}
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  ~Bar() {
    if (percent_ > 0) std::fputs("\r\x1b[K", stderr);
  }

  void show(Seq at) {
    if (!is_shown_ || last_ <= first_) return;
    const std::uint64_t percent = std::min<std::uint64_t>(100, (raw(at) - first_) * 100 / (last_ - first_));
    if (percent == percent_) return;
    percent_ = percent;
    constexpr std::size_t width = 40;
    std::string bar(width * percent / 100, '#');
    bar.resize(width, ' ');
    std::fprintf(stderr, "\r[%s] %3llu %%  record %llu", bar.c_str(), static_cast<unsigned long long>(percent),
                 static_cast<unsigned long long>(raw(at)));
  }

 private:
  std::uint64_t first_;
  std::uint64_t last_;
  bool is_shown_;
  std::uint64_t percent_ = 0;
};

}  // namespace

Result<Seq> seq_before(Journal& journal, std::string_view text, std::string_view option) {
  const Moment moment = PAWL_TRY(moment_of(text, option));
  const Moment just_before = moment.seq ? Moment{Seq{raw(*moment.seq) - (raw(*moment.seq) > 0 ? 1 : 0)}, {}}
                                        : Moment{{}, TimeUs{moment.time->us - 1}};
  return seq_at(journal, just_before);
}

Result<std::uint64_t> write_log(Log& log, const LogOrder& order, Seq last) {
  // What comes before is only applied, for the effects and the digest depend on it; a checkpoint saves most of that,
  // but not which jobs belong to a task.
  Opened opened;
  if (order.from > Seq{1} && !order.task) opened = PAWL_TRY(open_state_at(log, Seq{raw(order.from) - 1}));
  LogWriter writer(order.format);
  const Seq begun = opened.state.last_seq;
  if (begun > Seq{0} && order.is_whole()) writer.write_line(checkpoint_line(opened.state, opened.chain));
  Bar bar(begun, std::min(last, order.to));
  TaskTraces traces;
  std::uint64_t written = 0;
  const auto write = [&](const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      const Seq seq{item.record.stamp()->seq()};
      bar.show(seq);
      bool is_wanted = is_chosen(order, item);
      if (order.task) {
        traces.add(item.record, item.applied.effects);
        is_wanted = is_wanted && seq >= order.from && traces.concerns(*order.task, item.record, item.applied.effects);
      }
      if (!is_wanted) continue;
      writer.write(item);
      ++written;
    }
  };
  Replica replica(std::move(opened.state), opened.chain, proving_policy(write));
  PAWL_TRY(replica.read(log, order.to));
  if (replica.difference()) return error_of(*replica.difference());
  writer.close();
  return written;
}

}  // namespace pawl
