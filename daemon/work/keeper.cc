#include "daemon/work/keeper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "store/os/descriptor.h"

// The keeper's program, as the linker embeds it (daemon/CMakeLists.txt).
extern "C" const char _binary_pawl_keeper_start[];
extern "C" const char _binary_pawl_keeper_end[];

namespace pawl {
namespace {

constexpr const char* keeper_name = "pawld: keeper of a run";
constexpr unsigned executable = 0x10;  // MFD_EXEC, unknown to older headers and kernels

Descriptor written_program() {
  Descriptor file(::memfd_create("pawl-keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING | executable));
  if (!file && errno == EINVAL) file = Descriptor(::memfd_create("pawl-keeper", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const char* from = _binary_pawl_keeper_start;
  while (file && from < _binary_pawl_keeper_end) {
    const ssize_t written = ::write(file.get(), from, static_cast<std::size_t>(_binary_pawl_keeper_end - from));
    if (written <= 0) return {};
    from += written;
  }
  if (file) ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

std::string listed(const std::vector<std::size_t>& numbers) {
  std::string list;
  for (const std::size_t number : numbers) list += (list.empty() ? "" : ",") + std::to_string(number);
  return list;
}

/// An in-memory copy, independent of files on disk. Invalid if the system does not allow executing it.
const Descriptor& keeper_program() {
  static const Descriptor program = written_program();
  return program;
}

}  // namespace

bool KeeperCall::possible() {
  return static_cast<bool>(keeper_program());
}

KeeperCall::KeeperCall(const Plan& plan, int report, int held, const PumpOptions& output,
                       const std::vector<std::size_t>& secrets)
    : environment_(plan.environment) {
  kept_.assign(plan.kept, plan.kept + plan.kept_count);
  words_ = {keeper_name,
            std::to_string(report),
            std::to_string(held),
            std::to_string(plan.control),
            std::to_string(plan.output),
            std::to_string(kept_.size()),
            std::to_string(output.pipe),
            std::to_string(output.log),
            std::to_string(output.folder),
            output.name ? output.name : "",
            std::to_string(output.bytes_max),
            std::to_string(output.free_bytes_min),
            std::to_string(output.free_inodes_min),
            listed(secrets)};
  for (const int each : kept_) words_.push_back(std::to_string(each));
  words_.insert(words_.end(), {plan.folder, plan.program});
  for (std::string& word : words_) arguments_.push_back(word.data());
  for (char* const* each = plan.arguments; *each; ++each) arguments_.push_back(*each);
  arguments_.push_back(nullptr);
  for (const int each : {report, output.pipe, output.log, output.folder, held}) {
    if (each >= 0) kept_.push_back(each);
  }
  kept_.push_back(keeper_program().get());
  std::sort(kept_.begin(), kept_.end());
}

void KeeperCall::become() const {
  close_all_but(kept_.data(), kept_.size());
  const int program = keeper_program().get();
  for (const int each : kept_) {
    if (each != program) ::fcntl(each, F_SETFD, 0);
  }
  ::syscall(SYS_execveat, program, "", arguments_.data(), environment_, AT_EMPTY_PATH);
}

}  // namespace pawl
