// The peers of the comparison: each carries out the three operations of a guarded transition, durably.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

/// One actor's own connection to a peer. Every call returns once its change is durable; a call that is refused or
/// fails ends the program, since then the figures would be worth nothing. Used by one thread.
class Actor {
 public:
  virtual ~Actor() = default;

  /// Makes the actor's task, at version 1. Not measured, except where a peer's tasks end (pawl: after 32 transitions).
  virtual void create_task() = 0;
  /// Takes the free lease of the task, and keeps its token.
  virtual void acquire() = 0;
  /// Moves the task on, if it has the version last seen and the lease the token.
  virtual void transition() = 0;
  /// Gives the lease back, if it has the token.
  virtual void release() = 0;
};

class Peer {
 public:
  virtual ~Peer() = default;

  /// The settings that decide about durability, as the peer itself reports them where it can.
  virtual std::string settings() = 0;
  /// `name` is unique in the run.
  virtual std::unique_ptr<Actor> actor(const std::string& name) = 0;
};

/// Each transaction by itself, or those that wait at the same time in one.
enum class Grouping { none, commits };

std::unique_ptr<Peer> sqlite_peer(const std::string& file, Grouping grouping);
std::unique_ptr<Peer> postgres_peer(const std::string& connection);
std::unique_ptr<Peer> redis_peer(const std::string& socket);
/// `address`: a path, or HOST:PORT.
std::unique_ptr<Peer> etcd_peer(const std::string& address);
std::unique_ptr<Peer> pawl_peer(const std::string& address);

/// Prints "compare: …" and ends the program.
[[noreturn]] void give_up(const std::string& what);
