// Reads RocksDB's write-ahead files directly, without RocksDB.
//
// One damaged length in a write-ahead file makes everything after it look like a tail that a crash cut off, and RocksDB
// silently drops it. So the files are first searched for complete blocks of ours: those must be there afterwards. Also,
// RocksDB treats seven zeros where a record fragment should begin as the end, whatever follows; a power cut that lost
// one page but kept the next would go unnoticed.
//
// RocksDB divides such a file into pieces of 32 KiB, each beginning with a 7-byte header; anything longer continues
// after the next header. Without those headers, each of our blocks is contiguous.
#pragma once

#include <string>

#include "schema/result.h"
#include "store/files.h"
#include "store/key_format.h"

namespace pawl {

struct FoundInWal : FoundBlocks {
  bool has_hole = false;  // in the newest file: older ones were read before, and may be deleted at any moment
};

/// Searches all write-ahead files in `log_dir`. A file deleted meanwhile is ignored: its content is then in tables.
/// Reads one file at a time into memory.
Result<FoundInWal> blocks_in_wal(const std::string& log_dir, Files& files = disk_files());

/// Whether there are zeros where a piece should begin, followed by anything else.
bool has_hole(std::string_view file);

/// The content of a write-ahead file without the headers of its pieces.
std::string without_heads(std::string_view file);

}  // namespace pawl
