#include "schema/json/read_json.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <array>

namespace pawl {
namespace {

std::string refused(std::string_view text) {
  const auto read = parse_json(text);
  if (read) return "accepted";
  EXPECT_EQ(read.error().code, ErrorCode::malformed);
  return read.error().message;
}

testing::AssertionResult names(const std::string& message, std::string_view part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << message << "\" does not say \"" << part << '"';
}

testing::AssertionResult names_error(const Result<boost::json::value>& read, std::string_view part) {
  if (read) return testing::AssertionFailure() << "accepted";
  return names(read.error().message, part);
}

TEST(ReadJson, a_document_is_read_as_it_stands) {
  const auto read = parse_json(R"( {"a":[1,-2,18446744073709551615,true,null,"x\u00fcy"],"b":{"a":1}} )");
  ASSERT_TRUE(read);
  EXPECT_EQ(boost::json::serialize(*read), R"({"a":[1,-2,18446744073709551615,true,null,"xüy"],"b":{"a":1}})");
}

TEST(ReadJson, a_key_twice_in_one_object_is_refused) {
  EXPECT_TRUE(names(refused(R"({"a":1,"a":1})"), R"(duplicate key "a")"));
  EXPECT_TRUE(names(refused(R"({"o":{"x":1,"y":2,"\u0078":3}})"), R"(duplicate key "x")"));
  EXPECT_TRUE(names(refused(R"({"":1,"":1})"), R"(duplicate key "")"));
}

TEST(ReadJson, a_key_in_two_objects_is_accepted) {
  EXPECT_TRUE(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":1}]})"));
}

TEST(ReadJson, depth_is_bounded) {
  EXPECT_TRUE(parse_json(std::string(json_depth_max, '[') + std::string(json_depth_max, ']')));
  EXPECT_TRUE(names(refused(std::string(json_depth_max + 1, '[')), "too deeply"));
  EXPECT_TRUE(names(refused(std::string(1 << 20, '[')), "too deeply"));
}

TEST(ReadJson, members_with_other_names_are_skipped_at_every_level) {
  constexpr std::array<std::string_view, 3> names = {"a", "list", "z"};
  const auto read = [&](std::string_view text) {
    const auto value = parse_json(text, {.names = names});
    return value ? boost::json::serialize(*value) : value.error().message;
  };
  EXPECT_EQ(read(R"({"a":1,"b":2})"), R"({"a":1})");
  EXPECT_EQ(read(R"({"b":2,"a":1})"), R"({"a":1})");
  EXPECT_EQ(read(R"({"b":{"a":1,"c":[[],{},{"a":{}},"x",1.5,-1,true,null]},"a":{"b":[],"z":"y"}})"),
            R"({"a":{"z":"y"}})");
  EXPECT_EQ(read(R"({"list":[1,{"b":0,"a":2,"c":{"a":3}},[{"q":0}],"s"],"z":null})"),
            R"({"list":[1,{"a":2},[{}],"s"],"z":null})");
  EXPECT_EQ(read(R"({"b":"text","c":7,"d":false,"e":null,"f":18446744073709551615,"g":1e3})"), "{}");
  EXPECT_EQ(read("[7]"), "[7]");
}

TEST(ReadJson, of_what_is_skipped_only_its_form_and_its_depth_are_asked) {
  constexpr std::array<std::string_view, 1> names = {"a"};
  std::string many = R"({"b":{)";
  for (int i = 0; i < 1000; ++i) many += '"' + std::to_string(i) + "\":0,";
  many.back() = '}';
  EXPECT_TRUE(parse_json(many + R"(,"a":1})", {.names = names}));
  EXPECT_TRUE(parse_json(R"({"b":1,"b":2,"a":1})", {.names = names}));
  const auto twice = parse_json(R"({"a":1,"b":0,"a":2})", {.names = names});
  EXPECT_TRUE(names_error(twice, R"(duplicate key "a")"));
  EXPECT_TRUE(names_error(parse_json(R"({"b":[1,})", {.names = names}), "not valid JSON"));
  const auto nested = [](std::size_t levels) {
    return R"({"b":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + '}';
  };
  EXPECT_TRUE(parse_json(nested(64), {.depth_max = 64, .names = names}));
  EXPECT_TRUE(names_error(parse_json(nested(65), {.depth_max = 64, .names = names}), "more than 64 levels"));
}

TEST(ReadJson, what_is_no_json_is_refused_with_its_place) {
  EXPECT_TRUE(names(refused(""), "value is incomplete"));
  EXPECT_TRUE(names(refused(R"({"a":)"), "value is incomplete"));
  EXPECT_TRUE(names(refused("{\"a\" 1}"), "at byte 6"));
  EXPECT_TRUE(names(refused("{} {}"), "unexpected text"));
  EXPECT_TRUE(names(refused("\"\xFF\""), "not valid JSON"));
  EXPECT_TRUE(names(refused("{'a':1}"), "not valid JSON"));
  EXPECT_TRUE(names(refused("NaN"), "not valid JSON"));
}

TEST(ReadJson, an_object_of_absurdly_many_keys_is_refused) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += '"' + std::to_string(i) + "\":0,";
  text.back() = '}';
  EXPECT_TRUE(names(refused(text), "more than 256 keys in one object"));
}

}  // namespace
}  // namespace pawl
