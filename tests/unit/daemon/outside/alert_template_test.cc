#include "daemon/outside/alert_template.h"

#include <gtest/gtest.h>

#include <string>

namespace pawl {
namespace {

Alert awkward_alert() {
  return {.reason = "gate_red",
          .seq = Seq{77},
          .actor = "monitor",
          .task = TaskId{12},
          .work_item = "say \"hi\" \\ \n{seq}",
          .repo = "shop",
          .stage = "review"};
}

std::string filled(const std::string& text, const Alert& alert) {
  const auto parsed = AlertTemplate::parse(text, "body.json");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? parsed->fill(facts_of(alert)) : "";
}

std::string refusal(const std::string& text) {
  const auto parsed = AlertTemplate::parse(text, "body.json");
  EXPECT_FALSE(parsed);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::malformed);
  return parsed.error().message;
}

TEST(AlertTemplate, within_a_string_a_fact_is_escaped_text) {
  EXPECT_EQ(filled(R"({"text": "{reason}: {work_item}, {task}"})", awkward_alert()),
            R"({"text": "gate_red: say \"hi\" \\ \n{seq}, 12"})");
}

TEST(AlertTemplate, elsewhere_a_fact_is_a_value) {
  EXPECT_EQ(filled(R"([{task},{reason},{"a":{}},{repo}])", awkward_alert()), R"([12,"gate_red",{"a":{}},"shop"])");
}

TEST(AlertTemplate, an_absent_fact_is_null_and_in_a_string_nothing) {
  EXPECT_EQ(filled(R"([{task},{lease},"<{task}>"])", Alert{}), R"([null,null,"<>"])");
}

TEST(AlertTemplate, a_quote_escaped_by_the_template_ends_no_string) {
  EXPECT_EQ(filled(R"(["\"{repo}\""])", awkward_alert()), R"(["\"shop\""])");
}

TEST(AlertTemplate, what_cannot_be_seen_is_shown_in_every_fact) {
  const Alert alert{.reason = "no \u202Eway\u009B2J\nsecond line",
                    .seq = Seq{3},
                    .actor = "mal\x1blory",
                    .task = TaskId{1},
                    .work_item = "W\u200B-1",
                    .repo = "shop",
                    .branch = "a\u2028b",
                    .stage = "review"};
  EXPECT_EQ(filled(R"(["{work_item} {branch}",{actor},"{reason}"])", alert),
            R"(["W\\u{200b}-1 a\\u{2028}b","mal\\x1blory","no \\u{202e}way\\u{9b}2J\nsecond line"])");
  EXPECT_EQ(
      filled("{summary}", alert),
      R"("no \\u{202e}way\\u{9b}2J second line: W\\u{200b}-1 of shop (task 1, review), by mal\\x1blory, record 3")")
      << "one line";
}

TEST(AlertTemplate, the_summary_names_the_work_item) {
  Alert alert = awkward_alert();
  alert.work_item = "W-1";
  EXPECT_EQ(filled("{summary}", alert), R"("gate_red: W-1 of shop (task 12, review), by monitor, record 77")");
  alert = {.reason = "lease_reclaimed:forced", .seq = Seq{8}, .actor = "operator", .lease = "repo:shop"};
  EXPECT_EQ(filled("{summary}", alert), R"("lease_reclaimed:forced: lease repo:shop, by operator, record 8")");
}

TEST(AlertTemplate, an_unknown_placeholder_is_refused_with_its_line) {
  const std::string message = refusal("{\n\"text\":\n\"{resaon}\"}");
  EXPECT_NE(message.find("body.json:3: unknown placeholder {resaon}; the placeholders are {summary}, {reason}"),
            std::string::npos)
      << message;
}

TEST(AlertTemplate, a_body_that_would_be_no_json_is_refused) {
  EXPECT_NE(refusal(R"({"text": "{reason}")").find("body.json: is not valid JSON once the placeholders are filled in"),
            std::string::npos);
  EXPECT_NE(refusal(R"(text={reason}&chat=1)").find("body.json: is not valid JSON once the placeholders are filled in"),
            std::string::npos);
  EXPECT_NE(refusal("").find("is not valid JSON"), std::string::npos);
  EXPECT_NE(refusal(R"({"a": 1{task}})").find("is not valid JSON"), std::string::npos);
}

TEST(AlertTemplate, by_default_every_fact_is_told) {
  const std::string body = AlertTemplate::of_all_facts().fill(facts_of(awkward_alert()));
  for (const AlertFact& fact : facts_of({})) {
    EXPECT_NE(body.find('"' + std::string(fact.name) + "\":"), std::string::npos) << fact.name;
  }
  EXPECT_TRUE(body.starts_with(R"({"summary":"gate_red: say \"hi\")")) << body;
  EXPECT_NE(body.find(R"("lease":null)"), std::string::npos) << body;
}

TEST(AlertTemplate, a_file_that_is_not_there_is_missing) {
  const auto parsed = AlertTemplate::read("/nowhere/body.json");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::missing);
  EXPECT_NE(parsed.error().message.find("/nowhere/body.json"), std::string::npos);
}

}  // namespace
}  // namespace pawl
