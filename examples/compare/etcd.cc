// etcd over its HTTP/JSON gateway: each op is a transaction that compares and writes.
#include "http.h"
#include "peer.h"

namespace {

std::string base64(const std::string& text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += at + i <= text.size() ? digits[bits >> (18 - 6 * i) & 63U] : '=';
    }
  }
  return out;
}

std::string compare(const std::string& key, const char* what, const std::string& number) {
  return R"({"key":")" + key + R"(","target":")" + what + R"(","result":"EQUAL",")" +
         (what[0] == 'C' ? "create_revision" : "mod_revision") + R"(":")" + number + R"("})";
}

class EtcdActor final : public Actor {
 public:
  EtcdActor(const std::string& address, const std::string& name)
      : http_(address), task_(base64("task/" + name)), lease_(base64("lease/" + name)), owner_(base64(name)) {}

  void create_task() override {
    task_revision_ = revision_of(http_.call("POST", "/v3/kv/put", R"({"key":")" + task_ + R"(","value":"czE="})"));
  }
  void acquire() override {
    token_ = txn(compare(lease_, "CREATE", "0"),
                 R"({"request_put":{"key":")" + lease_ + R"(","value":")" + owner_ + R"("}})");
  }
  void transition() override {
    task_revision_ = txn(compare(task_, "MOD", task_revision_) + "," + compare(lease_, "MOD", token_),
                         R"({"request_put":{"key":")" + task_ + R"(","value":"czI="}})");
  }
  void release() override {
    txn(compare(lease_, "MOD", token_), R"({"request_delete_range":{"key":")" + lease_ + R"("}})");
  }

 private:
  static std::string revision_of(std::string_view answer) {
    return std::to_string(number_after(answer, R"("revision":)"));
  }
  std::string txn(const std::string& compares, const std::string& success) {
    const std::string_view answer =
        http_.call("POST", "/v3/kv/txn", R"({"compare":[)" + compares + R"(],"success":[)" + success + "]}");
    if (answer.find(R"("succeeded":true)") == std::string_view::npos) give_up("etcd: " + std::string(answer));
    return revision_of(answer);
  }

  Http http_;
  const std::string task_;
  const std::string lease_;
  const std::string owner_;
  std::string task_revision_;
  std::string token_;
};

class EtcdPeer final : public Peer {
 public:
  explicit EtcdPeer(std::string address) : address_(std::move(address)) {}

  std::string settings() override {
    const std::string version(Http(address_).call("GET", "/version", ""));
    return version + "; one member; syncs its WAL before every answer (default); HTTP/JSON gateway on " + address_;
  }
  std::unique_ptr<Actor> actor(const std::string& name) override { return std::make_unique<EtcdActor>(address_, name); }

 private:
  const std::string address_;
};

}  // namespace

std::unique_ptr<Peer> etcd_peer(const std::string& address) {
  return std::make_unique<EtcdPeer>(address);
}
