// What a finding shows of a record that it names. There is a heading for every record of a log, so they are packed:
// some five bytes for each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/outcome.h"
#include "schema/time.h"

namespace pawl {

struct Heading {
  TimeUs time;
  std::string actor;
  std::string boot;
  fb::Event event{};
  std::string type;  // the event's name
  Outcome outcome{};
};

class Headings {
 public:
  /// Takes the records of a log, in order.
  void add(const fb::Record& record);
  std::size_t size() const { return size_; }
  /// Of the last one. Requires: one was added.
  TimeUs last_time() const { return last_time_; }
  /// Requires: index < size().
  Heading at(std::size_t index) const;

 private:
  /// All but the time.
  using Kind = std::tuple<std::uint32_t, std::uint32_t, std::uint16_t, std::uint8_t>;  // actor, boot, outcome, type
  /// Some records, each as the difference of its time to the one before, and its kind.
  struct Block {
    std::int64_t begin_us = 0;
    std::vector<std::uint8_t> bytes;
  };

  std::uint32_t name_at(std::string_view name);

  std::vector<std::shared_ptr<const Block>> full_;  // a copy shares them
  Block last_;
  std::size_t size_ = 0;
  TimeUs last_time_;
  std::vector<Kind> kinds_;
  std::map<Kind, std::uint32_t> index_of_kind_;
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t, std::less<>> index_of_name_;
};

}  // namespace pawl
