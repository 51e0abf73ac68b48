// A load over HTTP: one thread, one epoll, and a connection for each `depth` actors. An actor's next request is written
// when the answer to the one before has been read; on a shared connection the actors' requests are pipelined, or go
// together as one batch, when the batch before has been answered.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <queue>
#include <utility>

#include "store/os/descriptor.h"
#include "store/os/process_identity.h"
#include "store/os/system_error.h"
#include "tools/bench/http_text.h"
#include "tools/bench/lane.h"

namespace pawl::bench {
namespace {

constexpr std::int64_t longest_wait_ns = 200'000'000;  // between two looks at the progress
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::size_t read_bytes = 64 * 1024;

struct LanePlace {
  std::string socket;  // or:
  std::string host;
  std::string port;
  std::string prefix;  // of paths
};

LanePlace place_of(const Target& target) {
  if (!target.socket.empty()) return {.socket = target.socket, .host = "localhost", .port = {}, .prefix = {}};
  std::string rest = target.url.substr(target.url.find("://") + 3);
  LanePlace out;
  if (const std::size_t slash = rest.find('/'); slash != std::string::npos) {
    out.prefix = rest.substr(slash);
    rest.resize(slash);
  }
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  out.host = rest.substr(0, has_port ? colon : std::string::npos);
  out.port = has_port ? rest.substr(colon + 1) : "80";
  if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

Result<Descriptor> connect_to_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Error{ErrorCode::malformed, path + " is too long for a socket"};
  std::memcpy(address.sun_path, path.data(), path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return system_error(path, "connect");
  }
  return socket;
}

Result<Descriptor> connect_to_address(const LanePlace& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &found); failed != 0) {
    return Error{ErrorCode::io, "cannot resolve " + place.host + ": " + ::gai_strerror(failed)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at; at = at->ai_next) {
    Descriptor socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), at->ai_addr, at->ai_addrlen) != 0) continue;
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return socket;
  }
  return system_error(place.host + ":" + place.port, "connect");
}

Result<Descriptor> connect_to(const LanePlace& place) {
  return place.socket.empty() ? connect_to_address(place) : connect_to_socket(place.socket);
}

/// A request whose answer has not arrived.
struct AwaitedAnswer {
  Op op;
  std::int64_t sent_ns = 0;
};

struct Wire {
  Descriptor socket;
  std::deque<AwaitedAnswer> under_way = {};
  std::vector<Op> batch = {};  // whose answer has not arrived
  std::int64_t batch_sent_ns = 0;
  std::vector<Op> next_batch = {};
  std::string out = {};  // not yet sent
  std::string in = {};   // not yet understood
  bool waits_to_write = false;
};

class HttpLane final : public LoadLane {
 public:
  HttpLane(HttpLaneOptions options, LanePlace place)
      : options_(std::move(options)),
        place_(std::move(place)),
        texts_{.prefix = place_.prefix,
               .host = place_.port.empty() ? place_.host : place_.host + ":" + place_.port,
               .token = options_.target.token,
               .actor = options_.actor,
               .boot = options_.boot,
               .run = options_.run,
               .pid = ::getpid(),
               .keys = options_.keys} {}

  Result<void> run(Load& load) override {
    PAWL_TRY(open(load.actors()));
    for (std::size_t actor = 0; actor < load.actors(); ++actor) ask(load, actor);
    for (Wire& connection : connections_) PAWL_TRY(flush(connection));
    while (under_way_ > 0 || !due_.empty()) {
      PAWL_TRY(serve(load));
      PAWL_TRY(wake(load));
      load.tick();
    }
    connections_.clear();
    return {};
  }

  Result<Reply> call(const Op& op) override {
    Descriptor socket = PAWL_TRY(connect_to(place_));
    std::string request;
    append_request(request, texts_, op, ++serial_);
    std::size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t count = ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (count < 0) return system_error("the daemon", "send");
      sent += static_cast<std::size_t>(count);
    }
    std::string in;
    std::array<char, read_bytes> bytes;
    while (true) {
      const ssize_t count = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
      if (count < 0) return system_error("the daemon", "recv");
      if (count == 0) return lost();
      in.append(bytes.data(), static_cast<std::size_t>(count));
      auto taken = PAWL_TRY(take_answer(in, op));
      if (taken) return std::move(taken->reply);
    }
  }

  std::optional<std::int64_t> server_cpu_ns() const override;

 private:
  Error lost() const { return {ErrorCode::io, "the daemon closed a connection: it ended, or has too many"}; }

  Result<void> open(std::size_t actors) {
    epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_) return system_error("the connections", "epoll_create1");
    connections_.clear();
    for (std::size_t opened = 0; opened * options_.depth < actors; ++opened) {
      connections_.push_back({.socket = PAWL_TRY(connect_to(place_))});
      epoll_event event{.events = EPOLLIN, .data = {.u64 = opened}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back().socket.get(), &event) != 0) {
        return system_error("the connections", "epoll_ctl");
      }
    }
    return {};
  }

  /// Writes the actor's next request, or remembers when it will have one.
  void ask(Load& load, std::size_t actor) {
    if (load.thinks()) {
      const std::int64_t due_ns = load.due_ns(actor);
      if (due_ns > clock_ns()) return due_.emplace(due_ns, actor);
    }
    const auto op = load.next(actor);
    if (!op) return;
    Wire& connection = connections_[actor / options_.depth];
    if (options_.batches) return connection.next_batch.push_back(*op);
    append_request(connection.out, texts_, *op, ++serial_);
    connection.under_way.push_back({*op, clock_ns()});
    ++under_way_;
  }

  void begin_batch(Wire& connection) {
    if (connection.next_batch.empty() || !connection.batch.empty()) return;
    connection.batch = std::exchange(connection.next_batch, {});
    connection.batch_sent_ns = clock_ns();
    append_batch(connection.out, texts_, connection.batch, serial_ + 1);
    serial_ += connection.batch.size();
    under_way_ += connection.batch.size();
  }

  Result<void> flush(Wire& connection) {
    begin_batch(connection);
    std::size_t sent = 0;
    while (sent < connection.out.size()) {
      const ssize_t count = ::send(connection.socket.get(), connection.out.data() + sent, connection.out.size() - sent,
                                   MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno != EAGAIN && errno != EINTR) return system_error("the daemon", "send");
      if (count < 0 && errno == EAGAIN) break;
      if (count > 0) sent += static_cast<std::size_t>(count);
    }
    connection.out.erase(0, sent);
    const bool waits = !connection.out.empty();
    if (waits == connection.waits_to_write) return {};
    connection.waits_to_write = waits;
    epoll_event event{.events = waits ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      .data = {.u64 = static_cast<std::uint64_t>(&connection - connections_.data())}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &event) != 0)
      return system_error("the connections", "epoll_ctl");
    return {};
  }

  /// Reads what has arrived, and asks for more.
  Result<void> take(Load& load, Wire& connection) {
    const ssize_t count = ::recv(connection.socket.get(), bytes_.data(), bytes_.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (count < 0) return system_error("the daemon", "recv");
    if (count == 0) return lost();
    connection.in.append(bytes_.data(), static_cast<std::size_t>(count));
    if (options_.batches) return take_whole_batch(load, connection);
    std::size_t used = 0;
    while (!connection.under_way.empty()) {
      const AwaitedAnswer& first = connection.under_way.front();
      const auto taken = PAWL_TRY(take_answer(std::string_view(connection.in).substr(used), first.op));
      if (!taken) break;
      used += taken->bytes;
      const std::size_t actor = first.op.actor;
      load.took(first.op, taken->reply, first.sent_ns, clock_ns());
      connection.under_way.pop_front();
      --under_way_;
      ask(load, actor);
    }
    connection.in.erase(0, used);
    return flush(connection);
  }

  Result<void> take_whole_batch(Load& load, Wire& connection) {
    const auto taken = PAWL_TRY(take_batch(connection.in, connection.batch));
    if (!taken) return {};
    connection.in.erase(0, taken->bytes);
    const std::vector<Op> answered = std::exchange(connection.batch, {});
    under_way_ -= answered.size();
    const std::int64_t now_ns = clock_ns();
    for (std::size_t i = 0; i < answered.size(); ++i) {
      load.took(answered[i], taken->replies[i], connection.batch_sent_ns, now_ns);
      ask(load, answered[i].actor);
    }
    return flush(connection);
  }

  Result<void> serve(Load& load) {
    std::int64_t wait_ns = longest_wait_ns;
    if (!due_.empty()) wait_ns = std::clamp<std::int64_t>(due_.top().first - clock_ns(), 0, longest_wait_ns);
    const timespec wait{.tv_sec = 0, .tv_nsec = wait_ns};
    std::array<epoll_event, 256> events;
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()), &wait, nullptr);
    if (count < 0 && errno != EINTR) return system_error("the connections", "epoll_pwait2");
    for (int at = 0; at < count; ++at) {
      const epoll_event& event = events[static_cast<std::size_t>(at)];
      Wire& connection = connections_[event.data.u64];
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) PAWL_TRY(take(load, connection));
      if ((event.events & EPOLLOUT) != 0) PAWL_TRY(flush(connection));
    }
    return {};
  }

  /// Asks for the actors whose pause is over.
  Result<void> wake(Load& load) {
    while (!due_.empty() && due_.top().first <= clock_ns()) {
      const std::size_t actor = due_.top().second;
      due_.pop();
      ask(load, actor);
      PAWL_TRY(flush(connections_[actor / options_.depth]));
    }
    return {};
  }

  using Due = std::pair<std::int64_t, std::size_t>;  // when, which actor

  const HttpLaneOptions options_;
  const LanePlace place_;
  const HttpTexts texts_;
  std::uint64_t serial_ = 0;
  Descriptor epoll_;
  std::vector<Wire> connections_;
  std::size_t under_way_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::array<char, read_bytes> bytes_;
};

std::optional<std::int64_t> HttpLane::server_cpu_ns() const {
  if (options_.pid == 0) return std::nullopt;
  const auto text = proc_file("/proc/" + std::to_string(options_.pid) + "/stat");
  const std::size_t end = text ? text->rfind(") ") : std::string::npos;
  if (end == std::string::npos) return std::nullopt;
  // After the name come field 3 and so on: user time is field 14, system time 15, in ticks.
  std::array<long long, 2> ticks{};
  if (std::sscanf(text->c_str() + end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &ticks[0],
                  &ticks[1]) != 2) {
    return std::nullopt;
  }
  return (ticks[0] + ticks[1]) * (1000 * ns_per_ms / ::sysconf(_SC_CLK_TCK));
}

}  // namespace

Result<std::unique_ptr<LoadLane>> http_lane(HttpLaneOptions options) {
  if (options.target.is_tls()) {
    return Error{ErrorCode::malformed,
                 "bench: measures plain connections, so --url must not be https: through a proxy, the proxy would be "
                 "measured"};
  }
  LanePlace place = place_of(options.target);
  std::unique_ptr<LoadLane> lane = std::make_unique<HttpLane>(std::move(options), std::move(place));
  return lane;
}

}  // namespace pawl::bench
