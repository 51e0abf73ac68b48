// Selects the target for libFuzzer: --target=NAME.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"

namespace pawl::fuzz {
namespace {

struct Target {
  std::string_view name;
  void (*run)(Bytes input);
};

constexpr Target targets[] = {
    {"block", block},       {"checkpoint", checkpoint}, {"write_ahead", write_ahead},
    {"exported", exported}, {"script", script},         {"pipeline", pipeline},
    {"http", http},         {"webhook", webhook},       {"options", options},
    {"mask", mask},         {"terminal", terminal},
};

const Target* chosen = nullptr;

void choose(std::span<char*> arguments) {
  constexpr std::string_view option = "--target=";
  for (const std::string_view argument : arguments) {
    if (!argument.starts_with(option)) continue;
    for (const Target& target : targets) {
      if (argument.substr(option.size()) == target.name) chosen = &target;
    }
  }
  if (chosen) return;
  std::fprintf(stderr, "pawl_fuzz: which target? --target=NAME, one of");
  for (const Target& target : targets) std::fprintf(stderr, " %s", target.name.data());
  std::fprintf(stderr, "\n");
  std::exit(2);
}

}  // namespace

// An in-memory file of at most some MiB has no truncated names or short writes.
InputFile::InputFile(Bytes content)
    : fd_(::memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
  PAWL_ASSERT(fd_ >= 0);
  PAWL_ASSERT(::write(fd_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
}

InputFile::~InputFile() {
  ::close(fd_);
}

}  // namespace pawl::fuzz

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  pawl::fuzz::choose({*arguments, static_cast<std::size_t>(*count)});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pawl::fuzz::chosen->run({data, size});
  return 0;
}
