// SQLite in this process: each op a transaction; or a thread that puts all ops that wait into one.
#include <sqlite3.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "peer.h"

namespace {

/// One connection; used by one thread at a time.
class Database {
 public:
  explicit Database(const std::string& file) {
    if (::sqlite3_open(file.c_str(), &db_) != SQLITE_OK) give_up(file + ": " + ::sqlite3_errmsg(db_));
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    run("CREATE TABLE IF NOT EXISTS task (name TEXT PRIMARY KEY, stage TEXT, version INTEGER) WITHOUT ROWID");
    run("CREATE TABLE IF NOT EXISTS lease (token INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, owner TEXT)");
    begin = prepare("BEGIN IMMEDIATE");
    commit = prepare("COMMIT");
    create = prepare("INSERT INTO task VALUES (?1, 's1', 1)");
    acquire = prepare("INSERT INTO lease (key, owner) VALUES (?1, ?1) ON CONFLICT DO NOTHING");
    transition = prepare(
        "UPDATE task SET stage = ?4, version = version + 1 WHERE name = ?1 AND version = ?2 AND EXISTS "
        "(SELECT 1 FROM lease WHERE key = ?1 AND token = ?3)");
    release = prepare("DELETE FROM lease WHERE key = ?1 AND token = ?2");
  }
  ~Database() {
    for (sqlite3_stmt* statement : {begin, commit, create, acquire, transition, release}) ::sqlite3_finalize(statement);
    ::sqlite3_close(db_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  std::string run(const std::string& sql) {
    std::string out;
    const auto each = [](void* into, int, char** values, char**) {
      *static_cast<std::string*>(into) = values[0] ? values[0] : "";
      return 0;
    };
    if (::sqlite3_exec(db_, sql.c_str(), each, &out, nullptr) != SQLITE_OK) give_up(::sqlite3_errmsg(db_));
    return out;
  }
  void step(sqlite3_stmt* statement) {
    if (::sqlite3_step(statement) != SQLITE_DONE) give_up(std::string("sqlite: ") + ::sqlite3_errmsg(db_));
    ::sqlite3_reset(statement);
  }
  /// Of the last statement: exactly one row, or the op was refused.
  void check_changed() {
    if (::sqlite3_changes(db_) != 1) give_up("sqlite: an op was refused");
  }
  std::int64_t last_token() { return ::sqlite3_last_insert_rowid(db_); }

  sqlite3_stmt* begin;
  sqlite3_stmt* commit;
  sqlite3_stmt* create;
  sqlite3_stmt* acquire;
  sqlite3_stmt* transition;
  sqlite3_stmt* release;

 private:
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* out = nullptr;
    if (::sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &out, nullptr) != SQLITE_OK) {
      give_up(::sqlite3_errmsg(db_));
    }
    return out;
  }

  sqlite3* db_ = nullptr;
};

using Change = std::function<void(Database&)>;

/// Makes changes durable.
class Committer {
 public:
  Committer(const std::string& file, Grouping grouping) : db_(file), grouping_(grouping) {
    if (grouping_ == Grouping::commits) thread_ = std::thread([this] { serve(); });
  }
  ~Committer() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      called_.notify_one();
    }
    thread_.join();
  }

  /// Returns once the change is durable.
  void make(const Change& change) {
    std::unique_lock lock(mutex_);
    if (grouping_ == Grouping::none) {
      commit(std::vector<const Change*>{&change});
      return;
    }
    Wait wait{.change = &change};
    waiting_.push_back(&wait);
    called_.notify_one();
    wait.ready.wait(lock, [&] { return wait.is_done; });
  }

  Database& database() { return db_; }

 private:
  struct Wait {
    const Change* change;
    bool is_done = false;
    std::condition_variable ready = {};
  };

  void commit(const std::vector<const Change*>& changes) {
    db_.step(db_.begin);
    for (const Change* change : changes) (*change)(db_);
    db_.step(db_.commit);
  }

  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      called_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const std::vector<Wait*> taken = std::exchange(waiting_, {});
      lock.unlock();
      std::vector<const Change*> changes;
      for (const Wait* wait : taken) changes.push_back(wait->change);
      commit(changes);
      lock.lock();
      for (Wait* wait : taken) {
        wait->is_done = true;
        wait->ready.notify_one();
      }
    }
  }

  Database db_;
  const Grouping grouping_;
  std::mutex mutex_;
  std::condition_variable called_;
  std::vector<Wait*> waiting_;
  bool ends_ = false;
  std::thread thread_;
};

void bind(sqlite3_stmt* statement, int at, const std::string& text) {
  ::sqlite3_bind_text(statement, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

class SqliteActor final : public Actor {
 public:
  SqliteActor(Committer& committer, std::string name) : committer_(committer), name_(std::move(name)) {}

  void create_task() override {
    committer_.make([this](Database& db) {
      bind(db.create, 1, name_);
      db.step(db.create);
    });
    version_ = 1;
  }
  void acquire() override {
    committer_.make([this](Database& db) {
      bind(db.acquire, 1, name_);
      db.step(db.acquire);
      db.check_changed();
      token_ = db.last_token();
    });
  }
  void transition() override {
    committer_.make([this](Database& db) {
      bind(db.transition, 1, name_);
      ::sqlite3_bind_int64(db.transition, 2, version_);
      ::sqlite3_bind_int64(db.transition, 3, token_);
      bind(db.transition, 4, "s" + std::to_string(version_ + 1));
      db.step(db.transition);
      db.check_changed();
    });
    ++version_;
  }
  void release() override {
    committer_.make([this](Database& db) {
      bind(db.release, 1, name_);
      ::sqlite3_bind_int64(db.release, 2, token_);
      db.step(db.release);
      db.check_changed();
    });
  }

 private:
  Committer& committer_;
  const std::string name_;
  std::int64_t version_ = 1;
  std::int64_t token_ = 0;
};

class SqlitePeer final : public Peer {
 public:
  SqlitePeer(const std::string& file, Grouping grouping) : committer_(file, grouping), grouping_(grouping) {}

  std::string settings() override {
    Database& db = committer_.database();
    return std::string("SQLite ") + ::sqlite3_libversion() + " in process; journal_mode " +
           db.run("PRAGMA journal_mode") + ", synchronous " + db.run("PRAGMA synchronous") + " (2: full); " +
           (grouping_ == Grouping::none ? "a transaction an op" : "one thread commits all ops that wait together");
  }
  std::unique_ptr<Actor> actor(const std::string& name) override {
    return std::make_unique<SqliteActor>(committer_, name);
  }

 private:
  Committer committer_;
  const Grouping grouping_;
};

}  // namespace

std::unique_ptr<Peer> sqlite_peer(const std::string& file, Grouping grouping) {
  return std::make_unique<SqlitePeer>(file, grouping);
}
