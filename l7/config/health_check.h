// Active health checks of a cluster, compiled (envoy.config.core.v3.HealthCheck, whose names and
// defaults these are). Values only; l7/health does the checking.
#ifndef MELTEMI_L7_CONFIG_HEALTH_CHECK_H_
#define MELTEMI_L7_CONFIG_HEALTH_CHECK_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "l7/base/time.h"

namespace meltemi::config {

// A request that is answered with a good status.
struct HttpHealthCheck {
  using Statuses = std::pair<uint16_t, uint16_t>;  // [first, second)
  std::string host;                                // empty: the name of the cluster
  std::string path;
  std::string method = "GET";
  std::vector<Statuses> expected;   // empty: 200 only
  std::vector<Statuses> retriable;  // these count towards unhealthy_threshold, others end it
  bool http2 = false;               // codec_client_type
  bool operator==(const HttpHealthCheck&) const = default;
};

// A connection that can be opened; with `receive`, one on which all of these come, in this order,
// whatever stands between them.
struct TcpHealthCheck {
  std::string send;
  std::vector<std::string> receive;
  bool operator==(const TcpHealthCheck&) const = default;
};

// grpc.health.v1.Health/Check that is answered with SERVING.
struct GrpcHealthCheck {
  std::string service_name;
  std::string authority;  // empty: the name of the cluster
  bool operator==(const GrpcHealthCheck&) const = default;
};

struct HealthCheck {
  Duration timeout, interval;
  Duration initial_jitter, interval_jitter;  // uniform in [0, jitter) more
  uint32_t interval_jitter_percent = 0;
  uint32_t unhealthy_threshold = 1, healthy_threshold = 1;
  // While no connection to the cluster has been asked for by anybody else.
  Duration no_traffic_interval = Duration::Seconds(60);
  Duration no_traffic_healthy_interval = Duration::Seconds(60);
  // After a failure; after a failure, or a success, that does not change the verdict yet.
  Duration unhealthy_interval, unhealthy_edge_interval, healthy_edge_interval;
  bool reuse_connection = true;
  std::variant<HttpHealthCheck, TcpHealthCheck, GrpcHealthCheck> kind;
  bool operator==(const HealthCheck&) const = default;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_HEALTH_CHECK_H_
