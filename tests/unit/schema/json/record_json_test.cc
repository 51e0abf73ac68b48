#include "schema/json/record_json.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/outcome.h"
#include "schema/record_view.h"

namespace pawl {
namespace {

// The value for each field of an event: values differ by field, so that a swap would show.
class Filler {
 public:
  enum class Optionals { present, absent };

  explicit Filler(Optionals optionals) : optionals_(optionals) {}

  std::string object(const TableLayout& layout) {
    if (layout.name == "Command") return R"(["./run","--fast"])";
    if (layout.name == "SettingValue") return R"(["shop","depot"])";
    std::string out = "{";
    for (const FieldLayout& field : layout.fields) {
      if (field.is_added && optionals_ == Optionals::absent) continue;
      if (out.size() > 1) out += ',';
      out += '"' + field.name + "\":";
      out += field.required || optionals_ == Optionals::present ? value(field) : "null";
    }
    return out + '}';
  }

 private:
  std::string value(const FieldLayout& field) {
    ++count_;
    switch (field.type) {
      case FieldLayout::Type::boolean:
        return count_ % 2 == 0 ? "true" : "false";
      case FieldLayout::Type::integer:
        if (field.enumeration) return '"' + field.enumeration->values.back().second + '"';
        if (field.is_time) return R"("2026-06-15T10:00:00.000042Z")";
        return std::to_string(count_);
      case FieldLayout::Type::text:
        return "\"ü\\n" + std::to_string(count_) + '"';
      case FieldLayout::Type::table:
        return object(*field.table);
      case FieldLayout::Type::texts:
        return R"(["a",""])";
      case FieldLayout::Type::integers:
        return '[' + std::to_string(count_) + ",0]";
      case FieldLayout::Type::tables:
        return '[' + object(*field.table) + ',' + object(*field.table) + ']';
    }
    return "?";
  }

  Optionals optionals_;
  int count_ = 0;
};

std::string line_of(std::string_view type, std::string_view data) {
  return std::string(R"({"seq":7,"group":6,"rules":1,"time":"2026-06-15T10:00:00.000000Z","boot":"b-1",)") +
         R"("actor":"monitor","key":"k-1","request":"00000000000000ff","type":")" + std::string(type) + R"(","data":)" +
         std::string(data) + R"(,"outcome":"version_conflict","unchecked":true,"effects":[{"effect":"task","id":1}],)" +
         R"("digest":"0123456789abcdef","chain":")" + std::string(62, '0') + R"(a1"})";
}

constexpr std::string_view effects = R"([{"effect":"task","id":1}])";

std::string written(const Proposal& record) {
  std::string out;
  append_record_json(out, record.record(), effects);
  return out;
}

Result<Proposal> asked(fb::Event type, std::string_view data) {
  const auto document = parse_json(data);
  EXPECT_TRUE(document) << data;
  return proposal_from_json({"boot-1", "operator", "", {}}, type, document->get_object(), Reading::asked);
}

std::string data_of(const Proposal& proposal) {
  std::string out;
  append_event_json(out, proposal.record());
  return out;
}

/// The error for `data`, which must be refused.
std::string complaint(fb::Event type, std::string_view data) {
  const auto read = asked(type, data);
  return read ? "accepted" : read.error().message;
}

/// The error for a line in which `from` was replaced by `to`.
std::string line_complaint(std::string_view from, std::string_view to) {
  std::string line = line_of("TaskCancelled", R"({"task":3})");
  const std::size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  line.replace(at, from.size(), to);
  const auto read = read_record_line(line);
  return read ? "accepted" : read.error().message;
}

TEST(RecordJson, every_event_comes_back_as_the_same_bytes) {
  for (const fb::Event event : fb::EnumValuesEvent()) {
    if (event == fb::Event::NONE) continue;
    for (const auto optionals : {Filler::Optionals::present, Filler::Optionals::absent}) {
      const std::string line = line_of(fb::EnumNameEvent(event), Filler(optionals).object(*layout_of(event)));
      const auto read = read_record_line(line);
      ASSERT_TRUE(read) << line << "\n" << read.error().message;
      const auto viewed = view_record({read->data(), read->size()});
      ASSERT_TRUE(viewed) << line << "\n" << viewed.error().message;
      EXPECT_EQ((*viewed)->event_type(), event);
      EXPECT_EQ(written(*read), line);
    }
  }
}

TEST(RecordJson, every_setting_value_comes_back) {
  for (const std::string value : {"true", "false", "0", "-5", "\"\"", "\"x\"", "[]", R"(["a"])"}) {
    const std::string line = line_of("SettingChanged", R"({"key":"k","value":)" + value + '}');
    const auto read = read_record_line(line);
    ASSERT_TRUE(read) << line << "\n" << read.error().message;
    EXPECT_EQ(written(*read), line);
  }
}

TEST(RecordJson, every_enumerator_comes_back) {
  for (const std::string tier : {"1", "2", "3", "restart"}) {
    const std::string line =
        line_of("JobReaped", R"({"job":1,"attempt":1,"tier":")" + tier +
                                 R"(","outcome":"retry","reason":null,"lease_token":0,"evidence":null})");
    const auto read = read_record_line(line);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(written(*read), line);
  }
}

TEST(RecordJson, a_record_is_written_in_canonical_form) {
  fb::StageTransitionT event;
  event.task = 12;
  event.to = "deploy";
  event.expected_version = 0;  // present, though zero
  Proposal proposal = propose({"b-1", "monitor", "", {}}, event);
  proposal.stamp().mutate_seq(~std::uint64_t{0});
  proposal.stamp().mutate_group(1);
  proposal.stamp().mutate_rules(1);
  std::string out;
  append_record_json(out, proposal.record(), "[]");
  EXPECT_EQ(out, R"({"seq":18446744073709551615,"group":1,"rules":1,"time":"1970-01-01T00:00:00.000000Z","boot":"b-1",)"
                 R"("actor":"monitor","key":null,"request":null,"type":"StageTransition",)"
                 R"("data":{"task":12,"to":"deploy","expected_version":0,"token":null,"reason":null},)"
                 R"("outcome":"accepted","unchecked":false,"effects":[],"digest":"0000000000000000","chain":")" +
                     std::string(64, '0') + "\"}");
}

TEST(RecordJson, a_line_is_read_into_its_stamp) {
  const auto read = read_record_line(line_of("TaskCancelled", R"({"task":3})"));
  ASSERT_TRUE(read) << read.error().message;
  const fb::Stamp& stamp = *read->record().stamp();
  EXPECT_EQ(stamp.seq(), 7U);
  EXPECT_EQ(stamp.group(), 6U);
  EXPECT_EQ(stamp.time_us(), 1781517600'000000);
  EXPECT_EQ(stamp.outcome(), static_cast<std::uint16_t>(Outcome::version_conflict));
  EXPECT_TRUE(stamp.unchecked());
  EXPECT_EQ(stamp.digest(), 0x0123456789abcdefU);
  EXPECT_EQ(stamp.chain()->Get(31), 0xa1);
  EXPECT_EQ(read->record().key()->str(), "k-1");
  EXPECT_EQ(read->record().request(), 0xffU);
  EXPECT_EQ(read->record().event_as_TaskCancelled()->task(), 3U);
}

TEST(RecordJson, a_line_without_one_of_its_fields_is_refused) {
  const std::string line = line_of("TaskCancelled", R"({"task":3})");
  const auto document = parse_json(line);
  ASSERT_TRUE(document);
  for (const auto& member : document->get_object()) {
    const std::string key(member.key().data(), member.key().size());
    std::string renamed = line;
    renamed.replace(renamed.find('"' + key + "\":"), key.size() + 1, "\"x");
    const auto read = read_record_line(renamed);
    ASSERT_FALSE(read) << key;
    EXPECT_EQ(read.error().message, key + ": is missing");
  }
}

TEST(RecordJson, bad_lines_are_refused_by_the_name_of_the_field) {
  EXPECT_EQ(line_complaint(R"("seq":7)", R"("seq":-7)"), "seq: must be a whole number, but is a number");
  EXPECT_EQ(line_complaint(R"("seq":7)", R"("seq":"7")"), "seq: must be a whole number, but is a string");
  EXPECT_EQ(line_complaint(R"("rules":1)", R"("rules":4294967296)"),
            "rules: is greater than the largest value, 4294967295");
  EXPECT_EQ(line_complaint(R"("time":"2026)", R"("time":"20x6)").substr(0, 6), "time: ");
  EXPECT_EQ(line_complaint(R"("boot":"b-1")", R"("boot":null)"), "boot: must be a string, but is null");
  EXPECT_EQ(line_complaint(R"("key":"k-1")", R"("key":"")"), "key: must be null rather than empty");
  EXPECT_EQ(line_complaint("00ff", "00FF"), "request: must be 16 lower-case hex digits");
  EXPECT_EQ(line_complaint("0123456789abcdef", "123"), "digest: must be 16 lower-case hex digits");
  EXPECT_EQ(line_complaint("a1\"}", "\"}"), "chain: must be 64 lower-case hex digits");
  EXPECT_EQ(line_complaint("true", "1"), "unchecked: must be true or false, but is a number");
  EXPECT_EQ(line_complaint("version_conflict", "lost"), "outcome: \"lost\" is unknown");
  EXPECT_EQ(line_complaint("TaskCancelled", "TaskForgotten"), "type: the event \"TaskForgotten\" is unknown");
  EXPECT_EQ(line_complaint(R"({"task":3})", "[]"), "data: must be an object, but is a list");
  EXPECT_EQ(line_complaint(R"({"task":3})", "{}"), "data: task: is missing");
  EXPECT_EQ(line_complaint(R"({"task":3})", R"({"task":3,"x":1})"), "data: there is no field \"x\" in TaskCancelled");
  EXPECT_EQ(line_complaint(R"("digest")", R"("more":1,"digest")"), "unknown field \"more\" in a record");
}

TEST(RecordJson, of_a_newer_version_is_told_from_malformed) {
  std::string line = line_of("TaskForgotten", "{}");
  EXPECT_EQ(read_record_line(line).error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_record_line("[]").error().code, ErrorCode::malformed);
  EXPECT_EQ(read_record_line("").error().code, ErrorCode::malformed);
}

TEST(RecordJson, a_line_that_is_too_long_is_refused_unread) {
  EXPECT_EQ(read_record_line(std::string(record_line_bytes_max + 1, ' ')).error().message,
            "the line is longer than any record");
}

TEST(RecordJson, what_is_left_out_of_a_request_is_null_empty_or_its_default) {
  const auto task = asked(fb::Event::TaskCreated, R"({"work_item":"W-1","repo":"shop"})");
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(data_of(*task),
            R"({"work_item":"W-1","repo":"shop","branch":null,"pipeline":null,"stage":null,"depends_on":[]})");

  const auto pipeline = asked(
      fb::Event::PipelineDefined,
      R"({"name":"p","agents":[{"name":"a"}],"stages":[{"name":"s","gate":{},"to":"done","steps":[{"name":"m","irreversible":true}]}]})");
  ASSERT_TRUE(pipeline) << pipeline.error().message;
  EXPECT_EQ(
      data_of(*pipeline),
      R"({"name":"p","agents":[{"name":"a","run":null,"timeout_s":1800}],"stages":[{"name":"s","agent":null,)"
      R"("gate":{"run":null,"timeout_s":300},"to":"done","steps":[{"name":"m","run":null,"probe":null,"timeout_s":900,)"
      R"("irreversible":true,"exclusive":false,"not_done_exit_codes":[],"settle_s":30}],"rollback":null}]})");
}

TEST(RecordJson, a_bad_request_is_refused_by_the_path_of_the_field) {
  using fb::Event;
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W"})"), "repo: is missing");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W","repo":null})"), "repo: must not be null");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"","repo":"r"})"), "work_item: must not be empty");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":5,"repo":"r"})"),
            "work_item: must be a string, but is a number");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"a\u0000b","repo":"r"})"), "work_item: contains a NUL byte");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W","repo":"r","depends_on":[1,"2"]})"),
            "depends_on[1]: must be a whole number, but is a string");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W","repo":"r","depends_on":[-1]})"),
            "depends_on[0]: must be a whole number from 0 to 18446744073709551615");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W","repo":"r","depends_on":{}})"),
            "depends_on: must be a list, but is an object");
  EXPECT_EQ(complaint(Event::TaskCreated, R"({"work_item":"W","repo":"r","colour":"red"})"),
            "there is no field \"colour\" in TaskCreated");
  EXPECT_EQ(complaint(Event::TaskCancelled, R"({"task":1.0})"),
            "task: must be a whole number, but is a number that is not whole");
  EXPECT_EQ(complaint(Event::LeaseAcquired, R"({"key":"task:1","owner":{"boot_id":"b","actor":"a"}})"),
            "owner.pid: is missing");
  EXPECT_EQ(complaint(Event::JobFinished, R"({"job":1,"attempt":1,"result":"won"})"),
            R"(result: must be one of "done", "retry", "failed", "cancelled", but is "won")");
  EXPECT_EQ(complaint(Event::JobFinished, R"({"job":1,"attempt":1,"result":0})"),
            R"(result: must be one of "done", "retry", "failed", "cancelled", but is a number)");
  EXPECT_EQ(
      complaint(Event::SettingChanged, R"({"key":"k","value":1.5})"),
      "value: must be a boolean, a whole number, a string or a list of strings, but is a number that is not whole");
  EXPECT_EQ(complaint(Event::SettingChanged, R"({"key":"k","value":18446744073709551615})"),
            "value: must be a whole number from -9223372036854775808 to 9223372036854775807");
  EXPECT_EQ(complaint(Event::PipelineDefined,
                      R"({"name":"p","agents":[],"stages":[{"name":"s","to":"t","steps":[{"name":"m","run":[1]}]}]})"),
            "stages[0].steps[0].run[0]: must be a string, but is a number");
  EXPECT_EQ(complaint(Event::PipelineDefined,
                      R"({"name":"p","agents":[],"stages":[{"name":"s","to":"t","steps":[{"name":"m",)"
                      R"("not_done_exit_codes":[2147483648]}]}]})"),
            "stages[0].steps[0].not_done_exit_codes[0]: must be a whole number from -2147483648 to 2147483647");
}

TEST(RecordJson, texts_of_a_request_are_bounded) {
  const auto named = [](std::size_t bytes) {
    return R"({"work_item":")" + std::string(bytes, 'w') + R"(","repo":"r"})";
  };
  EXPECT_TRUE(asked(fb::Event::TaskCreated, named(limits::work_item_bytes_max)));
  EXPECT_EQ(complaint(fb::Event::TaskCreated, named(limits::work_item_bytes_max + 1)),
            "work_item: has 201 bytes; the limit is 200");
}

TEST(RecordJson, names_are_checked_where_they_are_given_and_only_there) {
  using fb::Event;
  const auto created = [](const std::string& field, const std::string& name) {
    std::string fields = R"("work_item":"W","repo":"r")";
    if (field != "branch") fields = field == "repo" ? R"("work_item":"W")" : R"("repo":"r")";
    return "{" + fields + R"(,")" + field + R"(":")" + name + R"("})";
  };
  for (const std::string field : {"work_item", "repo", "branch"}) {
    for (const std::string unseen : {R"(\u202e)", R"(\u0085)", R"(\u2028)", R"(\u200b)", R"(\n)"}) {
      const std::string said = complaint(Event::TaskCreated, created(field, "a" + unseen + "b"));
      EXPECT_TRUE(said.starts_with(field + ": must not contain \\")) << said;
    }
    EXPECT_TRUE(asked(Event::TaskCreated, created(field, "日本")));
  }
  EXPECT_TRUE(complaint(Event::TaskCreated, created("branch", "a:b")).starts_with("branch: must not contain ':'; "));
  EXPECT_TRUE(asked(Event::TaskCreated, created("work_item", "a:b *")));
  EXPECT_TRUE(complaint(Event::LeaseAcquired, R"({"key":"a\u200b","owner":{"boot_id":"b","actor":"a","pid":1}})")
                  .starts_with("key: must not contain \\u{200b}"));
  // Existing objects with such a name can still be named, and free text stays free.
  EXPECT_TRUE(asked(Event::LeaseReleased, R"({"key":"a\u200b","token":1})"));
  EXPECT_TRUE(asked(Event::StageTransition, R"({"task":1,"to":"a\u200b","reason":"\u202e\u001b"})"));
}

TEST(RecordJson, names_of_a_log_are_read_as_they_are) {
  const std::string odd = R"("branch":"a:b\u202e@{-1}")";
  std::string line =
      line_of("TaskCreated", Filler(Filler::Optionals::present).object(*layout_of(fb::Event::TaskCreated)));
  const std::size_t begin = line.find(R"("branch":")");
  ASSERT_NE(begin, std::string::npos) << line;
  line.replace(begin, line.find('"', begin + 10) + 1 - begin, odd);
  EXPECT_TRUE(read_record_line(line)) << line;
}

TEST(RecordJson, no_changed_byte_and_no_cut_of_a_line_is_more_than_an_error) {
  const std::string line =
      line_of("JobReaped", Filler(Filler::Optionals::present).object(*layout_of(fb::Event::JobReaped)));
  for (std::size_t i = 0; i < line.size(); ++i) {
    EXPECT_FALSE(read_record_line(std::string_view(line).substr(0, i)));
    for (const char other : {'\0', '"', '{', ']', '9', '\\', '\xff', static_cast<char>(line[i] ^ 1)}) {
      if (other == line[i]) continue;
      std::string changed = line;
      changed[i] = other;
      const auto read = read_record_line(changed);
      // A line that is still a record says something different, except in its effects, which are not read.
      if (!read) continue;
      EXPECT_TRUE(view_record({read->data(), read->size()}));
      const bool has_its_effects = changed.find(effects) != std::string::npos;
      if (has_its_effects) {
        EXPECT_NE(written(*read), line) << changed;
      }
    }
  }
}

TEST(RecordJson, an_exported_text_is_taken_as_it_is) {
  const std::string line = line_of("TaskNote", R"({"task":1,"text":")" + std::string(100'000, 'x') + "\"}");
  const auto read = read_record_line(line);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(written(*read), line);
}

}  // namespace
}  // namespace pawl
