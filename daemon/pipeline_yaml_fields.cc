#include "daemon/pipeline_yaml_fields.h"

#include <algorithm>
#include <charconv>

#include "schema/json/json_text.h"
#include "schema/printable.h"

namespace pawl {

Error at_line(const std::string& name, int line, const std::string& what) {
  return {ErrorCode::malformed, name + ":" + std::to_string(line) + ": " + what};
}

int line_of(const YAML::Mark& mark) {
  return mark.is_null() ? 1 : mark.line + 1;
}

Error at(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  return at_line(source.name, line_of(node.Mark()), what);
}

Result<Fields> fields_of(const YamlFile& source, const YAML::Node& node, const std::string& what,
                         std::initializer_list<std::string_view> known) {
  if (!node.IsMap()) return at(source, node, what + " is not a map of keys and values");
  Fields fields;
  for (const auto& entry : node) {
    const YAML::Node key = entry.first;
    if (!key.IsScalar()) return at(source, key, what + " has a key that is not text");
    if (std::find(known.begin(), known.end(), key.Scalar()) == known.end()) {
      std::string names;
      for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
      return at(source, key, "unknown key " + in_quotes(key.Scalar()) + " in " + what + "; it has " + names);
    }
    if (!fields.emplace(key.Scalar(), entry.second).second) {
      return at(source, key, "duplicate key " + in_quotes(key.Scalar()) + " in " + what);
    }
  }
  return fields;
}

const YAML::Node* field(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? nullptr : &found->second;
}

Result<void> check_bytes(const YamlFile& source, const YAML::Node& scalar, const std::string& what) {
  if (scalar.Scalar().find('\0') != std::string::npos) return at(source, scalar, what + " has a NUL byte in it");
  if (!is_json_text(scalar.Scalar())) return at(source, scalar, what + " is not UTF-8");
  return {};
}

Result<std::string> text_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  if (!node.IsScalar()) return at(source, node, what + " is not text");
  if (node.Scalar().empty()) return at(source, node, what + " is empty");
  PAWL_TRY(check_bytes(source, node, what));
  return node.Scalar();
}

Result<void> bounded(const YamlFile& source, const YAML::Node& list, std::size_t most, const std::string& what) {
  if (list.size() <= most) return {};
  return at(source, list,
            what + " has " + std::to_string(list.size()) + " entries; the maximum is " + std::to_string(most));
}

Result<std::string> optional_text(const YamlFile& source, const Fields& fields, std::string_view name,
                                  const std::string& of) {
  const YAML::Node* node = field(fields, name);
  if (!node) return std::string();
  return text_of(source, *node, in_quotes(name) + " of " + of);
}

namespace {

bool is_plain(const YAML::Node& node) {
  return node.IsScalar() && node.Tag() != "!";
}

}  // namespace

Result<std::int64_t> number_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  std::int64_t number = 0;
  if (is_plain(node)) {
    const std::string& text = node.Scalar();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  return at(source, node, what + " is not a whole number");
}

Result<std::int64_t> optional_number(const YamlFile& source, const Fields& fields, std::string_view name,
                                     std::int64_t otherwise, const std::string& of) {
  const YAML::Node* node = field(fields, name);
  if (!node) return otherwise;
  return number_of(source, *node, in_quotes(name) + " of " + of);
}

Result<std::optional<std::int64_t>> number_if_given(const YamlFile& source, const Fields& fields, std::string_view name,
                                                    const std::string& of) {
  const YAML::Node* node = field(fields, name);
  if (!node) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(PAWL_TRY(number_of(source, *node, in_quotes(name) + " of " + of)));
}

Result<std::optional<bool>> optional_flag(const YamlFile& source, const Fields& fields, std::string_view name,
                                          const std::string& of) {
  const YAML::Node* node = field(fields, name);
  if (!node) return std::optional<bool>();
  if (is_plain(*node)) {
    std::string word = node->Scalar();
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (word == "true" || word == "yes" || word == "on") return std::optional<bool>(true);
    if (word == "false" || word == "no" || word == "off") return std::optional<bool>(false);
  }
  return at(source, *node, in_quotes(name) + " of " + of + " is neither true nor false");
}

}  // namespace pawl
