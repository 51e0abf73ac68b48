// pawld over HTTP.
#include <unistd.h>

#include <atomic>

#include "http.h"
#include "peer.h"

namespace {

constexpr int stages = 32;
const char* const pipeline = "compare";

std::string stage(int number) {
  return number > stages ? "done" : "s" + std::to_string(number);
}

class PawlActor final : public Actor {
 public:
  PawlActor(const std::string& address, const std::string& boot, std::string name)
      : http_(address),
        name_(std::move(name)),
        headers_("Pawl-Boot: " + boot + "\r\nPawl-Actor: " + name_ + "\r\n"),
        owner_(R"("owner":{"boot_id":")" + boot + R"(","pid":)" + std::to_string(::getpid()) + R"(,"actor":")" + name_ +
               R"("})") {}

  void create_task() override {
    const std::string_view answer = http_.call(
        "POST", "/v1/tasks",
        R"({"work_item":")" + name_ + "-" + std::to_string(++made_) + R"(","repo":"compare","pipeline":"compare"})",
        headers_);
    task_ = std::to_string(number_after(answer, R"("task":{"id":)"));
    version_ = 1;
  }
  void acquire() override {
    const std::string_view answer =
        http_.call("POST", "/v1/leases", R"({"key":"task:)" + task_ + R"(","ttl_s":60,)" + owner_ + "}", headers_);
    token_ = std::to_string(number_after(answer, R"("token":)"));
  }
  void transition() override {
    http_.call("POST", "/v1/tasks/" + task_ + "/transition",
               R"({"to":")" + stage(version_ + 1) + R"(","expected_version":)" + std::to_string(version_) +
                   R"(,"token":)" + token_ + "}",
               headers_);
    ++version_;
  }
  void release() override {
    http_.call("DELETE", "/v1/leases/task%3A" + task_ + "?token=" + token_, "", headers_);
    if (version_ > stages) create_task();  // the task is done
  }

 private:
  Http http_;
  const std::string name_;
  const std::string headers_;
  const std::string owner_;
  int made_ = 0;
  int version_ = 1;
  std::string task_;
  std::string token_;
};

class PawlPeer final : public Peer {
 public:
  explicit PawlPeer(std::string address)
      : address_(std::move(address)), boot_(address_.starts_with('/') ? "compare-unix" : "compare-tcp") {
    Http http(address_);
    std::string body = R"({"name":"compare","agents":[{"name":"none"}],"stages":[)";
    for (int number = 1; number <= stages; ++number) {
      if (number > 1) body += ',';
      body += R"({"name":")" + stage(number) + R"(","agent":"none","to":")" + stage(number + 1) + R"("})";
    }
    http.call("POST", "/v1/pipelines", body + "]}");
    http.call("POST", "/v1/boots",
              R"({"name":")" + boot_ + R"(","boot_id":")" + boot_ + R"(","pid":)" + std::to_string(::getpid()) +
                  R"(,"pid_start":0,"host":"unknown","version":"1"})");
  }

  std::string settings() override {
    return "every answer after a sync (there is no other mode); HTTP over " + address_ +
           "; each op is a record with digest and hash chain";
  }
  std::unique_ptr<Actor> actor(const std::string& name) override {
    return std::make_unique<PawlActor>(address_, boot_, name);
  }

 private:
  const std::string address_;
  const std::string boot_;  // one for each way in: a boot belongs to its registrant
};

}  // namespace

std::unique_ptr<Peer> pawl_peer(const std::string& address) {
  return std::make_unique<PawlPeer>(address);
}
