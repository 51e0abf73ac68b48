// Rows in the order of their keys, with the means to undo a group.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "schema/result.h"

namespace pawl {

/// A map that remembers how its rows were before the group in hand.
///
/// Within a record rows are changed by edit(), insert() and erase(); settle() then reports each row that the record
/// touched, once, as it was and as it is. undo() takes all records of the group back; keep() makes them final.
/// A row removed by detach() is gone from here, but is no change of the state: it was archived.
template <class Key, class Row>
class Table {
 public:
  using Rows = std::map<Key, Row>;

  /// Valid until the row is erased or detached.
  const Row* find(const Key& key) const {
    const auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second;
  }

  const Rows& rows() const { return rows_; }
  std::size_t size() const { return rows_.size(); }

  /// Requires: the row exists.
  Row& edit(const Key& key) {
    const auto found = rows_.find(key);
    PAWL_ASSERT(found != rows_.end());
    remember(key, &found->second);
    return found->second;
  }

  /// Requires: the row does not exist.
  Row& insert(const Key& key, Row row) {
    remember(key, nullptr);
    const auto [at, inserted] = rows_.emplace(key, std::move(row));
    PAWL_ASSERT(inserted);
    return at->second;
  }

  void erase(const Key& key) {
    const auto found = rows_.find(key);
    PAWL_ASSERT(found != rows_.end());
    remember(key, &found->second);
    rows_.erase(found);
  }

  /// Calls `changed(before, after)` for each row touched since the last settle(); null where there was or is none.
  template <class Changed>
  void settle(Changed changed) {
    for (; settled_ < saved_.size(); ++settled_) {
      const Saved& saved = saved_[settled_];
      const auto now = rows_.find(saved.key);
      changed(saved.before ? &*saved.before : nullptr, now == rows_.end() ? nullptr : &now->second);
    }
  }

  /// Calls `each(key, before)` for each row touched since the last settle(); null where there was none. Beforehand:
  /// settle() forgets what the record touched.
  template <class Each>
  void touched(Each each) const {
    for (std::size_t i = settled_; i < saved_.size(); ++i) {
      each(saved_[i].key, saved_[i].before ? &*saved_[i].before : nullptr);
    }
  }

  /// Whether the group in hand has touched any row.
  bool is_touched() const { return !saved_.empty(); }

  /// Takes back every change since the last keep(), the latest first, with `changed(after, before)` for each.
  /// Requires: settle() was called after the last change.
  template <class Changed>
  void undo(Changed changed) {
    PAWL_ASSERT(settled_ == saved_.size());
    for (; !saved_.empty(); saved_.pop_back()) {
      Saved& saved = saved_.back();
      const auto now = rows_.find(saved.key);
      changed(now == rows_.end() ? nullptr : &now->second, saved.before ? &*saved.before : nullptr);
      if (!saved.before) {
        rows_.erase(now);
      } else if (now == rows_.end()) {
        rows_.emplace(saved.key, std::move(*saved.before));
      } else {
        now->second = std::move(*saved.before);
      }
    }
    settled_ = 0;
  }

  void keep() {
    PAWL_ASSERT(settled_ == saved_.size());
    saved_.clear();
    settled_ = 0;
  }

  /// Removes a row for the archive. Requires: no change is pending.
  Row detach(const Key& key) {
    PAWL_ASSERT(saved_.empty());
    const auto found = rows_.find(key);
    PAWL_ASSERT(found != rows_.end());
    Row row = std::move(found->second);
    rows_.erase(found);
    return row;
  }

  /// Puts a row in place that a checkpoint held; State::loaded() follows.
  void load(const Key& key, Row row) { rows_.insert_or_assign(key, std::move(row)); }

  /// The rows for what is kept beside them (their hashes). Requires: no change is pending.
  Rows& loaded_rows() { return rows_; }

 private:
  struct Saved {
    Key key;
    std::optional<Row> before;
  };

  void remember(const Key& key, const Row* row) {
    for (std::size_t i = settled_; i < saved_.size(); ++i) {
      if (saved_[i].key == key) return;  // Once a record: it is the row before the record that counts.
    }
    saved_.push_back({key, row ? std::optional<Row>(*row) : std::nullopt});
  }

  Rows rows_;
  std::vector<Saved> saved_;  // of the group in hand, in order
  std::size_t settled_ = 0;   // how many of them belong to earlier records of the group
};

}  // namespace pawl
