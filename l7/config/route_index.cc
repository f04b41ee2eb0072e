#include "l7/config/route_index.h"

#include <algorithm>

#include "l7/config/snapshot.h"

namespace meltemi::config {
namespace {

size_t CommonPrefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

}  // namespace

void RouteIndex::Build(const std::vector<Route>& routes) {
  *this = RouteIndex();
  if (routes.size() < kRoutesMin) return;
  std::vector<Entry> entries;
  for (uint32_t i = 0; i < routes.size(); ++i) {
    const RouteMatch& match = routes[i].match;
    if (match.ignore_case || match.path == RouteMatch::Path::kRegex) {
      numbers_.push_back(i);
    } else {
      entries.push_back({match.path_value, i, match.path == RouteMatch::Path::kExact});
    }
  }
  always_ = {0, static_cast<uint32_t>(numbers_.size())};
  // By path, then by number: what belongs to a node, and to those below it, lies together.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.path != b.path ? a.path < b.path : a.route < b.route;
  });
  // Breadth first: the children of a node lie together.
  struct Work {
    uint32_t node;
    std::span<const Entry> entries;
    size_t depth;
  };
  nodes_.emplace_back();
  first_bytes_.push_back(0);
  std::vector<Work> queue = {{0, entries, 0}};
  std::vector<std::span<const Entry>> groups;
  for (size_t next = 0; next < queue.size(); ++next) {
    const Work work = queue[next];
    BuildNode(work.node, work.entries, work.depth, &groups);
    for (size_t i = 0; i < groups.size(); ++i) {
      const uint32_t child = nodes_[work.node].children.begin + static_cast<uint32_t>(i);
      queue.push_back({child, groups[i], work.depth + nodes_[child].label_size});
    }
  }
}

// Of entries that agree in their first `depth` bytes: those that end there are the node's own, each
// group of the rest is a child's.
void RouteIndex::BuildNode(uint32_t node, std::span<const Entry> entries, size_t depth,
                           std::vector<std::span<const Entry>>* groups) {
  groups->clear();
  size_t own = 0;
  while (own < entries.size() && entries[own].path.size() == depth) ++own;
  for (const bool exact : {false, true}) {
    Range& range = exact ? nodes_[node].exact : nodes_[node].prefix;
    range.begin = static_cast<uint32_t>(numbers_.size());
    for (const Entry& entry : entries.first(own)) {
      if (entry.exact == exact) numbers_.push_back(entry.route);
    }
    range.count = static_cast<uint32_t>(numbers_.size()) - range.begin;
  }
  nodes_[node].children.begin = static_cast<uint32_t>(nodes_.size());
  for (size_t i = own; i < entries.size();) {
    size_t end = i + 1;
    while (end < entries.size() && entries[end].path[depth] == entries[i].path[depth]) ++end;
    const std::span<const Entry> group = entries.subspan(i, end - i);
    const std::string_view first = group.front().path.substr(depth);
    const std::string_view label =
        first.substr(0, CommonPrefix(first, group.back().path.substr(depth)));
    nodes_.push_back({.label = static_cast<uint32_t>(labels_.size()),
                      .label_size = static_cast<uint32_t>(label.size())});
    first_bytes_.push_back(label[0]);
    labels_.append(label);
    groups->push_back(group);
    i = end;
  }
  nodes_[node].children.count = static_cast<uint32_t>(groups->size());
}

const RouteIndex::Node* RouteIndex::Child(const Node& node, std::string_view rest) const {
  const auto begin = first_bytes_.begin() + node.children.begin;
  const auto end = begin + node.children.count;
  // string_view's order, by which they were sorted, is that of unsigned bytes.
  const auto found = std::lower_bound(begin, end, rest[0], [](char a, char b) {
    return static_cast<uint8_t>(a) < static_cast<uint8_t>(b);
  });
  if (found == end || *found != rest[0]) return nullptr;
  const Node& child = nodes_[found - first_bytes_.begin()];
  const std::string_view label = std::string_view(labels_).substr(child.label, child.label_size);
  return rest.starts_with(label) ? &child : nullptr;
}

bool RouteIndex::Collect(std::string_view path, Lists* lists) const {
  const auto add = [this, lists](Range range) {
    if (range.count == 0) return true;
    if (lists->count == kListsMax) return false;
    lists->all[lists->count++] = Numbers(range);
    return true;
  };
  if (!add(always_)) return false;
  for (const Node* node = &nodes_[0]; node != nullptr;) {
    if (!add(node->prefix)) return false;
    if (path.empty()) return add(node->exact);
    const Node* child = Child(*node, path);
    if (child != nullptr) path.remove_prefix(child->label_size);
    node = child;
  }
  return true;
}

}  // namespace meltemi::config
