// All that the daemon measures for GET /metrics besides the state: made at its start, and filled in by those who do the
// work.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "daemon/api/record_figures.h"
#include "daemon/http/http_figures.h"

namespace pawl {

struct DaemonFigures {
  /// `boot_id`: the daemon's.
  explicit DaemonFigures(std::string boot_id);

  RecordFigures records;
  /// Its places are the rows of the routes' table; the last one is that of any other request.
  HttpFigures http;
  const std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
};

/// The part of it that the server fills in.
std::shared_ptr<HttpFigures> http_of(const std::shared_ptr<DaemonFigures>& figures);

}  // namespace pawl
