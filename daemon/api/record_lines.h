// The last records of the log, as those who follow it read them. A crowd of streams asks for each new record at once:
// it is read, verified and made JSON of once, for all of them.
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

/// A record that was read, and the JSON that readers of the daemon get of it. What is hidden from them is not in it, so
/// it is the same for all: who may not see a record at all is for whoever asks to see to.
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
  /// What is kept, by count and by bytes.
  struct Bounds {
    std::size_t lines = 1024;
    std::size_t bytes = 4 * 1024 * 1024;
  };

  RecordLines() : RecordLines(Bounds()) {}
  explicit RecordLines(Bounds bounds) : bounds_(bounds) {}

  /// Null: it is not kept.
  std::shared_ptr<const RecordLine> find(Seq seq) const;
  /// The line of a record that was read from the log, and is durable. It is kept in place of the oldest, unless all
  /// that are kept are newer. Requires: the bytes were verified.
  std::shared_ptr<const RecordLine> add(RecordBytes bytes);

 private:
  const Bounds bounds_;
  mutable Mutex mutex_;
  std::map<Seq, std::shared_ptr<const RecordLine>> lines_ PAWL_GUARDED_BY(mutex_);
  std::size_t bytes_ PAWL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pawl
