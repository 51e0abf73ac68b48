#include "store/index_entries.h"

#include <algorithm>

#include "engine/state/state.h"
#include "store/key_format.h"

namespace pawl {
namespace {

constexpr char mark_kind = '=';
/// Of the entries' form and of what they find. With another one the index is made again.
constexpr std::uint64_t index_version = 1;

constexpr std::size_t number_bytes = 8;

/// Seven bits a byte, the lowest first; all bytes but the last have the highest bit set.
void put_number(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

std::optional<std::uint64_t> take_number(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

}  // namespace

std::string mark_key() {
  return {mark_kind};
}

IndexEntry mark_entry(const IndexMark& mark) {
  IndexEntry entry{.key = mark_key(), .value = {}};
  put_number(entry.value, index_version);
  put_number(entry.value, raw(mark.seq));
  entry.value.append(reinterpret_cast<const char*>(mark.chain.data()), mark.chain.size());
  for (const TaskId task : mark.ending) put_number(entry.value, raw(task));
  return entry;
}

std::optional<IndexMark> mark_in(std::string_view value) {
  IndexMark mark;
  if (take_number(value) != index_version) return std::nullopt;
  const auto seq = take_number(value);
  if (!seq || value.size() < mark.chain.size()) return std::nullopt;
  mark.seq = Seq{*seq};
  std::copy_n(value.begin(), mark.chain.size(), mark.chain.begin());
  value.remove_prefix(mark.chain.size());
  while (!value.empty()) {
    const auto task = take_number(value);
    if (!task) return std::nullopt;
    mark.ending.insert(TaskId{*task});
  }
  return mark;
}

std::string index_key(IndexKind kind, std::uint64_t number, std::uint64_t from) {
  return static_cast<char>(kind) + encode_key(number) + encode_key(from);
}

std::optional<IndexKey> index_key_in(std::string_view key, IndexKind kind) {
  if (key.size() != 1 + 2 * number_bytes || key.front() != static_cast<char>(kind)) return std::nullopt;
  const auto number = decode_key(key.substr(1, number_bytes));
  const auto last = decode_key(key.substr(1 + number_bytes));
  if (!number || !last) return std::nullopt;
  return IndexKey{*number, *last};
}

void PackedSeqs::add(Seq seq) {
  if (first_ == Seq{}) {
    first_ = seq;
  } else {
    put_number(further_, raw(seq) - raw(last_));
  }
  last_ = seq;
}

std::string PackedSeqs::value() const {
  std::string value;
  put_number(value, raw(last_) - raw(first_));
  return value + further_;
}

bool unpack_seqs(std::string_view value, Seq last, std::vector<Seq>& seqs) {
  const auto span = take_number(value);
  if (!span || *span >= raw(last)) return false;
  std::uint64_t seq = raw(last) - *span;
  seqs.push_back(Seq{seq});
  while (!value.empty()) {
    const auto step = take_number(value);
    if (!step || *step == 0 || *step > raw(last) - seq) return false;
    seq += *step;
    seqs.push_back(Seq{seq});
  }
  return seq == raw(last);
}

std::uint64_t created_hash(TimeUs time, std::string_view repo, std::string_view work_item) {
  std::string identity = encode_key(static_cast<std::uint64_t>(time.us));
  identity += repo;
  identity += '\0';  // not in any name
  identity += work_item;
  return name_hash(identity);
}

}  // namespace pawl
