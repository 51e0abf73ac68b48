// Helpers for the rows of counters_*.cc. Only for those files.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/counters.h"
#include "daemon/api/figures.h"

namespace pawl::rows {

using FigureValues = std::vector<Figure>;
using FigureHistograms = std::vector<LabelledHistogram>;
using FigureLabels = std::vector<std::string_view>;
using ReadFigure = FigureValues (*)(const FigureSources&);
using ReadHistograms = FigureHistograms (*)(const FigureSources&);

inline FigureValues figure_of(std::uint64_t value) {
  return {{{}, static_cast<std::int64_t>(value)}};
}

/// None, if it is not known.
inline FigureValues figure_of(const std::optional<std::int64_t>& value) {
  return value ? FigureValues{{{}, *value}} : FigureValues{};
}

inline Counter figure_total(std::string_view name, std::string_view unit, std::string_view help, ReadFigure figure,
                            FigureLabels labels = {}, std::size_t series_max = 1) {
  return {.name = name,
          .kind = Counter::Kind::counter,
          .unit = unit,
          .help = help,
          .figure = figure,
          .labels = std::move(labels),
          .series_max = series_max};
}

inline Counter figure_gauge(std::string_view name, std::string_view unit, std::string_view help, ReadFigure figure,
                            FigureLabels labels = {}, std::size_t series_max = 1) {
  Counter gauge = figure_total(name, unit, help, figure, std::move(labels), series_max);
  gauge.kind = Counter::Kind::gauge;
  return gauge;
}

inline Counter figure_histogram(Bounds bounds, std::string_view name, std::string_view unit, std::string_view help,
                                ReadHistograms read, FigureLabels labels = {}, std::size_t series_max = 1) {
  return {.name = name,
          .kind = Counter::Kind::histogram,
          .unit = unit,
          .help = help,
          .read_histograms = read,
          .labels = std::move(labels),
          .series_max = series_max,
          .bounds = bounds};
}

/// The same row, of values in microseconds.
inline Counter in_microseconds(Counter counter) {
  counter.scale = Counter::Scale::microsecond;
  return counter;
}

}  // namespace pawl::rows
