#include "daemon/api/past_reads.h"

#include <utility>

namespace pawl {

bool PastReads::post(Seq at, Read read, std::function<void(const Error&)> failed) {
  return post([at, read = std::move(read), failed = std::move(failed)](PastStates& states) {
    const auto looked = states.look(at, read);
    if (!looked) failed(looked.error());
  });
}

bool PastReads::post(std::function<void(PastStates&)> work) {
  return thread_.post([this, work = std::move(work)] { work(states_); });
}

}  // namespace pawl
