// pawl_costs WORK CALLS: prepares a piece of work, and does it so many times. Prints what that took:
//
//     units N allocations N bytes N
//
// Under callgrind, only the instructions of these calls are counted. `pawl_costs` alone lists the work, one a line:
// name, calls, unit, and what it is.
#include <valgrind/callgrind.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>

#include "tests/costs/work.h"

namespace {

// One thread. Everything in this program that allocates does so by operator new.
std::uint64_t allocations = 0;
std::uint64_t allocated_bytes = 0;

void* counted(std::size_t bytes) {
  ++allocations;
  allocated_bytes += bytes;
  if (void* out = std::malloc(bytes)) return out;
  std::abort();
}

void* counted(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  allocated_bytes += bytes;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* out = std::aligned_alloc(align, (bytes + align - 1) / align * align)) return out;
  std::abort();
}

int list() {
  for (const pawl::costs::Work& work : pawl::costs::all_work()) {
    std::printf("%s %u %s %s\n", work.name.data(), work.calls, work.unit.data(), work.what.data());
  }
  return 0;
}

int run(const pawl::costs::Work& work, unsigned calls) {
  const auto call = work.prepare();
  // The first call fills caches and grows what is kept.
  static_cast<void>(call());
  CALLGRIND_ZERO_STATS;
  const std::uint64_t allocations_before = allocations;
  const std::uint64_t bytes_before = allocated_bytes;
  std::uint64_t units = 0;
  for (unsigned i = 0; i < calls; ++i) units += call();
  const std::uint64_t allocations_after = allocations;
  const std::uint64_t bytes_after = allocated_bytes;
  CALLGRIND_DUMP_STATS_AT("measured");
  CALLGRIND_STOP_INSTRUMENTATION;
  std::printf("units %llu allocations %llu bytes %llu\n", static_cast<unsigned long long>(units),
              static_cast<unsigned long long>(allocations_after - allocations_before),
              static_cast<unsigned long long>(bytes_after - bytes_before));
  return 0;
}

}  // namespace

void* operator new(std::size_t bytes) {
  return counted(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, alignment);
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::align_val_t) noexcept {
  std::free(at);
}
void operator delete(void* at, std::size_t, std::align_val_t) noexcept {
  std::free(at);
}

int main(int count, char** words) {
  if (count == 1) return list();
  unsigned calls = 0;
  const std::string_view text = count == 3 ? words[2] : "";
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), calls);
  if (count == 3 && failed == std::errc() && end == text.data() + text.size() && calls > 0) {
    for (const pawl::costs::Work& work : pawl::costs::all_work()) {
      if (work.name == words[1]) return run(work, calls);
    }
  }
  std::fputs("usage: pawl_costs [WORK CALLS]\n", stderr);
  return 2;
}
