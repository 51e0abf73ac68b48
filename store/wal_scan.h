// What stands in RocksDB's write-ahead files, read around RocksDB.
//
// One damaged length in a write-ahead file makes all that follows in it look like a tail that a crash cut off, and
// RocksDB then drops it without a word. So the files are searched for whole blocks of ours beforehand: what they hold
// has to be there afterwards. And seven zeros where a piece should begin are the end to RocksDB, whatever follows them;
// a power cut that took a page and left the next one would go unnoticed.
//
// RocksDB cuts such a file in pieces of 32 KiB, each of which begins with a head of 7 bytes; what is longer goes on
// behind the next head. A file without those heads holds each of our blocks in one piece.
#pragma once

#include <string>

#include "schema/result.h"
#include "store/files.h"
#include "store/key_format.h"

namespace pawl {

struct FoundInWal : FoundBlocks {
  bool has_hole = false;  // in the newest file: the older ones were read before, and may be there no longer in a moment
};

/// Searches all write-ahead files in `log_dir`. One that is deleted meanwhile (its content is in tables then) does not
/// count. Reads a file at a time into memory.
Result<FoundInWal> blocks_in_wal(const std::string& log_dir, Files& files = disk_files());

/// Whether zeros stand where a piece should begin, and anything else behind them.
bool has_hole(std::string_view file);

/// The content of a write-ahead file without the heads of its pieces.
std::string without_heads(std::string_view file);

}  // namespace pawl
