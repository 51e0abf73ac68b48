// The server of pawld, from before there is anything to be asked until after nothing is asked any more.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "daemon/api/access.h"
#include "daemon/api/routes.h"
#include "daemon/http/server.h"
#include "daemon/options.h"
#include "schema/result.h"

namespace pawl {

/// It opens its doors when all else is ready; or before, if a replay takes long, so that whoever looks after this
/// process can see that it lives.
class FrontDoor {
 public:
  /// What cannot be listened on is known before the log is written to. `access` outlives it.
  Result<void> open(const Options& options, const Access& access, std::size_t connections_max,
                    std::shared_ptr<ShareBook> share_book, std::function<bool()> may_make_socket);
  /// While the log is replayed, from another thread: EndSignals sees to it that the two never meet.
  void open_early();
  void leave_early();

  void serve(Api& api, const Options& options);
  void close() { server_->stop(); }

 private:
  void begin();

  std::atomic<Api*> api_{nullptr};
  std::atomic<bool> is_bound_{false};
  bool is_open_ = false;
  std::unique_ptr<Server> server_;
};

}  // namespace pawl
