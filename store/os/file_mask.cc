#include "store/os/file_mask.h"

#include <sys/stat.h>

namespace pawl {
namespace {

std::optional<mode_t> before;

mode_t narrow_mask() {
  const mode_t was = ::umask(private_mask);
  ::umask(was | private_mask);
  return was;
}

}  // namespace

void keep_files_private() {
  before = narrow_mask();
}

std::optional<mode_t> umask_before() {
  return before;
}

PrivateFiles::PrivateFiles() : before_(narrow_mask()) {}

PrivateFiles::~PrivateFiles() {
  ::umask(before_);
}

}  // namespace pawl
