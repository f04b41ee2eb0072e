// RouteIndex: which routes of a virtual host can match a path, without looking at all of them. A
// radix tree over exact and prefix paths; what has no such path (regular expressions, paths of any
// case) is a candidate always. Candidates come in the order of the routes, so that the first match
// wins as if all had been tried.
//
// Immutable after Build; any thread. Memory: about 40 bytes and the path per route. A walk visits
// at most one node per byte of the path.
#ifndef MELTEMI_L7_CONFIG_ROUTE_INDEX_H_
#define MELTEMI_L7_CONFIG_ROUTE_INDEX_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meltemi::config {

struct Route;

class RouteIndex {
 public:
  // Fewer are as quickly tried one by one: the index stays empty.
  static constexpr size_t kRoutesMin = 8;

  void Build(const std::vector<Route>& routes);
  bool empty() const { return nodes_.empty(); }

  // Calls try_route(number of the route) for each candidate in ascending order until it returns
  // true. False: there are more nested prefixes than this looks at, nothing was tried.
  template <typename TryRoute>
  bool ForEach(std::string_view path, const TryRoute& try_route) const {
    Lists lists;
    if (!Collect(path, &lists)) return false;
    while (true) {
      std::span<const uint32_t>* first = nullptr;
      for (int i = 0; i < lists.count; ++i) {
        std::span<const uint32_t>& list = lists.all[i];
        if (!list.empty() && (first == nullptr || list.front() < first->front())) first = &list;
      }
      if (first == nullptr || try_route(first->front())) return true;
      *first = first->subspan(1);
    }
  }

 private:
  static constexpr int kListsMax = 32;
  struct Lists {
    std::array<std::span<const uint32_t>, kListsMax> all;
    int count = 0;
  };
  // Some of numbers_ or nodes_.
  struct Range {
    uint32_t begin = 0, count = 0;
  };
  struct Node {
    uint32_t label = 0;  // where in labels_
    uint32_t label_size = 0;
    Range children;       // ascending by the first byte of their labels
    Range prefix, exact;  // routes whose path ends here
  };
  struct Entry {
    std::string_view path;
    uint32_t route;
    bool exact;
  };

  bool Collect(std::string_view path, Lists* lists) const;
  const Node* Child(const Node& node, std::string_view rest) const;
  void BuildNode(uint32_t node, std::span<const Entry> entries, size_t depth,
                 std::vector<std::span<const Entry>>* groups);
  std::span<const uint32_t> Numbers(Range range) const {
    return std::span(numbers_).subspan(range.begin, range.count);
  }

  std::vector<Node> nodes_;        // [0]: the root
  std::vector<char> first_bytes_;  // of each node's label
  std::string labels_;
  std::vector<uint32_t> numbers_;  // of routes
  Range always_;                   // candidates whatever the path
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_ROUTE_INDEX_H_
