#include "tools/commands/story_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tools/forensics/log_source.h"

namespace pawl {

Result<void> write_page(const std::string& to, const std::string& log, const std::string& page) {
  if (lies_in(to, log)) return Error{ErrorCode::malformed, "--html: " + to + " is, or lies in, the log that is read"};
  std::FILE* file = std::fopen(to.c_str(), "we");
  const bool is_written = file && std::fwrite(page.data(), 1, page.size(), file) == page.size();
  const int error = errno;
  const bool is_closed = file && std::fclose(file) == 0;
  if (is_written && is_closed) return {};
  return Error{ErrorCode::io, "--html: " + to + ": " + std::strerror(is_written ? errno : error)};
}

}  // namespace pawl
