// What the tests of stories share.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "schema/json/read_json.h"
#include "tests/unit/tools/sample_log.h"

namespace pawl::story_kit {

using Seqs = std::vector<std::int64_t>;

/// The path of a recorded log.
inline std::string incident(const std::string& name) {
  return PAWL_INCIDENTS + name + ".jsonl";
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The story as JSON; `log` may be "-" for `input`.
inline boost::json::value story_of(const std::string& log, const std::string& what, const std::string& input = "") {
  const Ran ran = run_pawl({"explain", log, what, "--json"}, input);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  auto read = parse_json(ran.out);
  EXPECT_TRUE(read.has_value()) << (read ? "" : read.error().message);
  return read ? *read : boost::json::value(boost::json::object());
}

inline Seqs seqs_of(const boost::json::value& story) {
  Seqs seqs;
  for (const auto& entry : story.at("entries").as_array()) seqs.push_back(entry.at("seq").as_int64());
  return seqs;
}

inline std::string text_of(const boost::json::value& value) {
  std::stringstream text;
  text << value;
  return text.str();
}

}  // namespace pawl::story_kit
