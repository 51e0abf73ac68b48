#include "daemon/api/figures.h"

#include <utility>

#include "daemon/api/route_table.h"

namespace pawl {
namespace {

std::size_t place_of(std::string_view method, std::string_view path) {
  const std::vector<Route>& all = routes();
  const Route* route = find_route(method, path).route;
  return route ? static_cast<std::size_t>(route - all.data()) : all.size();
}

}  // namespace

DaemonFigures::DaemonFigures(std::string boot_id) : records(std::move(boot_id)), http(routes().size() + 1, place_of) {}

std::shared_ptr<HttpFigures> http_of(const std::shared_ptr<DaemonFigures>& figures) {
  return {figures, &figures->http};
}

}  // namespace pawl
