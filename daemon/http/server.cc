#include "daemon/http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/http/connection.h"

namespace pawl {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::size_t socket_path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
/// How long accepting pauses after a failure that would repeat at once (no descriptors left).
constexpr std::chrono::milliseconds accept_pause{100};

/// A thread's own loop, and the connections that live on it.
struct Loop {
  /// Answers that were never sent keep connections, which need the context.
  ~Loop() {
    const MutexLock lock(shared.answers_mutex);
    shared.answers.clear();
  }

  LoopShared shared;  // outlives the connections that the context still holds
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::list<std::weak_ptr<Connection>> connections;  // the loop's thread alone
  bool is_adopting = false;  // has yet to take in the last connection that it was given; the accepting thread's alone
  std::thread thread;
};

/// A connection that holds less costs little more than its descriptor, and is spared when memory runs short.
constexpr std::size_t few_bytes = 64 * 1024;

/// Of the account with the most connections, closes the one that has waited longest for its client. False: there is
/// none to close.
bool close_longest_waiting(Loop& loop, ShareBook& book) {
  std::shared_ptr<Connection> longest;
  for (const auto& each : loop.connections) {
    auto connection = each.lock();
    if (!connection || connection->place() || !connection->waiting_since()) continue;
    const std::size_t others = connection->account()->connections;
    const std::size_t most = longest ? longest->account()->connections.load() : 0;
    if (longest && others == most ? *connection->waiting_since() < *longest->waiting_since() : others > most) {
      longest = std::move(connection);
    }
  }
  if (longest) {
    longest->close();
    book.evict(ShareKind::connections);
  }
  return longest != nullptr;
}

/// Ends the stream or long poll that goes before all others. False: there is none.
bool end_one_that_stays(Loop& loop, ShareBook& book) {
  std::shared_ptr<Connection> first;
  for (const auto& each : loop.connections) {
    auto connection = each.lock();
    if (!connection || !connection->place()) continue;
    if (!first || connection->place()->goes_before(*first->place())) first = std::move(connection);
  }
  if (first) {
    book.evict(first->place()->kind());
    first->give_way();
  }
  return first != nullptr;
}

/// Closes or ends one connection if there are `room` or more. Connections that are already giving way are closed at
/// once, so that there is never more than one too many. False: all are handling requests that do not wait.
bool make_room(Loop& loop, std::size_t room, ShareBook& book) {
  if (loop.connections.size() < room) return true;
  for (const auto& each : loop.connections) {
    const auto connection = each.lock();
    if (connection && connection->is_leaving()) connection->close();
  }
  return close_longest_waiting(loop, book) || end_one_that_stays(loop, book);
}

/// Of the connections that hold much memory, and belong to `account` if given, closes the one that has waited longest
/// for its client. False: there is none.
bool close_holder_of_bytes(Loop& loop, const Shares::Account* account, ShareBook& book) {
  std::shared_ptr<Connection> longest;
  for (const auto& each : loop.connections) {
    auto connection = each.lock();
    if (!connection || connection->held_bytes() < few_bytes || !connection->waiting_since()) continue;
    if (account && connection->account() != account) continue;
    if (!longest || *connection->waiting_since() < *longest->waiting_since()) longest = std::move(connection);
  }
  if (longest) {
    longest->close();
    book.evict(ShareKind::bytes);
  }
  return longest != nullptr;
}

/// An account with connections in the loop that exceeds its share of bytes; else null.
const Shares::Account* over_share(const Loop& loop, std::size_t bytes_share) {
  for (const auto& each : loop.connections) {
    const auto connection = each.lock();
    const Shares::Account* account = connection ? connection->account() : nullptr;
    if (account && account->bytes > bytes_share && connection->held_bytes() >= few_bytes) return account;
  }
  return nullptr;
}

void write_full(Connection::Socket& socket) {
  constexpr std::string_view full =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 91\r\n"
      "Connection: close\r\nRetry-After: 1\r\n\r\n"
      R"({"error":{"code":"too_many_connections","message":"no connection is free","current":null}})"
      "\n";
  static_assert(full.size() - full.find("\r\n\r\n") - 4 == 91);
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(full.data(), full.size()), ignored);
}

std::string socket_name(const std::filesystem::path& path) {
  return "socket " + path.string();
}

bool is_too_long(const std::filesystem::path& path) {
  return path.native().size() > socket_path_bytes_max;
}

const std::string too_long = ": longer than the " + std::to_string(socket_path_bytes_max) + " bytes the system allows";

error_code last_error() {
  return {errno, boost::system::system_category()};
}

Error io_error(const std::string& what, const error_code& failure) {
  return {ErrorCode::io, what + ": " + failure.message()};
}

Result<tcp::endpoint> endpoint_of(asio::io_context& io, const TcpAddress& address, bool asks_for_tokens) {
  error_code failure;
  asio::ip::address parsed = asio::ip::make_address(address.host, failure);
  if (failure) {
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, failure);
    if (failure || found.empty()) {
      return Error{ErrorCode::malformed, "--listen: '" + address.host + "' is not an address of this host"};
    }
    parsed = found.begin()->endpoint().address();
  }
  if (!parsed.is_loopback() && !asks_for_tokens) {
    return Error{ErrorCode::malformed,
                 "--listen: " + address.host +
                     " is not a loopback address, and without --tokens anyone who reaches the port may do everything: "
                     "use --tokens, or listen on 127.0.0.1 or [::1]"};
  }
  return tcp::endpoint(parsed, address.port);
}

/// Identifies a file whatever its name.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return std::nullopt;
  return FileIdentity{.device = there.st_dev, .inode = there.st_ino};
}

}  // namespace

struct Server::Impl {
  explicit Impl(ServerOptions options) : shared(std::move(options)) {}

  ServerShared shared;
  std::vector<std::unique_ptr<Loop>> loops;
  // Accepting has a thread of its own: a loop may be held up by a disk that hangs (ServerOptions::end_of_turn).
  asio::io_context accept_io{1};
  asio::executor_work_guard<asio::io_context::executor_type> accepting{accept_io.get_executor()};
  std::thread accept_thread;
  // Shared with pending accepts: an acceptor may be replaced meanwhile.
  std::shared_ptr<tcp::acceptor> tcp_acceptor;
  std::shared_ptr<stream_protocol::acceptor> unix_acceptor;
  std::optional<asio::steady_timer> pause;
  std::vector<std::function<void()>> paused;  // until a loop has taken in a connection; the accepting thread's alone
  bool running = false;

  // The accepting thread's alone.
  std::optional<FileIdentity> socket_file;
  std::optional<asio::steady_timer> socket_watch;
  bool is_socket_trouble_told = false;

  Result<void> listen_tcp(const TcpAddress& address);
  Result<void> listen_unix(const std::filesystem::path& path);
  Result<void> bind_unix(const std::filesystem::path& path);
  void watch_socket();
  void look_after_socket();
  void warn(const std::string& message) const {
    if (shared.options.warn) shared.options.warn(message);
  }
  bool may_accept() const;
  Loop& loop_for_one_more();
  void give(Loop& loop, Connection::Socket socket, Transport transport);
  template <class Acceptor>
  void accept(std::shared_ptr<Acceptor> acceptor, Transport transport);
  void adopt(Loop& loop, Connection::Socket socket, Transport transport);
  void relieve(Loop& loop);
};

Result<void> Server::Impl::listen_tcp(const TcpAddress& address) {
  asio::io_context& io = accept_io;
  const tcp::endpoint endpoint = PAWL_TRY(endpoint_of(io, address, shared.options.asks_for_tokens));
  const std::string name = "listening on " + address.host + ":" + std::to_string(address.port);
  tcp_acceptor = std::make_shared<tcp::acceptor>(io);
  error_code failure;
  tcp_acceptor->open(endpoint.protocol(), failure);
  if (!failure) tcp_acceptor->set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) tcp_acceptor->bind(endpoint, failure);
  if (!failure) tcp_acceptor->listen(asio::socket_base::max_listen_connections, failure);
  if (!failure) tcp_acceptor->non_blocking(true, failure);
  if (failure == asio::error::address_in_use) return Error{ErrorCode::busy, name + ": the address is in use"};
  if (failure) return io_error(name, failure);
  return {};
}

Result<void> Server::Impl::listen_unix(const std::filesystem::path& path) {
  const std::string name = socket_name(path);
  if (is_too_long(path)) {
    return Error{ErrorCode::malformed, name + too_long + "; name another with --socket"};
  }
  asio::io_context& io = accept_io;
  const stream_protocol::endpoint endpoint(path.native());
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) return Error{ErrorCode::busy, name + ": exists and is not a socket"};
    stream_protocol::socket probe(io);
    error_code failure;
    probe.connect(endpoint, failure);
    if (!failure) return Error{ErrorCode::busy, name + ": another process serves there"};
    ::unlink(path.c_str());
  }
  return bind_unix(path);
}

Result<void> Server::Impl::bind_unix(const std::filesystem::path& path) {
  auto acceptor = std::make_shared<stream_protocol::acceptor>(accept_io);
  const stream_protocol::endpoint endpoint(path.native());
  error_code failure;
  acceptor->open(endpoint.protocol(), failure);
  if (failure) return io_error(socket_name(path), failure);
  // The file gets the open socket's mode, less the umask, so it never has a wider mode than 0660. The umask is left
  // alone: it is the whole process's, and other threads make folders.
  if (::fchmod(acceptor->native_handle(), 0660) != 0) return io_error(socket_name(path), last_error());
  acceptor->bind(endpoint, failure);
  if (!failure && ::chmod(path.c_str(), 0660) != 0) failure = last_error();
  if (!failure) acceptor->listen(asio::socket_base::max_listen_connections, failure);
  if (!failure) acceptor->non_blocking(true, failure);
  if (failure) return io_error(socket_name(path), failure);
  error_code ignored;
  if (unix_acceptor) unix_acceptor->close(ignored);
  unix_acceptor = std::move(acceptor);
  socket_file = identity_of(path);
  return {};
}

void Server::Impl::watch_socket() {
  if (!socket_watch) socket_watch.emplace(accept_io);
  socket_watch->expires_after(shared.options.socket_watch_interval);
  socket_watch->async_wait([this](const error_code& cancelled) {
    if (cancelled || shared.stopping.load()) return;
    look_after_socket();
    watch_socket();
  });
}

void Server::Impl::look_after_socket() {
  const std::filesystem::path& path = *shared.options.socket;
  const auto there = identity_of(path);
  if (there == socket_file) {
    is_socket_trouble_told = false;
    return;
  }
  const auto tell_once = [this](const std::string& message) {
    if (!std::exchange(is_socket_trouble_told, true)) warn(message);
  };
  if (shared.options.may_make_socket && !shared.options.may_make_socket()) return;
  if (there) return tell_once(socket_name(path) + ": was replaced by another file, which pawld leaves alone");
  const Result<void> made = bind_unix(path);
  if (!made) return tell_once(made.error().message + "; it was removed and cannot be created again");
  warn(socket_name(path) + ": was removed and has been created again");
  accept(unix_acceptor, Transport::unix_socket);
}

bool Server::Impl::may_accept() const {
  return std::any_of(loops.begin(), loops.end(), [](const auto& loop) { return !loop->is_adopting; });
}

/// The loop for a new connection: rather one that is not at work, which may be held up.
Loop& Server::Impl::loop_for_one_more() {
  const auto load_of = [](const auto& loop) {
    return std::tuple(loop->is_adopting, loop->shared.is_in_turn.load(), loop->shared.connections.load());
  };
  return **std::min_element(loops.begin(), loops.end(),
                            [&](const auto& a, const auto& b) { return load_of(a) < load_of(b); });
}

template <class Acceptor>
void Server::Impl::accept(std::shared_ptr<Acceptor> acceptor, Transport transport) {
  acceptor->async_wait(Acceptor::wait_read, [this, acceptor, transport](const error_code& ended) {
    if (ended || shared.stopping.load()) return;
    Loop& loop = loop_for_one_more();
    error_code failure;
    auto socket = acceptor->accept(loop.io, failure);
    const bool is_over = failure == asio::error::would_block || failure == asio::error::connection_aborted;
    if (failure && !is_over) {
      pause.emplace(accept_io, accept_pause);
      pause->async_wait([this, acceptor, transport](const error_code& cancelled) {
        if (!cancelled) accept(acceptor, transport);
      });
      return;
    }
    if (!failure) {
      if constexpr (std::is_same_v<Acceptor, tcp::acceptor>) {
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
      }
      give(loop, Connection::Socket(std::move(socket)), transport);
    }
    const auto go_on = [this, acceptor, transport] {
      if (acceptor->is_open()) accept(acceptor, transport);
    };
    // Not faster than the loops take them in: they serve their connections in between.
    may_accept() ? go_on() : paused.push_back(go_on);
  });
}

void Server::Impl::give(Loop& loop, Connection::Socket socket, Transport transport) {
  loop.shared.connections.fetch_add(1);
  loop.is_adopting = true;
  asio::post(loop.io, [this, &loop, transport, socket = std::move(socket)]() mutable {
    adopt(loop, std::move(socket), transport);
    asio::post(accept_io, [this, &loop] {
      loop.is_adopting = false;
      for (const auto& go_on : std::exchange(paused, {})) go_on();
    });
  });
}

void Server::Impl::adopt(Loop& loop, Connection::Socket socket, Transport transport) {
  if (shared.stopping.load()) return;
  std::erase_if(loop.connections, [](const auto& each) {
    const auto connection = each.lock();
    return !connection || connection->is_closed();
  });
  // Each thread has its own quota, so that no thread has to close another's connections.
  const std::size_t reserve = transport == Transport::unix_socket ? 0 : shared.shares.reserve();
  const std::size_t room = std::max<std::size_t>(1, (shared.options.connections_max - reserve) / loops.size());
  if (!make_room(loop, room, shared.shares.book())) {
    loop.shared.connections.fetch_sub(1);
    shared.shares.book().refuse(ShareKind::connections, {});
    return write_full(socket);
  }
  const auto connection = std::make_shared<Connection>(loop.io, std::move(socket), transport, shared, loop.shared);
  loop.connections.push_back(connection);
  connection->start();
}

void Server::Impl::relieve(Loop& loop) {
  // Posted: the connection that caused it is in the middle of something.
  asio::post(loop.io, [this, &loop] {
    const std::size_t share = shared.options.client_bytes_max / loops.size();
    ShareBook& book = shared.shares.book();
    while (const Shares::Account* account = over_share(loop, shared.shares.bytes_share())) {
      if (!close_holder_of_bytes(loop, account, book)) break;
    }
    while (loop.shared.held_bytes > share && close_holder_of_bytes(loop, nullptr, book)) {
    }
  });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::open(Options options, HttpHandle handle) {
  options.threads = std::max(1u, options.threads);
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->shared.handle = std::move(handle);
  for (unsigned i = 0; i < impl->shared.options.threads; ++i) {
    impl->loops.push_back(std::make_unique<Loop>());
    impl->loops.back()->shared.relieve = [impl = impl.get(), loop = impl->loops.back().get()] { impl->relieve(*loop); };
  }
  if (impl->shared.options.listen) PAWL_TRY(impl->listen_tcp(*impl->shared.options.listen));
  auto& socket = impl->shared.options.socket;
  if (socket && impl->shared.options.listen && is_too_long(*socket)) {
    impl->warn(socket_name(*socket) + too_long + ", so pawld listens on TCP only");
    socket.reset();
  }
  if (socket) PAWL_TRY(impl->listen_unix(*socket));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() {
  stop();
}

std::uint16_t Server::port() const {
  if (!impl_->tcp_acceptor) return 0;
  error_code ignored;
  return impl_->tcp_acceptor->local_endpoint(ignored).port();
}

const std::optional<std::filesystem::path>& Server::socket() const {
  return impl_->shared.options.socket;
}

void Server::start() {
  PAWL_ASSERT(!impl_->running);
  impl_->running = true;
  if (impl_->tcp_acceptor) impl_->accept(impl_->tcp_acceptor, Transport::tcp);
  if (impl_->unix_acceptor) {
    impl_->accept(impl_->unix_acceptor, Transport::unix_socket);
    impl_->watch_socket();
  }
  for (const auto& loop : impl_->loops) {
    loop->thread = std::thread([io = &loop->io] { io->run(); });
  }
  impl_->accept_thread = std::thread([io = &impl_->accept_io] { io->run(); });
}

void Server::stop() {
  if (impl_->shared.stopping.exchange(true)) return;
  if (impl_->running) {
    asio::post(impl_->accept_io, [this] {
      error_code ignored;
      if (impl_->tcp_acceptor) impl_->tcp_acceptor->close(ignored);
      if (impl_->unix_acceptor) impl_->unix_acceptor->close(ignored);
      if (impl_->pause) impl_->pause->cancel();
      if (impl_->socket_watch) impl_->socket_watch->cancel();
      impl_->accept_io.stop();
    });
    impl_->accept_thread.join();
    for (const auto& loop : impl_->loops) {
      asio::post(loop->io, [loop = loop.get()] {
        for (const auto& each : loop->connections) {
          if (const auto connection = each.lock()) connection->wind_down();
        }
      });
    }
    const auto deadline = std::chrono::steady_clock::now() + impl_->shared.options.stop_timeout;
    while (impl_->shared.in_hand.load() > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    for (const auto& loop : impl_->loops) {
      asio::post(loop->io, [loop = loop.get()] {
        for (const auto& each : loop->connections) {
          if (const auto connection = each.lock()) connection->close();
        }
        loop->work.reset();
        loop->io.stop();
      });
    }
    for (const auto& loop : impl_->loops) loop->thread.join();
  }
  if (impl_->socket_file && identity_of(*impl_->shared.options.socket) == impl_->socket_file) {
    ::unlink(impl_->shared.options.socket->c_str());
  }
}

}  // namespace pawl
