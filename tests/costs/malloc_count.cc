// A library for LD_PRELOAD: counts every allocation of a process and, at its end, writes "allocations N bytes N" to the
// file that MALLOC_COUNT names.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace {

std::atomic<unsigned long> allocations{0};
std::atomic<unsigned long> allocated_bytes{0};

void count(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

__attribute__((destructor)) void tell() {
  const char* path = std::getenv("MALLOC_COUNT");
  const int file = path ? ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (file < 0) return;
  ::dprintf(file, "allocations %lu bytes %lu\n", allocations.load(), allocated_bytes.load());
  ::close(file);
}

}  // namespace

extern "C" {

// The allocator of glibc, below its replaceable name.
void* __libc_malloc(std::size_t bytes);                 // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* at, std::size_t bytes);      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t n, std::size_t bytes);  // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t bytes) {
  count(bytes);
  return __libc_malloc(bytes);
}
void* realloc(void* at, std::size_t bytes) {
  count(bytes);
  return __libc_realloc(at, bytes);
}
void* calloc(std::size_t n, std::size_t bytes) {
  count(n * bytes);
  return __libc_calloc(n, bytes);
}
}
