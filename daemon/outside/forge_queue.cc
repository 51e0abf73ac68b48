#include "daemon/outside/forge_queue.h"

#include <algorithm>

namespace pawl {

void ForgeQueue::add(ForgeWord word) {
  if (word.seq <= begun_) return;
  const std::uint64_t number = next_number_++;
  if (word.kind == ForgeWord::Kind::status) {
    std::uint64_t& newest = newest_[{word.commit, word.stage}];
    if (newest != 0) waiting_.erase(newest);
    newest = number;
  }
  waiting_.emplace(number, Waiting{.word = std::move(word)});
}

void ForgeQueue::read_to(const LogPlace& place) {
  if (place.seq > read_.seq) read_ = place;
}

std::optional<ForgeQueue::Next> ForgeQueue::next(Time now) const {
  if (waiting_.empty() || now < due_) return std::nullopt;
  const auto& [number, first] = *waiting_.begin();
  return Next{.number = number, .word = first.word, .may_be_there = first.is_tried || first.word.seq <= known_};
}

std::optional<ForgeQueue::Time> ForgeQueue::due() const {
  return waiting_.empty() ? std::nullopt : std::optional(due_);
}

void ForgeQueue::told(std::uint64_t number) {
  failures_ = 0;
  due_ = {};
  if (const auto found = waiting_.find(number); found != waiting_.end()) remove(found);
}

std::chrono::milliseconds ForgeQueue::failed(std::uint64_t number, Time now, std::chrono::milliseconds not_before) {
  ++failures_;
  if (const auto found = waiting_.find(number); found != waiting_.end()) found->second.is_tried = true;
  const std::chrono::milliseconds pause = std::max(backoff_(failures_), not_before);
  due_ = now + pause;
  return pause;
}

const LogPlace& ForgeQueue::place() const {
  return waiting_.empty() ? read_ : waiting_.begin()->second.word.before;
}

void ForgeQueue::remove(std::map<std::uint64_t, Waiting>::iterator at) {
  const ForgeWord& word = at->second.word;
  if (word.kind == ForgeWord::Kind::status) newest_.erase({word.commit, word.stage});
  waiting_.erase(at);
}

}  // namespace pawl
