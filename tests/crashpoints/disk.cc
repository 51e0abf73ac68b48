#include "tests/crashpoints/disk.h"

#include <algorithm>
#include <functional>

#include "schema/result.h"

namespace pawl::crash {
namespace {

constexpr std::size_t page_bytes = 4096;

std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
  return (seed ^ value) * 0x9E3779B97F4A7C15U + (seed >> 29);
}

std::vector<std::string_view> parts(std::string_view path) {
  std::vector<std::string_view> found;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) found.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return found;
}

bool changes_names(StepKind kind) {
  switch (kind) {
    case StepKind::make_dir:
    case StepKind::create:
    case StepKind::link:
    case StepKind::rename:
    case StepKind::remove:
      return true;
    case StepKind::write:
    case StepKind::truncate:
    case StepKind::sync_file:
    case StepKind::sync_range:
    case StepKind::sync_dir:
    case StepKind::failed_sync:
      return false;
  }
  return false;
}

}  // namespace

const char* name(StepKind kind) {
  switch (kind) {
    case StepKind::make_dir:
      return "make_dir";
    case StepKind::create:
      return "create";
    case StepKind::link:
      return "link";
    case StepKind::rename:
      return "rename";
    case StepKind::remove:
      return "remove";
    case StepKind::write:
      return "write";
    case StepKind::truncate:
      return "truncate";
    case StepKind::sync_file:
      return "sync_file";
    case StepKind::sync_range:
      return "sync_range";
    case StepKind::sync_dir:
      return "sync_dir";
    case StepKind::failed_sync:
      return "failed_sync";
  }
  return "";
}

std::string description(const Step& step) {
  std::string text = std::string(name(step.kind)) + " " + step.path;
  if (step.kind == StepKind::write) {
    text += " " + std::to_string(step.bytes.size()) + " bytes at " + std::to_string(step.offset);
  }
  return text;
}

Tree::Tree() : nodes_(1) {}

Tree::Node& Tree::node(NodeId id) {
  if (id >= nodes_.size()) nodes_.resize(id + 1);
  return nodes_[id];
}

std::optional<NodeId> Tree::find(std::string_view path) const {
  NodeId at = root;
  for (const std::string_view part : parts(path)) {
    if (!is_dir(at)) return std::nullopt;
    const auto entry = nodes_[at].entries.find(std::string(part));
    if (entry == nodes_[at].entries.end()) return std::nullopt;
    at = entry->second;
  }
  return at;
}

std::optional<std::pair<NodeId, std::string>> Tree::place(std::string_view path) const {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto dir = find(path.substr(0, slash));
  if (!dir || !is_dir(*dir)) return std::nullopt;
  return std::pair(*dir, std::string(path.substr(slash + 1)));
}

void Tree::make_dirs(std::string_view path) {
  NodeId at = root;
  for (const std::string_view part : parts(path)) {
    const auto [entry, made] = nodes_[at].entries.try_emplace(std::string(part), next_id());
    at = entry->second;
    if (made) nodes_.emplace_back();
  }
}

std::string& Tree::writable(NodeId file) {
  std::shared_ptr<std::string>& content = node(file).content;
  if (!content) {
    content = std::make_shared<std::string>();
  } else if (content.use_count() > 1) {
    content = std::make_shared<std::string>(*content);
  }
  return *content;
}

void Tree::apply_write(NodeId file, std::uint64_t offset, std::string_view bytes) {
  std::string& content = writable(file);
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  content.replace(offset, bytes.size(), bytes);
}

void Tree::apply(const Step& step) {
  switch (step.kind) {
    case StepKind::make_dir:
    case StepKind::create:
    case StepKind::link:
      enter(step);
      break;
    case StepKind::rename: {
      // Whatever else is lost: if the old name still leads to it, that goes; the new one remains.
      auto& from = node(step.from_dir).entries;
      const auto old = from.find(step.from_name);
      if (old != from.end() && old->second == step.node) from.erase(old);
      enter(step);
      break;
    }
    case StepKind::remove:
      node(step.dir).entries.erase(step.name);
      break;
    case StepKind::write:
      apply_write(step.node, step.offset, step.bytes);
      break;
    case StepKind::truncate:
      writable(step.node).resize(step.offset, '\0');
      break;
    case StepKind::sync_file:
    case StepKind::sync_range:
    case StepKind::sync_dir:
    case StepKind::failed_sync:
      break;
  }
}

void Tree::enter(const Step& step) {
  if (step.is_folder) {
    node(step.node);
  } else if (!node(step.node).content) {
    writable(step.node);  // its name survived, its bytes did not
  }
  node(step.dir).entries[step.name] = step.node;
}

std::uint64_t Tree::hash(std::string_view path) const {
  const auto found = find(path);
  return found ? hash_of(*found) : 0;
}

std::uint64_t Tree::hash_of(NodeId id) const {
  const Node& here = nodes_[id];
  if (here.content) return mix(1, std::hash<std::string_view>()(*here.content));
  std::uint64_t sum = 2;
  for (const auto& [entry, child] : here.entries) {
    sum = mix(mix(sum, std::hash<std::string_view>()(entry)), hash_of(child));
  }
  return sum;
}

void Durability::take(const Step& step) {
  switch (step.kind) {
    case StepKind::write: {
      // RocksDB's OPTIONS files are long, and are never read back.
      const bool in_pages = step.path.find("/OPTIONS-") == std::string::npos;
      if (!in_pages) pending_.push_back({.step = &step, .from = 0, .to = step.bytes.size()});
      // Pages of the file, not of the write: they reach the disk by page.
      for (std::size_t from = 0; in_pages && from < step.bytes.size();) {
        const std::size_t in_page = page_bytes - (step.offset + from) % page_bytes;
        const std::size_t to = std::min(from + in_page, step.bytes.size());
        pending_.push_back({.step = &step, .from = from, .to = to});
        from = to;
      }
      break;
    }
    case StepKind::make_dir:
    case StepKind::create:
    case StepKind::link:
    case StepKind::rename:
    case StepKind::remove:
    case StepKind::truncate:
      pending_.push_back({.step = &step});
      break;
    case StepKind::sync_range:
      break;  // According to Linux, sync_file_range(2) makes nothing durable.
    case StepKind::sync_file:
    case StepKind::sync_dir:
    case StepKind::failed_sync: {
      const auto covered = [&](const Unit& unit) {
        if (step.kind == StepKind::sync_dir) return changes_names(unit.step->kind) && unit.step->dir == step.node;
        return !changes_names(unit.step->kind) && unit.step->node == step.node;
      };
      for (const Unit& unit : pending_) {
        if (!covered(unit) || step.kind == StepKind::failed_sync) continue;
        if (unit.step->kind == StepKind::write) {
          durable_.apply_write(unit.step->node, unit.step->offset + unit.from,
                               std::string_view(unit.step->bytes).substr(unit.from, unit.to - unit.from));
        } else {
          durable_.apply(*unit.step);
        }
      }
      std::erase_if(pending_, covered);
      break;
    }
  }
}

bool Durability::is_name(const Unit& unit) {
  return changes_names(unit.step->kind);
}

Tree Durability::after_cut(const std::vector<Fate>& fates, std::size_t torn_unit,
                           std::optional<std::size_t> torn) const {
  PAWL_ASSERT(fates.size() == pending_.size());
  Tree tree = durable_;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Unit& unit = pending_[i];
    if (fates[i] == Fate::lost) continue;
    if (unit.step->kind != StepKind::write) {
      tree.apply(*unit.step);
      continue;
    }
    std::string bytes = unit.step->bytes.substr(unit.from, unit.to - unit.from);
    if (torn && i == torn_unit) bytes.resize(*torn);
    if (fates[i] == Fate::zeroed) bytes.assign(bytes.size(), '\0');
    tree.apply_write(unit.step->node, unit.step->offset + unit.from, bytes);
  }
  return tree;
}

}  // namespace pawl::crash
