// Put in front of the C library, this says of every file system that it has plenty of room: as a quota does, which
// nobody sees before a write hits it. What looks at the free space once a second then never sees the end coming.

#include <sys/statvfs.h>

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the library's own are reserved names
extern "C" int statvfs(const char*, struct statvfs* info) noexcept {
  constexpr fsblkcnt_t gibibyte_of_pages = 1U << 18U;
  *info = {};
  info->f_bsize = info->f_frsize = 4096;
  info->f_blocks = info->f_bfree = info->f_bavail = gibibyte_of_pages;
  return 0;
}
