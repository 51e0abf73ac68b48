// A strict reader of Prometheus' text format and of OpenMetrics, as far as pawld writes them: it names what is wrong.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace pawl {

struct ParsedSample {
  std::string name;
  std::map<std::string, std::string> labels;
  std::string value;
};

struct ParsedFamily {
  std::string type;
  std::string help;
  std::string unit;
  std::vector<ParsedSample> samples;
};

using ParsedExposition = std::map<std::string, ParsedFamily>;

class ExpositionParser {
 public:
  ExpositionParser(const std::string& text, bool is_open_metrics) : is_open_metrics_(is_open_metrics) {
    EXPECT_TRUE(text.empty() || text.back() == '\n') << "the last line has no end";
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) take(line);
    EXPECT_EQ(has_end_, is_open_metrics_) << "# EOF";
    for (const auto& [name, family] : families_) check(name, family);
  }

  const ParsedExposition& families() const { return families_; }

 private:
  static constexpr const char* name_chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";

  void take(const std::string& line) {
    EXPECT_FALSE(has_end_) << "after # EOF: " << line;
    if (line == "# EOF") {
      has_end_ = true;
    } else if (line.starts_with("# ")) {
      comment(line);
    } else {
      sample(line);
    }
  }

  void comment(const std::string& line) {
    std::istringstream words(line);
    std::string hash;
    std::string kind;
    std::string name;
    words >> hash >> kind >> name;
    std::string rest;
    std::getline(words, rest);
    if (!rest.empty()) rest.erase(0, 1);
    if (name != family_) {
      EXPECT_FALSE(families_.contains(name)) << name << " comes in two places";
      family_ = name;
    }
    ParsedFamily& family = families_[name];
    EXPECT_TRUE(family.samples.empty()) << kind << " after a sample: " << name;
    std::string& part = kind == "HELP" ? family.help : kind == "TYPE" ? family.type : family.unit;
    EXPECT_TRUE(kind == "HELP" || kind == "TYPE" || (kind == "UNIT" && is_open_metrics_)) << line;
    EXPECT_TRUE(part.empty()) << line << ": twice";
    part = rest;
    if (kind == "UNIT") {
      EXPECT_TRUE(name.ends_with("_" + rest)) << line;
    }
  }

  void sample(const std::string& line) {
    ParsedSample sample;
    std::size_t at = line.find_first_not_of(name_chars);
    ASSERT_NE(at, std::string::npos) << line;
    sample.name = line.substr(0, at);
    if (line[at] == '{') at = labels(line, at + 1, sample);
    ASSERT_TRUE(at < line.size() && line[at] == ' ') << line;
    sample.value = line.substr(at + 1);
    std::size_t used = 0;
    EXPECT_NO_THROW((void)std::stod(sample.value, &used)) << line;
    EXPECT_EQ(used, sample.value.size()) << line;
    ASSERT_TRUE(belongs(sample.name)) << line << " is not of the family " << family_;
    EXPECT_TRUE(seen_.insert({sample.name, sample.labels}).second) << line << ": twice";
    families_[family_].samples.push_back(std::move(sample));
  }

  std::size_t labels(const std::string& line, std::size_t at, ParsedSample& sample) {
    while (at < line.size() && line[at] != '}') {
      const std::size_t equals = line.find("=\"", at);
      if (equals == std::string::npos) break;
      const std::string name = line.substr(at, equals - at);
      EXPECT_EQ(name.find_first_not_of(name_chars), std::string::npos) << line;
      std::string value;
      at = equals + 2;
      for (; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
        } else if (++at < line.size()) {
          EXPECT_NE(std::string("\\\"n").find(line[at]), std::string::npos) << line;
          value += line[at] == 'n' ? '\n' : line[at];
        }
      }
      EXPECT_TRUE(sample.labels.emplace(name, value).second) << line << ": a label comes twice";
      ++at;
      if (at < line.size() && line[at] == ',') ++at;
    }
    EXPECT_TRUE(at < line.size()) << line;
    return at + 1;
  }

  bool belongs(const std::string& name) const {
    const std::string& type = families_.at(family_).type;
    if (type == "histogram")
      return name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count";
    if (type == "counter" && is_open_metrics_) return name == family_ + "_total";
    if (type == "info") return is_open_metrics_ && name == family_ + "_info";
    return name == family_;
  }

  void check(const std::string& name, const ParsedFamily& family) const {
    EXPECT_FALSE(family.help.empty()) << name;
    EXPECT_TRUE(family.type == "counter" || family.type == "gauge" || family.type == "histogram" ||
                (family.type == "info" && is_open_metrics_))
        << name << " " << family.type;
    EXPECT_FALSE(family.samples.empty()) << name;
    if (family.type == "histogram") check_histogram(name, family);
    if (family.type != "counter") return;
    for (const ParsedSample& sample : family.samples) EXPECT_GE(std::stod(sample.value), 0) << name;
  }

  /// Rising buckets up to +Inf, which is the count.
  static void check_histogram(const std::string& name, const ParsedFamily& family) {
    double bound = -1;
    double count = 0;
    for (const ParsedSample& sample : family.samples) {
      if (sample.name == name + "_bucket") {
        const std::string& le = sample.labels.at("le");
        EXPECT_TRUE(le == "+Inf" || le.find('.') != std::string::npos) << name << " le " << le;
        EXPECT_GT(std::stod(le), bound) << name;
        EXPECT_GE(std::stod(sample.value), count) << name;
        bound = std::stod(le);
        count = std::stod(sample.value);
      } else if (sample.name == name + "_count") {
        EXPECT_EQ(bound, std::numeric_limits<double>::infinity()) << name;
        EXPECT_EQ(std::stod(sample.value), count) << name;
        bound = -1;
        count = 0;
      }
    }
    EXPECT_EQ(bound, -1) << name << " ends without a count";
  }

  const bool is_open_metrics_;
  bool has_end_ = false;
  std::string family_;
  ParsedExposition families_;
  std::set<std::pair<std::string, std::map<std::string, std::string>>> seen_;
};

}  // namespace pawl
