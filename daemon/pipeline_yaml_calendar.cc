#include "daemon/pipeline_yaml_calendar.h"

#include <utility>
#include <vector>

#include "daemon/pipeline_zone.h"
#include "schema/limits.h"
#include "schema/printable.h"

namespace pawl {
namespace {

/// One text, or a list of them.
Result<std::vector<std::string>> texts_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  std::vector<std::string> texts;
  if (!node.IsSequence()) {
    texts.push_back(PAWL_TRY(text_of(source, node, what)));
    return texts;
  }
  PAWL_TRY(bounded(source, node, limits::stages_max, what));
  for (const YAML::Node& item : node) texts.push_back(PAWL_TRY(text_of(source, item, "an entry of " + what)));
  if (texts.empty()) return at(source, node, what + " is an empty list: leave it out for all");
  return texts;
}

Result<CalendarSpan> span_of(const YamlFile& source, const YAML::Node& node, bool is_weekly, const std::string& what) {
  const Fields fields =
      PAWL_TRY(is_weekly ? fields_of(source, node, what, {"days", "from", "until", "stages", "reason"})
                         : fields_of(source, node, what, {"from", "until", "stages", "reason"}));
  for (const char* needed : {"from", "until"}) {
    if (!field(fields, needed)) return at(source, node, what + " has no " + in_quotes(needed));
  }
  CalendarSpan span;
  if (const YAML::Node* days = field(fields, "days")) {
    const std::vector<std::string> named = PAWL_TRY(texts_of(source, *days, "'days' of " + what));
    for (const std::string& day : named) {
      span.days += (span.days.empty() ? "" : ", ") + day;
    }
  }
  span.from = PAWL_TRY(optional_text(source, fields, "from", what));
  span.until = PAWL_TRY(optional_text(source, fields, "until", what));
  span.reason = PAWL_TRY(optional_text(source, fields, "reason", what));
  if (const YAML::Node* stages = field(fields, "stages")) {
    span.stages = PAWL_TRY(texts_of(source, *stages, "'stages' of " + what));
  }
  return span;
}

Result<std::vector<CalendarSpan>> spans_of(const YamlFile& source, const Fields& fields, const char* name,
                                           bool is_weekly) {
  std::vector<CalendarSpan> spans;
  const YAML::Node* list = field(fields, name);
  if (!list) return spans;
  const std::string what = in_quotes(name) + " of the calendar";
  if (!list->IsSequence()) return at(source, *list, what + " is not a list");
  PAWL_TRY(bounded(source, *list, limits::calendar_spans_max, what));
  std::vector<std::string_view> stages;
  for (const Stage& stage : source.read.pipeline.stages) stages.emplace_back(stage.name);
  for (const YAML::Node& node : *list) {
    spans.push_back(PAWL_TRY(span_of(source, node, is_weekly, "a span in " + what)));
    // Checked here rather than with the whole, so that the error has the span's own line.
    if (const auto problem = calendar_span_problem(spans.back(), is_weekly, stages)) {
      return at(source, node, "the calendar " + *problem);
    }
    if (!is_weekly) source.read.freeze_lines.push_back(line_of(node.Mark()));
  }
  return spans;
}

}  // namespace

Result<void> read_calendar(const YamlFile& source, const YAML::Node& node) {
  const std::string what = "the calendar";
  const Fields fields = PAWL_TRY(fields_of(source, node, what, {"zone", "closed", "open", "freezes"}));
  Calendar calendar;
  const YAML::Node* zone = field(fields, "zone");
  if (!zone)
    return at(source, node, what + " has no 'zone': name the one that its times are in, such as Europe/Berlin");
  calendar.zone = PAWL_TRY(text_of(source, *zone, "'zone' of " + what));
  calendar.closed = PAWL_TRY(spans_of(source, fields, "closed", true));
  calendar.open = PAWL_TRY(spans_of(source, fields, "open", true));
  calendar.freezes = PAWL_TRY(spans_of(source, fields, "freezes", false));
  if (const auto known = Zone::named(calendar.zone); !known) return at(source, *zone, known.error().message);
  source.read.pipeline.calendar = std::move(calendar);
  return {};
}

}  // namespace pawl
