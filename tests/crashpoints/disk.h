// A disk's contents, the operations on it, and what a power cut may take away.
//
// POSIX promises little: writes to a file are durable once the file is synced; a name that was made, moved or removed
// is durable once its folder is. Until then each may or may not survive a power cut, in any order, a write page by
// page. Only a rename is all or nothing. So a crash is a place in the trace of steps, and a choice among the steps not
// yet durable by then.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl::crash {

using NodeId = std::uint32_t;
constexpr NodeId no_node = ~NodeId{0};

enum class StepKind {
  make_dir,
  create,
  link,
  rename,
  remove,
  write,
  truncate,
  sync_file,
  sync_range,
  sync_dir,
  /// A failed sync of a file: its data counts as written all the same, and no later sync brings it to the disk (as on
  /// Linux).
  failed_sync,
};
const char* name(StepKind kind);

/// One change of the disk, or one sync.
struct Step {
  StepKind kind{};
  NodeId node = no_node;   // the file or folder that is written, synced or named
  bool is_folder = false;  // `node` is one
  NodeId dir = no_node;    // the folder whose entry `name` is made or removed
  std::string name;
  NodeId from_dir = no_node;  // of a rename
  std::string from_name;
  std::uint64_t offset = 0;  // of a write; of a truncation the new size
  std::string bytes;
  std::string path;  // for people
};

std::string description(const Step& step);

/// Files and folders. A copy shares the contents until either of the two writes.
class Tree {
 public:
  Tree();

  static constexpr NodeId root = 0;
  /// The node at an absolute path; null if there is none.
  std::optional<NodeId> find(std::string_view path) const;
  /// The folder that a path's last part is in, and that part.
  std::optional<std::pair<NodeId, std::string>> place(std::string_view path) const;
  bool is_dir(NodeId node) const { return !nodes_[node].content; }
  const std::string& content(NodeId node) const { return *nodes_[node].content; }
  const std::map<std::string, NodeId>& entries(NodeId dir) const { return nodes_[dir].entries; }
  NodeId next_id() const { return static_cast<NodeId>(nodes_.size()); }

  /// Creates a folder and its parents where they are missing.
  void make_dirs(std::string_view path);
  void apply(const Step& step);
  /// Part of a write. A gap before it that was never written reads as zeros.
  void apply_write(NodeId file, std::uint64_t offset, std::string_view bytes);

  /// Hash over all names and contents under a path: equal for trees that look the same from there.
  std::uint64_t hash(std::string_view path) const;

 private:
  struct Node {
    std::shared_ptr<std::string> content;  // null: a folder
    std::map<std::string, NodeId> entries;
  };
  Node& node(NodeId id);
  std::string& writable(NodeId file);
  void enter(const Step& step);
  std::uint64_t hash_of(NodeId id) const;

  std::vector<Node> nodes_;
};

/// What is durable after part of a trace, and what is pending.
class Durability {
 public:
  explicit Durability(Tree tree) : durable_(std::move(tree)) {}

  /// Takes the next step of the trace, which must outlive this object.
  void take(const Step& step);

  /// A change that a power cut takes or leaves as a whole: one page of a write, or any other step.
  struct Unit {
    const Step* step;
    std::size_t from = 0;  // of a write: its bytes
    std::size_t to = 0;
  };
  const std::vector<Unit>& pending() const { return pending_; }
  /// Whether the unit makes, moves or removes a name.
  static bool is_name(const Unit& unit);
  const Tree& durable() const { return durable_; }

  /// What remains of each pending unit after the power cut.
  enum class Fate : std::uint8_t { lost, kept, zeroed };  // zeroed: the file grew, but the bytes did not arrive
  /// `torn`: only that many bytes of the unit `torn_unit`, which is a kept write.
  Tree after_cut(const std::vector<Fate>& fates, std::size_t torn_unit = 0, std::optional<std::size_t> torn = {}) const;

 private:
  Tree durable_;
  std::vector<Unit> pending_;
};

}  // namespace pawl::crash
