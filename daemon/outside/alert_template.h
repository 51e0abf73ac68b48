// The body of an alert's webhook: a JSON text with placeholders.
//
// `{name}` stands for a fact (daemon/outside/alert.h). Inside a string it becomes the fact's text, escaped; elsewhere
// it becomes a value: a string, an integer, or null if the fact is absent. So `"text": "{reason} of {work_item}"` and
// `"task": {task}` both give valid JSON, whatever the work item's name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/outside/alert.h"
#include "schema/result.h"

namespace pawl {

class AlertTemplate {
 public:
  /// `malformed`, with `name_for_errors` and, if known, the line: an unknown placeholder, or a text that is not valid
  /// JSON once filled in.
  static Result<AlertTemplate> parse(std::string_view text, const std::string& name_for_errors);
  /// The same from a file. `missing`, `io`: the file cannot be read.
  static Result<AlertTemplate> read(const std::string& path);
  /// One object with every fact.
  static AlertTemplate of_all_facts();

  std::string fill(const std::vector<AlertFact>& facts) const;

 private:
  enum class Place { literal, in_string, value };
  struct Piece {
    Place place;
    std::string text;  // literal text, or the name of a fact
  };

  AlertTemplate() = default;
  std::vector<Piece> pieces_;
};

}  // namespace pawl
