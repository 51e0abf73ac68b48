// The files under DIR/logs that commands write to.
#pragma once

#include <memory>
#include <string>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Locked while this object lives, and while the keeper of a run that writes to it lives: the lock shows whether more
/// may come.
class LogFile final : public OutputLog {
 public:
  LogFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  int descriptor() const override { return file_.get(); }
  std::string path() const override { return path_; }
  void say(const std::string& text) override;
  std::string last_line() const override;

 private:
  const Descriptor file_;
  const std::string path_;
};

/// As System::open_log(), at a path.
Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age = LogAge::any);
/// Truncates a log that no process writes to. False on failure.
bool empty_log(const OutputLog& log);

}  // namespace pawl
