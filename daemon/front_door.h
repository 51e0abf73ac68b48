// pawld's server: bound before the log is replayed, closed when the daemon ends.
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

/// What the server writes down, for others to show.
struct FrontBooks {
  std::shared_ptr<ShareBook> shares;
  std::shared_ptr<HttpFigures> figures;
};

/// Opens when everything else is ready; or earlier, if the replay takes long, so that a service manager can see that
/// the process is alive.
class FrontDoor {
 public:
  /// Binds, so that an unusable address is known before the log is written. `access` outlives it.
  Result<void> open(const Options& options, const Access& access, std::size_t connections_max, FrontBooks books,
                    std::function<bool()> may_make_socket);
  /// Both: during the replay, from EndSignals' thread, which is done with them before serve() is called.
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
