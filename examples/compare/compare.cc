// compare SECONDS ROUNDS ACTORS PEER=ADDRESS…: the guarded transitions per second of several peers. Rounds are
// interleaved: in each, every peer runs with every number of actors, so what disturbs the machine disturbs all alike.
// ACTORS is a list such as 1,16,64. Each actor is a thread with a connection and a task of its own.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "peer.h"

namespace {

using std::chrono::steady_clock;

std::unique_ptr<Peer> peer_named(const std::string& name, const std::string& address) {
  if (name == "pawld-unix" || name == "pawld-tcp") return pawl_peer(address);
  if (name == "sqlite") return sqlite_peer(address, Grouping::none);
  if (name == "sqlite-grouped") return sqlite_peer(address, Grouping::commits);
  if (name == "postgresql") return postgres_peer(address);
  if (name == "redis") return redis_peer(address);
  if (name == "etcd") return etcd_peer(address);
  give_up("unknown peer '" + name + "'");
}

struct Named {
  std::string name;
  std::unique_ptr<Peer> peer;
};

struct Measured {
  std::vector<double> w_per_s;           // of each round
  std::vector<std::int64_t> op_ns = {};  // the latency of each op, of all rounds
};

/// So many actors for so long.
void measure(const Named& named, std::size_t actors, double seconds, unsigned round, Measured& into) {
  std::vector<std::unique_ptr<Actor>> all;
  for (std::size_t i = 0; i < actors; ++i) {
    all.push_back(named.peer->actor(named.name + "-" + std::to_string(round) + "-" + std::to_string(actors) + "-" +
                                    std::to_string(i)));
    all.back()->create_task();
  }
  std::atomic<bool> ends{false};
  std::vector<std::vector<std::int64_t>> took(actors);
  std::vector<std::thread> threads;
  const auto begin = steady_clock::now();
  for (std::size_t i = 0; i < actors; ++i) {
    threads.emplace_back([&, i] {
      auto last = steady_clock::now();
      const auto op_done = [&] {
        const auto now = steady_clock::now();
        took[i].push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(now - last).count());
        last = now;
      };
      while (!ends.load(std::memory_order_relaxed)) {
        all[i]->acquire();
        op_done();
        all[i]->transition();
        op_done();
        all[i]->release();
        op_done();
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  ends.store(true);
  for (std::thread& thread : threads) thread.join();
  const double took_s = std::chrono::duration<double>(steady_clock::now() - begin).count();
  std::size_t ops = 0;
  for (const std::vector<std::int64_t>& each : took) {
    ops += each.size();
    into.op_ns.insert(into.op_ns.end(), each.begin(), each.end());
  }
  into.w_per_s.push_back(static_cast<double>(ops) / 3 / took_s);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double quantile_us(std::vector<std::int64_t>& ns, double share) {
  if (ns.empty()) return 0;
  const auto at = ns.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(ns.size() - 1));
  std::nth_element(ns.begin(), at, ns.end());
  return static_cast<double>(*at) / 1e3;
}

void print(const std::vector<Named>& peers, const std::vector<std::size_t>& actors,
           std::map<std::pair<std::size_t, std::size_t>, Measured>& all) {
  std::printf("\n%-15s %6s %9s %19s %12s %9s %9s\n", "peer", "actors", "W/s", "least-most", "to pawld", "p50 µs",
              "p99 µs");
  for (const std::size_t count : actors) {
    const double base = median(all[{0, count}].w_per_s);
    for (std::size_t i = 0; i < peers.size(); ++i) {
      Measured& measured = all[{i, count}];
      const auto [least, most] = std::minmax_element(measured.w_per_s.begin(), measured.w_per_s.end());
      const std::string spread =
          std::to_string(static_cast<long>(*least)) + "-" + std::to_string(static_cast<long>(*most));
      const double w = median(measured.w_per_s);
      std::printf("%-15s %6zu %9.0f %19s %11.2fx %9.0f %9.0f\n", peers[i].name.c_str(), count, w, spread.c_str(),
                  w / base, quantile_us(measured.op_ns, 0.5), quantile_us(measured.op_ns, 0.99));
    }
  }
}

}  // namespace

void give_up(const std::string& what) {
  std::fprintf(stderr, "compare: %s\n", what.c_str());
  std::_Exit(1);
}

int main(int count, char** words) {
  if (count < 5) give_up("usage: compare SECONDS ROUNDS ACTORS PEER=ADDRESS…");
  const double seconds = std::atof(words[1]);
  const auto rounds = static_cast<unsigned>(std::atoi(words[2]));
  std::vector<std::size_t> actors;
  std::stringstream list(words[3]);
  for (std::string each; std::getline(list, each, ',');) actors.push_back(std::stoul(each));
  std::vector<Named> peers;
  for (int i = 4; i < count; ++i) {
    const std::string word = words[i];
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    peers.push_back({name, peer_named(name, word.substr(equals + 1))});
    std::printf("%-15s %s\n", name.c_str(), peers.back().peer->settings().c_str());
  }
  std::fflush(stdout);
  std::map<std::pair<std::size_t, std::size_t>, Measured> all;
  for (unsigned round = 1; round <= rounds; ++round) {
    for (const std::size_t number : actors) {
      for (std::size_t i = 0; i < peers.size(); ++i) {
        std::fprintf(stderr, "round %u of %u: %s, %zu actors\n", round, rounds, peers[i].name.c_str(), number);
        measure(peers[i], number, seconds, round, all[{i, number}]);
      }
    }
  }
  print(peers, actors, all);
  return 0;
}
