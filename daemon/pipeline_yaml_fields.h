// The parts that YAML definitions are made of: maps with known keys, texts, numbers and flags. Every error has its
// line.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/pipeline_yaml.h"
#include "schema/result.h"

namespace pawl {

struct YamlFile {
  const std::string& name;
  const std::string& base_dir;
  PipelineText& read;  // what was read so far, with line numbers
};

Error at_line(const std::string& name, int line, const std::string& what);
int line_of(const YAML::Mark& mark);
Error at(const YamlFile& source, const YAML::Node& node, const std::string& what);

/// The values of a map by key. Each key must be one of `known` and unique: yaml-cpp itself silently takes the first of
/// two.
using Fields = std::map<std::string, YAML::Node, std::less<>>;
Result<Fields> fields_of(const YamlFile& source, const YAML::Node& node, const std::string& what,
                         std::initializer_list<std::string_view> known);
/// Null if it is absent.
const YAML::Node* field(const Fields& fields, std::string_view name);

/// A definition goes into the log, and from there into JSON: bytes that are not UTF-8 would come back changed.
Result<void> check_bytes(const YamlFile& source, const YAML::Node& scalar, const std::string& what);
/// Bounds a list before it is read: with aliases, a short file can repeat a long value many times.
Result<void> bounded(const YamlFile& source, const YAML::Node& list, std::size_t most, const std::string& what);

Result<std::string> text_of(const YamlFile& source, const YAML::Node& node, const std::string& what);
/// Absent: empty.
Result<std::string> optional_text(const YamlFile& source, const Fields& fields, std::string_view name,
                                  const std::string& of);
Result<std::int64_t> number_of(const YamlFile& source, const YAML::Node& node, const std::string& what);
Result<std::int64_t> optional_number(const YamlFile& source, const Fields& fields, std::string_view name,
                                     std::int64_t otherwise, const std::string& of);
Result<std::optional<std::int64_t>> number_if_given(const YamlFile& source, const Fields& fields, std::string_view name,
                                                    const std::string& of);
Result<std::optional<bool>> optional_flag(const YamlFile& source, const Fields& fields, std::string_view name,
                                          const std::string& of);

}  // namespace pawl
