// Where commands write to: files under DIR/logs.
#pragma once

#include <memory>
#include <string>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"

namespace pawl {

class LogFile final : public OutputLog {
 public:
  LogFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  int descriptor() const override { return file_.get(); }
  void say(const std::string& text) override;
  std::int64_t bytes() const override;
  std::string last_line(std::int64_t from) const override;

 private:
  const Descriptor file_;
  const std::string path_;
};

/// As System::open_log(), at a path.
Result<std::shared_ptr<OutputLog>> open_log(const std::string& path);

}  // namespace pawl
