#include "store/os/system_error.h"

#include <cerrno>
#include <system_error>

namespace pawl {

Error system_error(const std::string& path, const char* what) {
  const int number = errno;
  return {number == ENOENT ? ErrorCode::missing : ErrorCode::io,
          path + ": " + what + ": " + std::generic_category().message(number)};
}

}  // namespace pawl
