// A cache of the log's last records, for streams that follow it. Many streams request each new record at once: it is
// read, verified and converted to JSON only once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schema/ids.h"
#include "schema/record_view.h"
#include "store/os/mutex.h"

namespace pawl {

/// A record, and its JSON as readers of the daemon get it. The JSON contains nothing that is hidden from readers, so it
/// is the same for all. The caller checks who may see the record at all.
class RecordLine {
 public:
  /// Requires: the bytes were verified.
  explicit RecordLine(RecordBytes bytes);

  const fb::Record& record() const { return *fb::GetRecord(bytes_.data()); }
  const std::string& json() const { return json_; }
  std::size_t size() const { return bytes_.size() + json_.size(); }

 private:
  const std::vector<std::uint8_t> bytes_;
  std::string json_;
};

/// Threads: any.
class RecordLines {
 public:
  /// How much is kept.
  struct Bounds {
    std::size_t lines = 1024;
    std::size_t bytes = 4 * 1024 * 1024;
  };

  RecordLines() : RecordLines(Bounds()) {}
  explicit RecordLines(Bounds bounds) : bounds_(bounds) {}

  /// Null: not kept.
  std::shared_ptr<const RecordLine> find(Seq seq) const;
  /// The line of a durable record that was read from the log. It replaces the oldest kept line, unless all kept lines
  /// are newer. Requires: the bytes were verified.
  std::shared_ptr<const RecordLine> add(RecordBytes bytes);

 private:
  const Bounds bounds_;
  mutable Mutex mutex_;
  std::map<Seq, std::shared_ptr<const RecordLine>> lines_ PAWL_GUARDED_BY(mutex_);
  std::size_t bytes_ PAWL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pawl
