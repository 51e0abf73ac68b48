// PostgreSQL by libpq: each op is one prepared statement, in a transaction of its own.
#include <libpq-fe.h>

#include <array>

#include "peer.h"

namespace {

class Connection {
 public:
  explicit Connection(const std::string& how) : connection_(::PQconnectdb(how.c_str())) {
    if (::PQstatus(connection_) != CONNECTION_OK) give_up(::PQerrorMessage(connection_));
  }
  ~Connection() { ::PQfinish(connection_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The first value of the first row; empty if there is none.
  std::string run(const char* sql) { return first(::PQexec(connection_, sql)); }
  void prepare(const char* name, const char* sql) { first(::PQprepare(connection_, name, sql, 0, nullptr)); }
  template <class... Texts>
  std::string call(const char* name, const Texts&... texts) {
    const std::array<const char*, sizeof...(texts)> values{texts.c_str()...};
    return first(
        ::PQexecPrepared(connection_, name, static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0));
  }

 private:
  std::string first(PGresult* result) {
    const ExecStatusType status = ::PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) give_up(::PQerrorMessage(connection_));
    std::string out = ::PQntuples(result) > 0 ? ::PQgetvalue(result, 0, 0) : "";
    ::PQclear(result);
    return out;
  }

  PGconn* connection_;
};

class PostgresActor final : public Actor {
 public:
  PostgresActor(const std::string& how, std::string name) : connection_(how), name_(std::move(name)) {
    connection_.prepare("create", "INSERT INTO task VALUES ($1, 's1', 1) RETURNING name");
    connection_.prepare("acquire",
                        "INSERT INTO lease (key, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING token");
    connection_.prepare("transition",
                        "UPDATE task SET stage = $4, version = version + 1 WHERE name = $1 AND version = $2 AND EXISTS "
                        "(SELECT 1 FROM lease WHERE key = $1 AND token = $3) RETURNING version");
    connection_.prepare("release", "DELETE FROM lease WHERE key = $1 AND token = $2 RETURNING key");
  }

  void create_task() override {
    check(connection_.call("create", name_));
    version_ = "1";
  }
  void acquire() override { token_ = check(connection_.call("acquire", name_, name_)); }
  void transition() override {
    version_ = check(connection_.call("transition", name_, version_, token_, "s" + version_));
  }
  void release() override { check(connection_.call("release", name_, token_)); }

 private:
  static std::string check(std::string answer) {
    if (answer.empty()) give_up("postgres: an op was refused");
    return answer;
  }

  Connection connection_;
  const std::string name_;
  std::string version_;
  std::string token_;
};

class PostgresPeer final : public Peer {
 public:
  explicit PostgresPeer(std::string how) : how_(std::move(how)) {
    Connection connection(how_);
    connection.run("CREATE TABLE IF NOT EXISTS task (name text PRIMARY KEY, stage text, version bigint)");
    connection.run("CREATE TABLE IF NOT EXISTS lease (key text PRIMARY KEY, owner text, token bigserial)");
  }

  std::string settings() override {
    Connection connection(how_);
    return "PostgreSQL " + connection.run("SHOW server_version") + "; fsync " + connection.run("SHOW fsync") +
           ", synchronous_commit " + connection.run("SHOW synchronous_commit") + ", full_page_writes " +
           connection.run("SHOW full_page_writes") + ", commit_delay " + connection.run("SHOW commit_delay") +
           "; a prepared statement an op; unix socket";
  }
  std::unique_ptr<Actor> actor(const std::string& name) override { return std::make_unique<PostgresActor>(how_, name); }

 private:
  const std::string how_;
};

}  // namespace

std::unique_ptr<Peer> postgres_peer(const std::string& connection) {
  return std::make_unique<PostgresPeer>(connection);
}
