// Rows in key order, with undo for a group of changes.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "schema/result.h"

namespace pawl {

/// A map that remembers its rows as they were before the current group.
///
/// Within a record, edit(), insert() and erase() change rows; settle() then reports each row that the record touched,
/// once, with its old and new contents. undo() reverts all records of the group; keep() makes them final. Removing a
/// row by detach() does not change the state: the row was archived.
template <class Key, class Row>
class Table {
 public:
  using Rows = std::map<Key, Row, std::less<>>;

  /// By the key, or by what compares with it: a text need not be copied to be looked up. Valid until the row is erased
  /// or detached.
  const Row* find(const auto& key) const {
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

  /// Calls `changed(before, after)` for each row touched since the last settle(); null if the row did not or does not
  /// exist.
  template <class Changed>
  void settle(Changed changed) {
    for (; settled_ < saved_.size(); ++settled_) {
      const Saved& saved = saved_[settled_];
      const auto now = rows_.find(saved.key);
      changed(saved.before ? &*saved.before : nullptr, now == rows_.end() ? nullptr : &now->second);
    }
  }

  /// Calls `each(key, before)` for each row touched since the last settle(); null if the row did not exist. Call before
  /// settle(), which clears the set.
  template <class Each>
  void touched(Each each) const {
    for (std::size_t i = settled_; i < saved_.size(); ++i) {
      each(saved_[i].key, saved_[i].before ? &*saved_[i].before : nullptr);
    }
  }

  /// Whether the current group has touched any row.
  bool is_touched() const { return !saved_.empty(); }

  /// Reverts every change since the last keep(), latest first, and calls `changed(after, before)` for each.
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

  /// Adds a row from a checkpoint; call State::loaded() afterwards.
  void load(const Key& key, Row row) { rows_.insert_or_assign(key, std::move(row)); }

  /// The rows, mutable so that their hashes can be set. Requires: no change is pending.
  Rows& loaded_rows() { return rows_; }

 private:
  struct Saved {
    Key key;
    std::optional<Row> before;
  };

  void remember(const Key& key, const Row* row) {
    for (std::size_t i = settled_; i < saved_.size(); ++i) {
      if (saved_[i].key == key) return;  // Saved once per record: only the row as it was before the record matters.
    }
    Saved& saved = saved_.emplace_back();
    saved.key = key;
    if (row) saved.before.emplace(*row);
  }

  Rows rows_;
  std::vector<Saved> saved_;  // of the current group, in order
  std::size_t settled_ = 0;   // how many belong to earlier records of the group
};

}  // namespace pawl
