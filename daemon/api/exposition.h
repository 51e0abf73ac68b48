// The text of GET /metrics, in Prometheus' format or in that of OpenMetrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/counters.h"

namespace pawl {

enum class ExpositionForm {
  prometheus,    // version 0.0.4
  open_metrics,  // version 1.0.0
};

/// The form for a request with that Accept header: OpenMetrics if it is accepted, at least as gladly as plain text. An
/// Accept that names neither gets Prometheus' format: a scraper can do more with that than with a refusal.
ExpositionForm exposition_form(std::string_view accept);
std::string_view content_type(ExpositionForm form);

/// The values of one counter.
struct Family {
  const Counter* counter = nullptr;
  std::vector<Figure> values = {};
  std::vector<LabelledHistogram> histograms = {};
};

/// A family of counts that were read from the state. Beyond the first `names_max` values of the last label, its values
/// are added up under `other`.
Family family_of(const Counter& counter, std::vector<LabelledCount> counts);

/// How many values of a label of such a family are shown: their number has no bound elsewhere.
constexpr std::size_t names_max = 128;

/// The most lines of samples that the counter can have in an answer.
std::size_t lines_max(const Counter& counter);

/// The families in that order, without those that have no values.
std::string exposition_of(const std::vector<Family>& families, ExpositionForm form);

}  // namespace pawl
