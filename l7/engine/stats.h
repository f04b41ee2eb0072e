// RequestStats: the standard metrics that have more labels than a cluster: istio_requests_total,
// istio_request_duration_milliseconds, istio_tcp_*, and the downstream response classes per
// connection manager.
//
// Owned by one engine, on its worker's thread. Bound: kSeriesCountMax series; further ones are
// counted and refused, so that a client cannot fill the memory with status codes.
#ifndef MELTEMI_L7_ENGINE_STATS_H_
#define MELTEMI_L7_ENGINE_STATS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/time.h"
#include "l7/config/rbac.h"
#include "l7/telemetry/sample.h"

namespace meltemi::engine {

inline constexpr size_t kSeriesCountMax = 16 * 1024;

// Upper bounds of the buckets in milliseconds: Envoy's defaults.
inline constexpr std::array<double, 19> kDurationBuckets = {
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

// How two workloads know each other.
enum class Security : uint8_t {
  kNone,
  kMutualTls,
  kSameNode,  // both are ports of this node: nothing leaves the process
};

class RequestStats {
 public:
  // Between whom. A principal has a number, by which it is told apart, and a text.
  struct Principal {
    uint32_t id = 0;
    std::string_view text;
  };
  struct Pair {
    std::string_view source;   // "name.namespace" or ""
    std::string_view cluster;  // "" when none was chosen
    Principal source_principal, destination_principal;
    Security security = Security::kNone;
    bool inbound = false;  // told by the server's side
  };
  struct Request {
    Pair pair;
    std::string_view stat_prefix;  // of the connection manager
    uint16_t status = 0;
    uint32_t flags = 0;
    Duration duration;
  };
  struct Connection {  // opaque TCP, that has ended
    Pair pair;
    uint32_t flags = 0;
    uint64_t bytes_received = 0, bytes_sent = 0;  // from and to the client
  };
  // False: a new series was refused.
  bool Count(const Request& request);
  bool Count(const Connection& connection);
  void AppendSamples(std::vector<telemetry::Sample>* out) const;

 private:
  struct Key {  // what a series is, but for its two texts
    uint32_t source_principal = 0, destination_principal = 0, flags = 0;
    uint16_t status = 0;
    Security security = Security::kNone;
    uint8_t kind = 0;  // bits: inbound, TCP
  };
  struct Series {
    Key key;
    std::string source, cluster, source_principal, destination_principal;
    uint64_t count = 0;
    double milliseconds = 0;
    uint64_t bytes_received = 0, bytes_sent = 0;
    std::array<uint64_t, kDurationBuckets.size() + 1> buckets{};
  };
  struct Manager {
    std::string stat_prefix;
    std::array<uint64_t, 6> classes{};  // by status / 100
    uint64_t total = 0, shed = 0;       // shed: by the overload manager
  };
  Series* Find(const Pair& pair, Key key);  // null: refused
  static std::string LabelsOf(const Series& series, bool by_server);
  static void AppendSeries(const Series& series, const std::string& labels,
                           std::vector<telemetry::Sample>* out);

  std::vector<Series> series_;  // in order of first sight
  absl::flat_hash_map<std::string, uint32_t> series_by_key_;
  std::vector<Manager> managers_;
  std::string key_;  // scratch
};

// What RBAC filters have said, by their prefixes: http.<prefix>.rbac.allowed and so on, as Envoy's.
// Owned by one engine. Bound: kSeriesCountMax prefixes; what comes later is counted together and
// not shown.
class RbacStats {
 public:
  struct Counts {
    uint64_t allowed = 0, denied = 0, shadow_allowed = 0, shadow_denied = 0;
  };
  // Where the filter's are; it stands until Forget. `http_prefix`: of its connection manager.
  Counts* Of(const config::Rbac& rbac, std::string_view http_prefix);
  // Filters may have gone, and others stand in their places: counts stay.
  void Forget() { by_filter_.clear(); }
  void AppendSamples(std::vector<telemetry::Sample>* out) const;

 private:
  struct Key {
    std::string rules, shadow, labels;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, Counts> counts_;
  absl::flat_hash_map<const config::Rbac*, Counts*> by_filter_;
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_STATS_H_
