#include "tools/commands/log_export.h"

#include <algorithm>

#include "engine/json/state_json.h"
#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/layout.h"
#include "schema/record_view.h"
#include "schema/subject.h"
#include "store/base64.h"
#include "store/open.h"
#include "tools/commands/output.h"
#include "tools/forensics/exported_lines.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/reading_progress.h"
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
      print("seq,group,rules,time,boot,actor,key,request,type,data,outcome,unchecked,effects,digest,chain,principal\n");
    }
  }

  /// A line that is not a record.
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
      std::string effects;
      append_json(effects, item.applied.effects);
      append_csv(item.record, item.applied.outcome, effects);
    } else {
      append_record_line(text_, item.record, item.applied.effects);
    }
    print(text_);
    end();
  }

  /// A record that cannot be applied: without its effects.
  void write_unapplied(const fb::Record& record) {
    begin();
    text_.clear();
    if (format_ == Format::csv) {
      append_csv(record, Outcome{record.stamp()->outcome()}, "");
    } else {
      append_record_json(text_, record, "null");
    }
    print(text_);
    end();
  }

  /// A record of a newer version: its bytes.
  void write_raw(const fb::Record& record, RecordBytes bytes) {
    const TableLayout* known = layout_of(record.event_type());
    const std::string type = known ? '"' + known->name + '"' : std::to_string(static_cast<int>(record.event_type()));
    const std::string seq = std::to_string(record.stamp()->seq());
    begin();
    if (format_ == Format::csv) {
      print(seq + ",,,,,,,," + (known ? known->name : type) + ',' + base64(bytes) + ",,,,,,");
    } else {
      print("{\"seq\":" + seq + ",\"type\":" + type + ",\"bytes\":\"" + base64(bytes) + "\"}");
    }
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

  void append_csv(const fb::Record& record, Outcome outcome, std::string_view effects) {
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
    text(name(outcome));
    text(stamp.unchecked() ? "true" : "false");
    text(effects);
    text(hex(stamp.digest()));
    append_hex(text_, {stamp.chain()->data(), stamp.chain()->size()});
    text_ += ',' + csv(principal_of(record));
  }

  Format format_;
  bool first_ = true;
  std::string text_;  // reused
};

template <class Value>
bool is_among(const std::vector<Value>& wanted, const Value& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool is_chosen(const LogExportOptions& options, const AppliedRecord& item) {
  return is_among(options.actors, item.record.actor()->str()) && is_among(options.types, item.record.event_type()) &&
         is_among(options.outcomes, item.applied.outcome);
}

}  // namespace

Result<Seq> seq_before(Journal& journal, std::string_view text, std::string_view option) {
  const Moment moment = PAWL_TRY(moment_of(text, option));
  const Moment just_before = moment.seq ? Moment{Seq{raw(*moment.seq) - (raw(*moment.seq) > 0 ? 1 : 0)}, {}}
                                        : Moment{{}, TimeUs{moment.time->us - 1}};
  return seq_at(journal, just_before);
}

namespace {

/// The record in the bytes, of any event and with any fields; null if they do not have the form of a record.
const fb::Record* record_in(RecordBytes bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  const bool is_one =
      bytes.size() >= 8 && fb::RecordBufferHasIdentifier(bytes.data()) && fb::VerifyRecordBuffer(verifier);
  return is_one ? fb::GetRecord(bytes.data()) : nullptr;
}

/// After a record that a newer version wrote, nothing can be applied: writes the rest as it is. Returns `why` with what
/// was written, or the error that stopped it.
Error write_rest(Log& log, const LogExportOptions& options, Seq from, LogWriter writer, Error why) {
  std::uint64_t known = 0;
  std::uint64_t raw_ones = 0;
  std::optional<Error> damaged;
  const Result<void> read = log.read(from, [&](RecordBytes bytes) {
    const fb::Record* record = record_in(bytes);
    if (!record) {
      damaged = Error{ErrorCode::damaged, "these bytes are not a record"};
      return false;
    }
    if (record->stamp()->seq() > raw(options.to)) return false;
    if (const auto viewed = view_record(bytes)) {
      writer.write_unapplied(**viewed);
      ++known;
    } else if (viewed.error().code == ErrorCode::unsupported) {
      writer.write_raw(*record, bytes);
      ++raw_ones;
    } else {
      damaged = viewed.error();
      return false;
    }
    return true;
  });
  writer.close();
  if (!read) return read.error();
  if (damaged) return *damaged;
  why.message += ", so it and what follows cannot be applied: from record " + std::to_string(raw(from)) + " on, " +
                 std::to_string(raw_ones) + " written as bytes, and " + std::to_string(known) +
                 " without their effects";
  return why;
}

}  // namespace

Result<std::uint64_t> write_log(Log& log, const LogExportOptions& options, Seq last) {
  // Earlier records are only applied, since effects and digests depend on them. A checkpoint saves most of that, but
  // not which jobs belong to a task.
  Opened opened;
  if (options.from > Seq{1} && !options.task) {
    auto at = open_state_at(log, Seq{raw(options.from) - 1});
    const bool is_newer = !at && at.error().code == ErrorCode::unsupported && options.is_whole();
    if (is_newer) return write_rest(log, options, options.from, LogWriter(options.format), at.error());
    if (!at) return at.error();
    opened = std::move(*at);
  }
  LogWriter writer(options.format);
  const Seq begun = opened.state.last_seq;
  if (begun > Seq{0} && options.is_whole()) writer.write_line(checkpoint_line(opened.state, opened.chain));
  ReadingProgress progress("exporting");
  const std::uint64_t end = raw(std::min(last, options.to));
  TaskTraces traces;
  std::uint64_t written = 0;
  const auto write = [&](const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      const Seq seq{item.record.stamp()->seq()};
      progress.show(raw(seq) - raw(begun), std::max(end, raw(begun)) - raw(begun), raw(seq));
      bool is_wanted = is_chosen(options, item);
      if (options.task) {
        traces.add(item.record, item.applied.effects);
        is_wanted =
            is_wanted && seq >= options.from && traces.concerns(*options.task, item.record, item.applied.effects);
      }
      if (!is_wanted) continue;
      writer.write(item);
      ++written;
    }
  };
  Replica replica(std::move(opened.state), opened.chain, proving_policy(write));
  const Result<void> walked = replica.read(log, options.to);
  if (!walked && walked.error().code == ErrorCode::unsupported && options.is_whole()) {
    return write_rest(log, options, next(replica.state().last_seq), std::move(writer), walked.error());
  }
  if (!walked) return walked.error();
  if (replica.difference()) return error_of(*replica.difference());
  writer.close();
  return written;
}

}  // namespace pawl
