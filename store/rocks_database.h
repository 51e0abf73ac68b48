// The database under store/rocks_log.h: its column families, how it is opened, and how its blocks are read in order.
// Nothing here judges what is found.
#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/files.h"
#include "store/key_format.h"

namespace pawl {

/// The column families. RocksDB requires one named `default`; it stays empty.
enum Family : std::size_t { unused, meta, log_blocks, checkpoint_values, archive, family_count };

/// An open RocksDB with its column families. Closed by the destructor.
struct Database {
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;

  Database() = default;
  Database(Database&&) = default;
  Database& operator=(Database&& other) noexcept {
    std::swap(db, other.db);
    std::swap(families, other.families);
    return *this;
  }
  ~Database();

  std::unique_ptr<rocksdb::Iterator> iterate(Family family, const rocksdb::ReadOptions& options = {}) const;
};

enum class Purpose { create, write, read_only };

rocksdb::Status open_database(Files& files, const std::string& path, rocksdb::WALRecoveryMode recovery, Purpose purpose,
                              Database& opened);

/// Options of any database of pawl: on these files, and without text logs, statistics and threads of its own.
rocksdb::DBOptions quiet_options(Files& files);

/// Converts a failed RocksDB status: `damaged`, `missing` or `io`.
Error error_of(const rocksdb::Status& status, const std::string& where);

/// Checks that the database and its column families exist. `missing`: there is nothing; `malformed`: it is not pawl's;
/// `damaged`.
Result<void> check_families(Files& files, const std::string& path);

/// Checks that this program may open the log. Returns whether the log was begun at all. `unsupported`: a newer format.
Result<bool> check_format(const Database& database, const std::string& path);

/// Records the log's format in it, durably.
Result<void> write_format(const Database& database, const std::string& path);

/// Reads blocks in order and checks that no seq is missing between them. Few blocks are read as they are; after some
/// more, the file system reads ahead.
class BlockWalk {
 public:
  /// Starts at the block that contains `from`; if there is none at or after it, at the block before it.
  BlockWalk(const Database& database, Seq from, std::string where);

  /// The next block; none at the end; `damaged` names the first seq that cannot be read.
  Result<std::optional<Block>> next_block();

  /// The last seq of the blocks so far; before the first, the one before it.
  Seq last() const { return last_; }

 private:
  void read_ahead();

  const Database& database_;
  std::string where_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  std::size_t bytes_left_;  // until it reads ahead
  bool started_ = false;
  Seq last_{};
};

}  // namespace pawl
