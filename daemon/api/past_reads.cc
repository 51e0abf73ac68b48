#include "daemon/api/past_reads.h"

#include <utility>

namespace pawl {

bool PastReads::post(Seq at, Read read, std::function<void(const Error&)> failed) {
  if (waiting_.fetch_add(1) >= past_reads_max) {
    waiting_.fetch_sub(1);
    return false;
  }
  thread_.post([this, at, read = std::move(read), failed = std::move(failed)] {
    const auto looked = states_.look(at, read);
    if (!looked) failed(looked.error());
    waiting_.fetch_sub(1);
  });
  return true;
}

}  // namespace pawl
