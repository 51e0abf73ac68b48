#include "tools/forensics/headings.h"

namespace pawl {
namespace {

constexpr std::size_t records_in_block = 256;

/// Seven bits in each byte, the lowest first; the highest bit says that another follows.
void append_number(std::vector<std::uint8_t>& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<std::uint8_t>(number | 0x80));
  out.push_back(static_cast<std::uint8_t>(number));
}

std::uint64_t next_number(const std::uint8_t*& at) {
  std::uint64_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    const std::uint8_t byte = *at++;
    number |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
}

/// Small for small differences of either sign: a record's time may be before the previous one's.
std::uint64_t folded(std::int64_t difference) {
  return (static_cast<std::uint64_t>(difference) << 1) ^ static_cast<std::uint64_t>(difference >> 63);
}
std::int64_t unfolded(std::uint64_t number) {
  return static_cast<std::int64_t>((number >> 1) ^ (~(number & 1) + 1));
}

}  // namespace

void Headings::add(const fb::Record& record) {
  const std::int64_t time_us = record.stamp()->time_us();
  const Kind kind{name_at(record.actor()->string_view()), name_at(record.boot()->string_view()),
                  record.stamp()->outcome(), static_cast<std::uint8_t>(record.event_type())};
  const auto [known, is_new] = index_of_kind_.try_emplace(kind, static_cast<std::uint32_t>(kinds_.size()));
  if (is_new) kinds_.push_back(kind);
  if (size_ % records_in_block == 0) {
    if (size_ > 0) full_.push_back(std::make_shared<const Block>(std::move(last_)));
    last_ = {.begin_us = time_us, .bytes = {}};
    last_time_ = {time_us};
  }
  append_number(last_.bytes, folded(time_us - last_time_.us));
  append_number(last_.bytes, known->second);
  last_time_ = {time_us};
  ++size_;
}

Heading Headings::at(std::size_t index) const {
  const std::size_t block = index / records_in_block;
  const Block& within = block < full_.size() ? *full_[block] : last_;
  const std::uint8_t* next = within.bytes.data();
  std::int64_t time_us = within.begin_us;
  std::uint64_t kind = 0;
  for (std::size_t i = 0; i <= index % records_in_block; ++i) {
    time_us += unfolded(next_number(next));
    kind = next_number(next);
  }
  const auto& [actor, boot, outcome, type] = kinds_[kind];
  const auto event = static_cast<fb::Event>(type);
  return {.time = {time_us},
          .actor = names_[actor],
          .boot = names_[boot],
          .event = event,
          .type = fb::EnumNameEvent(event),
          .outcome = Outcome{outcome}};
}

std::uint32_t Headings::name_at(std::string_view name) {
  const auto known = index_of_name_.find(name);
  if (known != index_of_name_.end()) return known->second;
  names_.emplace_back(name);
  return index_of_name_.emplace(name, static_cast<std::uint32_t>(names_.size() - 1)).first->second;
}

}  // namespace pawl
