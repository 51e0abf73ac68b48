#include "daemon/api/record_lines.h"

#include <utility>

#include "schema/json/record_json.h"

namespace pawl {

RecordLine::RecordLine(RecordBytes bytes) : bytes_(bytes.begin(), bytes.end()) {
  append_record_json(json_, record(), "null", Audience::reader);
}

std::shared_ptr<const RecordLine> RecordLines::find(Seq seq) const {
  const MutexLock lock(mutex_);
  const auto found = lines_.find(seq);
  return found == lines_.end() ? nullptr : found->second;
}

std::shared_ptr<const RecordLine> RecordLines::add(RecordBytes bytes) {
  const Seq seq{fb::GetRecord(bytes.data())->stamp()->seq()};
  if (auto known = find(seq)) return known;
  auto line = std::make_shared<const RecordLine>(bytes);
  const MutexLock lock(mutex_);
  // Several threads may have read it at the same moment.
  const auto [at, is_new] = lines_.emplace(seq, line);
  if (!is_new) return at->second;
  bytes_ += line->size();
  while (lines_.size() > bounds_.lines || bytes_ > bounds_.bytes) {
    bytes_ -= lines_.begin()->second->size();
    lines_.erase(lines_.begin());
  }
  return line;
}

}  // namespace pawl
