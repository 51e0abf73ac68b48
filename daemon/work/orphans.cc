#include "daemon/work/orphans.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>

#include "daemon/work/process.h"

namespace pawl {
namespace {

constexpr std::chrono::seconds reap_interval{1};

bool orphans_come_here() {
  int is_subreaper = 0;
  ::prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper);
  return ::getpid() == 1 || is_subreaper != 0;
}

}  // namespace

OrphanReaper::OrphanReaper() {
  if (orphans_come_here()) thread_ = std::thread([this] { run(); });
}

OrphanReaper::~OrphanReaper() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void OrphanReaper::run() {
  MutexLock lock(mutex_);
  while (!wake_.wait_for(lock.waiting(), reap_interval, [this]() PAWL_REQUIRES(mutex_) { return stopping_; })) {
    lock.unlock();
    reap_strangers();
    lock.lock();
  }
}

}  // namespace pawl
