#include "daemon/api/exposition.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace pawl {
namespace {

constexpr std::string_view open_metrics_type = "application/openmetrics-text";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// The part before the separator; `text` becomes what is behind it.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view first = text.substr(0, end);
  text = end == text.npos ? std::string_view() : text.substr(end + 1);
  return trimmed(first);
}

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

/// A quality in thousandths; one that is not well formed counts as 1.
int quality_of(std::string_view text) {
  if (text.empty() || (text.front() != '0' && text.front() != '1')) return 1'000;
  int quality = (text.front() - '0') * 1'000;
  int unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (c < '0' || c > '9' || unit == 0) return 1'000;
    quality += (c - '0') * unit;
    unit /= 10;
  }
  return std::min(quality, 1'000);
}

/// One element of an Accept header.
struct Accepted {
  std::string_view type;
  std::string_view version;  // empty: any
  int quality = 1'000;
};

Accepted accepted_of(std::string_view element) {
  Accepted accepted{.type = cut(element, ';'), .version = {}};
  while (!element.empty()) {
    std::string_view parameter = cut(element, ';');
    const std::string_view name = cut(parameter, '=');
    std::string_view value = trimmed(parameter);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (equals_ignoring_case(name, "q")) accepted.quality = quality_of(value);
    if (equals_ignoring_case(name, "version")) accepted.version = value;
  }
  return accepted;
}

// The families, without the ends that OpenMetrics gives to their samples.
std::string_view family_name(const Counter& counter, ExpositionForm form) {
  if (form == ExpositionForm::prometheus) return counter.name;
  for (const auto& [kind, end] :
       {std::pair(Counter::Kind::counter, std::string_view("_total")), {Counter::Kind::info, "_info"}}) {
    if (counter.kind == kind) return counter.name.substr(0, counter.name.size() - end.size());
  }
  return counter.name;
}

std::string_view type_name(Counter::Kind kind, ExpositionForm form) {
  return form == ExpositionForm::prometheus && kind == Counter::Kind::info ? name(Counter::Kind::gauge) : name(kind);
}

void append_escaped(std::string& out, std::string_view text, bool escapes_quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (c == '"' && escapes_quotes)) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

/// Decimal, and exact: what is counted in microseconds is shown in seconds.
std::string decimal(std::uint64_t number, Counter::Scale scale) {
  if (scale == Counter::Scale::one) return std::to_string(number);
  std::string fraction = std::to_string(number % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return std::to_string(number / 1'000'000) + (fraction.empty() ? "" : "." + fraction);
}

std::string decimal(std::int64_t number, Counter::Scale scale) {
  const auto positive = static_cast<std::uint64_t>(number);
  return number < 0 ? "-" + decimal(0 - positive, scale) : decimal(positive, scale);
}

/// With a fraction in both forms, so that a series keeps its name when its scraper changes the form.
std::string bound_of(std::uint64_t bound, Counter::Scale scale) {
  const std::string text = decimal(bound, scale);
  return text.find('.') == text.npos ? text + ".0" : text;
}

void append_labels(std::string& out, const Counter& counter, const std::vector<std::string>& values,
                   std::string_view le = {}) {
  if (counter.labels.empty() && le.empty()) return;
  out += '{';
  for (std::size_t i = 0; i < counter.labels.size(); ++i) {
    if (i > 0) out += ',';
    out += counter.labels[i];
    out += "=\"";
    append_escaped(out, values[i], true);
    out += '"';
  }
  if (!le.empty()) {
    if (!counter.labels.empty()) out += ',';
    out += "le=\"";
    out += le;
    out += '"';
  }
  out += '}';
}

void append_histogram(std::string& out, const Counter& counter, const LabelledHistogram& histogram) {
  const auto append = [&](std::string_view end, const std::string& value, std::string_view le = {}) {
    out += counter.name;
    out += end;
    append_labels(out, counter, histogram.labels, le);
    out += ' ' + value + '\n';
  };
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < histogram.seen.counts.size(); ++i) {
    count += histogram.seen.counts[i];
    const Bounds bounds = histogram.seen.bounds;
    append("_bucket", std::to_string(count), i < bounds.size() ? bound_of(bounds[i], counter.scale) : "+Inf");
  }
  append("_sum", decimal(histogram.seen.sum, counter.scale));
  append("_count", std::to_string(count));
}

void append_head(std::string& out, const Counter& counter, ExpositionForm form) {
  const std::string name(family_name(counter, form));
  out += "# HELP " + name + ' ';
  append_escaped(out, counter.help, form == ExpositionForm::open_metrics);
  out += "\n# TYPE " + name + ' ' + std::string(type_name(counter.kind, form)) + '\n';
  const bool names_unit = !counter.unit.empty() && name.ends_with("_" + std::string(counter.unit));
  if (form == ExpositionForm::open_metrics && names_unit)
    out += "# UNIT " + name + ' ' + std::string(counter.unit) + '\n';
}

}  // namespace

ExpositionForm exposition_form(std::string_view accept) {
  int open_metrics = 0;
  int plain = 0;
  while (!accept.empty()) {
    const Accepted accepted = accepted_of(cut(accept, ','));
    if (equals_ignoring_case(accepted.type, open_metrics_type)) {
      const bool is_known = accepted.version.empty() || accepted.version == "1.0.0" || accepted.version == "0.0.1";
      if (is_known) open_metrics = std::max(open_metrics, accepted.quality);
    } else if (equals_ignoring_case(accepted.type, "text/plain")) {
      plain = std::max(plain, accepted.quality);
    }
  }
  return open_metrics > 0 && open_metrics >= plain ? ExpositionForm::open_metrics : ExpositionForm::prometheus;
}

std::string_view content_type(ExpositionForm form) {
  return form == ExpositionForm::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8";
}

Family family_of(const Counter& counter, std::vector<LabelledCount> counts) {
  Family family{.counter = &counter};
  std::set<std::string> names;
  std::map<std::vector<std::string>, std::uint64_t> others;
  for (LabelledCount& each : counts) {
    const bool is_shown = each.labels.empty() || names.contains(each.labels.back()) ||
                          (names.size() < names_max && each.labels.back() != other_label);
    if (is_shown) {
      if (!each.labels.empty()) names.insert(each.labels.back());
      family.values.push_back({std::move(each.labels), static_cast<std::int64_t>(each.count)});
    } else {
      each.labels.back() = other_label;
      others[each.labels] += each.count;
    }
  }
  for (const auto& [labels, count] : others) family.values.push_back({labels, static_cast<std::int64_t>(count)});
  return family;
}

std::size_t lines_max(const Counter& counter) {
  // Of a histogram also the bucket without a bound, the sum and the count.
  return counter.series_max * (counter.kind == Counter::Kind::histogram ? counter.bounds.size() + 3 : 1);
}

std::string exposition_of(const std::vector<Family>& families, ExpositionForm form) {
  std::string out;
  for (const Family& family : families) {
    if (family.values.empty() && family.histograms.empty()) continue;
    const Counter& counter = *family.counter;
    append_head(out, counter, form);
    for (const Figure& figure : family.values) {
      out += counter.name;
      append_labels(out, counter, figure.labels);
      out += ' ' + decimal(figure.value, counter.scale) + '\n';
    }
    for (const LabelledHistogram& histogram : family.histograms) append_histogram(out, counter, histogram);
  }
  if (form == ExpositionForm::open_metrics) out += "# EOF\n";
  return out;
}

}  // namespace pawl
