// Redis by hiredis: each op is a script, which Redis runs as one.
#include <hiredis/hiredis.h>

#include "peer.h"

namespace {

struct Script {
  const char* text;
  std::string sha = {};
};

// A token is a number that never comes again, as in pawl.
Script acquire_script{
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end "
    "local token = redis.call('INCR', 'token') redis.call('SET', KEYS[1], token) return token"};
Script transition_script{
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "if redis.call('HGET', KEYS[2], 'version') ~= ARGV[2] then return 0 end "
    "redis.call('HSET', KEYS[2], 'version', ARGV[2] + 1, 'stage', ARGV[3]) return 1"};
Script release_script{"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])"};

class Connection {
 public:
  explicit Connection(const std::string& socket) : context_(::redisConnectUnix(socket.c_str())) {
    if (!context_ || context_->err != 0) give_up("cannot connect to " + socket);
  }
  ~Connection() { ::redisFree(context_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <class... Words>
  std::string text(const char* format, Words... words) {
    auto* reply = static_cast<redisReply*>(::redisCommand(context_, format, words...));
    if (!reply || reply->type == REDIS_REPLY_ERROR) give_up("redis: " + std::string(reply ? reply->str : "closed"));
    std::string out;
    if (reply->type == REDIS_REPLY_INTEGER) out = std::to_string(reply->integer);
    if (reply->str) out = reply->str;
    if (reply->type == REDIS_REPLY_ARRAY) {
      for (std::size_t i = 0; i < reply->elements; ++i) {
        out += (i == 0 ? "" : " ") + std::string(reply->element[i]->str ? reply->element[i]->str : "");
      }
    }
    ::freeReplyObject(reply);
    return out;
  }

 private:
  redisContext* context_;
};

class RedisActor final : public Actor {
 public:
  RedisActor(const std::string& socket, const std::string& name)
      : connection_(socket), task_("task:" + name), lease_("lease:" + name) {}

  void create_task() override {
    connection_.text("HSET %s version 1 stage s1", task_.c_str());
    version_ = 1;
  }
  void acquire() override {
    token_ = connection_.text("EVALSHA %s 1 %s", acquire_script.sha.c_str(), lease_.c_str());
    if (token_ == "0") give_up("redis: the lease is held");
  }
  void transition() override {
    const std::string done = connection_.text("EVALSHA %s 2 %s %s %s %d s%d", transition_script.sha.c_str(),
                                              lease_.c_str(), task_.c_str(), token_.c_str(), version_, version_ + 1);
    if (done != "1") give_up("redis: the transition was refused");
    ++version_;
  }
  void release() override {
    const std::string done =
        connection_.text("EVALSHA %s 1 %s %s", release_script.sha.c_str(), lease_.c_str(), token_.c_str());
    if (done != "1") give_up("redis: the release was refused");
  }

 private:
  Connection connection_;
  const std::string task_;
  const std::string lease_;
  std::string token_;
  int version_ = 1;
};

class RedisPeer final : public Peer {
 public:
  explicit RedisPeer(std::string socket) : socket_(std::move(socket)) {
    Connection connection(socket_);
    for (Script* script : {&acquire_script, &transition_script, &release_script}) {
      script->sha = connection.text("SCRIPT LOAD %s", script->text);
    }
  }

  std::string settings() override {
    Connection connection(socket_);
    return connection.text("CONFIG GET appendonly") + ", " + connection.text("CONFIG GET appendfsync") +
           "; each op a script; unix socket";
  }
  std::unique_ptr<Actor> actor(const std::string& name) override { return std::make_unique<RedisActor>(socket_, name); }

 private:
  const std::string socket_;
};

}  // namespace

std::unique_ptr<Peer> redis_peer(const std::string& socket) {
  return std::make_unique<RedisPeer>(socket);
}
