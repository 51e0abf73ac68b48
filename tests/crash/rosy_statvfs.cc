// Preloaded before the C library, this reports plenty of room for every file system, as with a quota, which only a
// failing write reveals. The check that looks at the free space once a second then never sees the end coming.

#include <sys/statvfs.h>

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the library's own are reserved names
extern "C" int statvfs(const char*, struct statvfs* info) noexcept {
  constexpr fsblkcnt_t gibibyte_of_pages = 1U << 18U;
  *info = {};
  info->f_bsize = info->f_frsize = 4096;
  info->f_blocks = info->f_bfree = info->f_bavail = gibibyte_of_pages;
  return 0;
}
