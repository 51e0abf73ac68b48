// Preloaded before the C library, this makes a disk bad while a file in the folder PAWL_BAD_DISK says so:
//
//   full    hardly any room is reported as free
//   held    reads do not return, but only once the program listens: so a daemon stays at its start
//   broken  reads fail
//
// Mounting a disk that is, takes rights that users do not have, and leaves the moment to chance.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace {

std::atomic<bool> listens{false};

bool is(const char* what) {
  const char* folder = std::getenv("PAWL_BAD_DISK");
  return folder && ::access((std::string(folder) + "/" + what).c_str(), F_OK) == 0;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// The library's own parameters have reserved names.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
extern "C" {

int listen(int socket, int backlog) noexcept {
  listens.store(true);
  return next<decltype(::listen)>("listen")(socket, backlog);
}

int statvfs(const char* path, struct statvfs* info) noexcept {
  const int result = next<decltype(::statvfs)>("statvfs")(path, info);
  if (result == 0 && is("full")) info->f_bavail = 1;
  return result;
}

ssize_t pread(int file, void* to, size_t bytes, off_t from) {
  while (listens.load() && is("held")) ::usleep(10'000);
  if (listens.load() && is("broken")) {
    errno = EIO;
    return -1;
  }
  return next<decltype(::pread)>("pread")(file, to, bytes, from);
}

// The same function for programs that were compiled for large files.
ssize_t pread64(int file, void* to, size_t bytes, off64_t from) {
  return ::pread(file, to, bytes, from);
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
