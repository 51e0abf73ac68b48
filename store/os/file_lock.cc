#include "store/os/file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace pawl {

bool try_lock(const Descriptor& file) {
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

}  // namespace pawl
