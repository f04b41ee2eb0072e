// RequestStats: the standard metrics that have more labels than a cluster: istio_requests_total,
// istio_request_duration_milliseconds, and the downstream response classes per connection manager.
//
// Owned by one engine, on its worker's thread. Bound: kSeriesCountMax series; further ones are
// counted and refused, so that a client cannot fill the memory with status codes.
#ifndef MELTEMI_L7_ENGINE_STATS_H_
#define MELTEMI_L7_ENGINE_STATS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "l7/base/time.h"
#include "l7/telemetry/sample.h"

namespace meltemi::engine {

inline constexpr size_t kSeriesCountMax = 16 * 1024;

// Upper bounds of the buckets in milliseconds: Envoy's defaults.
inline constexpr std::array<double, 19> kDurationBuckets = {
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

class RequestStats {
 public:
  struct Request {
    std::string_view source;       // "name.namespace" or ""
    std::string_view cluster;      // "" when none was chosen
    std::string_view stat_prefix;  // of the connection manager
    uint16_t status = 0;
    uint32_t flags = 0;
    Duration duration;
  };
  // False: a new series was refused.
  bool Count(const Request& request);
  void AppendSamples(std::vector<telemetry::Sample>* out) const;

 private:
  struct Series {
    std::string source, cluster;
    uint16_t status = 0;
    uint32_t flags = 0;
    uint64_t count = 0;
    double milliseconds = 0;
    std::array<uint64_t, kDurationBuckets.size() + 1> buckets{};
  };
  struct Manager {
    std::string stat_prefix;
    std::array<uint64_t, 6> classes{};  // by status / 100
    uint64_t total = 0;
  };
  void AppendSeries(const Series& series, std::vector<telemetry::Sample>* out) const;

  std::vector<Series> series_;  // in order of first sight
  absl::flat_hash_map<std::string, uint32_t> series_by_key_;
  std::vector<Manager> managers_;
  std::string key_;  // scratch
};

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_STATS_H_
