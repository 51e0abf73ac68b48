// The entries of a log's index as bytes (docs/FORMAT.md §12); no other file knows them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schema/ids.h"
#include "schema/record_view.h"
#include "schema/result.h"
#include "schema/time.h"
#include "store/chain.h"
#include "store/index_store.h"

namespace pawl {

/// What an entry finds: its kind is the first byte of its key.
enum class IndexKind : char {
  created = 'c',       // by created_hash(): the records that ask for such a task
  of_job = 'j',        // by job: the records about it
  task_of_job = 'm',   // by job: its archived task
  in_repo = 'r',       // by name_hash(): archived tasks
  on_stage = 's',      // as in_repo
  of_task = 't',       // by task: the records about it
  of_work_item = 'w',  // as in_repo
};

/// How far the index reaches, and in which log.
struct IndexMark {
  Seq seq{};      // of the last record in it; 0: none
  Chain chain{};  // of that record, which only a log with the same records before it has
  /// Tasks that a record so far moved to a terminal stage, but that were not in the archive yet.
  std::set<TaskId> ending;
};

IndexEntry mark_entry(const IndexMark& mark);
std::string mark_key();
/// None: it is of another version of the index, or not a mark.
std::optional<IndexMark> mark_in(std::string_view value);

/// A place in the index: the entries of one kind and one number, from a seq or an id on.
std::string index_key(IndexKind kind, std::uint64_t number, std::uint64_t from);
struct IndexKey {
  std::uint64_t number = 0;
  std::uint64_t last = 0;  // the entry's only seq or id, or its last
};
/// None if the key is of another kind, or malformed.
std::optional<IndexKey> index_key_in(std::string_view key, IndexKind kind);

/// Seqs in rising order, packed into an entry's value as they are added.
class PackedSeqs {
 public:
  void add(Seq seq);
  Seq last() const { return last_; }
  std::string value() const;

 private:
  Seq first_{};
  Seq last_{};
  std::string further_;
};
/// Appends them to `seqs`; false: the value is malformed. `last` is from the entry's key.
bool unpack_seqs(std::string_view value, Seq last, std::vector<Seq>& seqs);

/// What a TaskCreated and the task that it created have in common: a record does not state the id that it gave.
std::uint64_t created_hash(TimeUs time, std::string_view repo, std::string_view work_item);

}  // namespace pawl
