#include "l7/engine/stats.h"

#include <algorithm>
#include <type_traits>

#include "l7/base/text.h"
#include "l7/engine/impl.h"
#include "l7/telemetry/access_log.h"

namespace meltemi::engine {

using telemetry::Label;
using telemetry::Sample;

namespace {

// Of Key::kind.
constexpr uint8_t kInboundBit = 1, kTcpBit = 2;

}  // namespace

bool RequestStats::Count(const Request& request) {
  auto manager = std::find_if(managers_.begin(), managers_.end(), [&](const Manager& m) {
    return m.stat_prefix == request.stat_prefix;
  });
  if (manager == managers_.end()) {
    if (managers_.size() >= kSeriesCountMax) return false;
    managers_.push_back({.stat_prefix = std::string(request.stat_prefix)});
    manager = managers_.end() - 1;
  }
  ++manager->total;
  manager->shed += (request.flags & telemetry::kOverloadManager) != 0;
  ++manager->classes[std::min(request.status / 100, 5)];

  Series* const series = Find(request.pair, {.flags = request.flags, .status = request.status});
  if (series == nullptr) return false;
  const double ms = request.duration.seconds() * 1e3;
  ++series->count;
  series->milliseconds += ms;
  size_t bucket = 0;
  while (bucket < kDurationBuckets.size() && ms > kDurationBuckets[bucket]) ++bucket;
  ++series->buckets[bucket];
  return true;
}

bool RequestStats::Count(const Connection& connection) {
  Series* const series = Find(connection.pair, {.flags = connection.flags, .kind = kTcpBit});
  if (series == nullptr) return false;
  ++series->count;
  series->bytes_received += connection.bytes_received;
  series->bytes_sent += connection.bytes_sent;
  return true;
}

RequestStats::Series* RequestStats::Find(const Pair& pair, Key key) {
  key.source_principal = pair.source_principal.id;
  key.destination_principal = pair.destination_principal.id;
  key.security = pair.security;
  if (pair.inbound) key.kind |= kInboundBit;
  static_assert(std::has_unique_object_representations_v<Key>);
  key_.assign(reinterpret_cast<const char*>(&key), sizeof(key));
  key_.append(pair.source).push_back('|');
  key_.append(pair.cluster);
  const auto found = series_by_key_.find(key_);
  if (found != series_by_key_.end()) return &series_[found->second];
  if (series_.size() >= kSeriesCountMax) return nullptr;
  series_by_key_[key_] = static_cast<uint32_t>(series_.size());
  series_.push_back({.key = key,
                     .source = std::string(pair.source),
                     .cluster = std::string(pair.cluster),
                     .source_principal = std::string(pair.source_principal.text),
                     .destination_principal = std::string(pair.destination_principal.text)});
  return &series_.back();
}

namespace {

// "outbound|9080|v1|reviews.default.svc.cluster.local" -> its host; other names stay as they are.
std::string_view ServiceOf(std::string_view cluster) {
  const size_t bar = cluster.rfind('|');
  return bar == std::string_view::npos ? cluster : cluster.substr(bar + 1);
}

}  // namespace

// As Istio has them, but that the client's side knows how the connection is secured too.
std::string RequestStats::LabelsOf(const Series& series, bool by_server) {
  const std::string_view source = series.source;
  const size_t dot = source.rfind('.');
  const std::string_view workload = source.empty() ? "unknown" : source.substr(0, dot);
  const std::string_view ns =
      dot == std::string_view::npos ? std::string_view("unknown") : source.substr(dot + 1);
  const std::string_view service = series.cluster.empty() ? "unknown" : ServiceOf(series.cluster);
  const std::string_view name = service.substr(0, service.find('.'));
  std::string_view service_ns = "unknown";
  if (service.find(".svc.") != std::string_view::npos) {
    service_ns = service.substr(name.size() + 1);
    service_ns = service_ns.substr(0, service_ns.find('.'));
  }
  std::string flag_text;
  telemetry::AppendResponseFlags(series.key.flags, &flag_text);
  const bool tcp = (series.key.kind & kTcpBit) != 0;
  std::string labels =
      Cat(Label("reporter", by_server ? "destination" : "source"), ",",
          Label("source_workload", workload), ",", Label("source_workload_namespace", ns), ",",
          Label("source_principal", series.source_principal), ",",
          Label("destination_service", service), ",", Label("destination_service_name", name), ",",
          Label("destination_service_namespace", service_ns), ",",
          Label("destination_principal", series.destination_principal), ",",
          Label("request_protocol", tcp ? "tcp" : "http"), ",");
  if (!tcp) AppendTo(&labels, Label("response_code", Cat(series.key.status)), ",");
  AppendTo(&labels, Label("response_flags", flag_text), ",",
           Label("connection_security_policy",
                 series.key.security == Security::kNone ? "none" : "mutual_tls"));
  return labels;
}

void RequestStats::AppendSeries(const Series& series, const std::string& labels,
                                std::vector<Sample>* out) {
  const auto add = [&](std::string_view name, uint64_t value) {
    out->push_back(
        {std::string(name), labels, static_cast<double>(value), Sample::Kind::kCounter, {}});
  };
  if ((series.key.kind & kTcpBit) != 0) {
    add("istio_tcp_connections_opened_total", series.count);
    add("istio_tcp_connections_closed_total", series.count);
    add("istio_tcp_received_bytes_total", series.bytes_received);
    add("istio_tcp_sent_bytes_total", series.bytes_sent);
    return;
  }
  add("istio_requests_total", series.count);
  const std::string family = "istio_request_duration_milliseconds";
  uint64_t sum = 0;
  for (size_t i = 0; i <= kDurationBuckets.size(); ++i) {
    sum += series.buckets[i];
    const std::string bound = i < kDurationBuckets.size() ? Cat(kDurationBuckets[i]) : "+Inf";
    out->push_back({family + "_bucket", Cat(labels, ",", Label("le", bound)),
                    static_cast<double>(sum), Sample::Kind::kHistogram, family});
  }
  out->push_back({family + "_sum", labels, series.milliseconds, Sample::Kind::kHistogram, family});
  out->push_back({family + "_count", labels, static_cast<double>(series.count),
                  Sample::Kind::kHistogram, family});
}

void RequestStats::AppendSamples(std::vector<Sample>* out) const {
  for (const Manager& manager : managers_) {
    const std::string label = Label("envoy_http_conn_manager_prefix", manager.stat_prefix);
    out->push_back({"envoy_http_downstream_rq_total",
                    label,
                    static_cast<double>(manager.total),
                    Sample::Kind::kCounter,
                    {}});
    out->push_back({"envoy_http_downstream_rq_overload_close",
                    label,
                    static_cast<double>(manager.shed),
                    Sample::Kind::kCounter,
                    {}});
    for (size_t i = 1; i < manager.classes.size(); ++i) {
      out->push_back({"envoy_http_downstream_rq_xx",
                      Cat(Label("envoy_response_code_class", Cat(i)), ",", label),
                      static_cast<double>(manager.classes[i]),
                      Sample::Kind::kCounter,
                      {}});
    }
  }
  for (const Series& series : series_) {
    AppendSeries(series, LabelsOf(series, (series.key.kind & kInboundBit) != 0), out);
    // Between pods of one node there is no listener to report it: both sides are ours.
    if (series.key.security == Security::kSameNode)
      AppendSeries(series, LabelsOf(series, true), out);
  }
}

static void AppendCluster(const cluster::Cluster& cluster, std::vector<Sample>* out) {
  const std::string label = Label("envoy_cluster_name", cluster.settings().name);
  const cluster::ClusterStats& s = cluster.stats;
  const auto add = [&](std::string_view name, uint64_t value, Sample::Kind kind) {
    out->push_back({Cat("envoy_cluster_", name), label, static_cast<double>(value), kind, {}});
  };
  const struct {
    std::string_view name;
    uint64_t value;
  } counters[] = {
      {"upstream_rq_total", s.rq_total},
      {"upstream_rq_retry", s.rq_retry},
      {"upstream_rq_retry_success", s.rq_retry_success},
      {"upstream_rq_retry_overflow", s.rq_retry_overflow},
      {"upstream_rq_retry_limit_exceeded", s.rq_retry_limit_exceeded},
      {"upstream_rq_timeout", s.rq_timeout},
      {"upstream_rq_per_try_timeout", s.rq_per_try_timeout},
      {"upstream_rq_pending_total", s.rq_pending_total},
      {"upstream_rq_pending_overflow", s.rq_pending_overflow},
      {"upstream_rq_cancelled", s.rq_cancelled},
      {"upstream_rq_rx_reset", s.rq_rx_reset},
      {"upstream_rq_tx_reset", s.rq_tx_reset},
      {"upstream_cx_total", s.cx_total},
      {"upstream_cx_connect_fail", s.cx_connect_fail},
      {"upstream_cx_connect_timeout", s.cx_connect_timeout},
      {"upstream_cx_overflow", s.cx_overflow},
      {"upstream_cx_destroy_local", s.cx_destroy_local},
      {"upstream_cx_destroy_remote", s.cx_destroy_remote},
      {"upstream_cx_max_requests", s.cx_max_requests},
      {"upstream_cx_none_healthy", s.cx_none_healthy},
      {"upstream_cx_tx_bytes_total", s.cx_tx_bytes_total},
      {"upstream_cx_rx_bytes_total", s.cx_rx_bytes_total},
      {"lb_healthy_panic", s.lb_healthy_panic},
      {"membership_change", s.membership_change},
  };
  for (const auto& counter : counters) add(counter.name, counter.value, Sample::Kind::kCounter);
  for (size_t i = 1; i < std::size(s.rq_class); ++i) {
    out->push_back({"envoy_cluster_upstream_rq_xx",
                    Cat(Label("envoy_response_code_class", Cat(i)), ",", label),
                    static_cast<double>(s.rq_class[i]),
                    Sample::Kind::kCounter,
                    {}});
  }
  if (cluster.settings().tls.settings != config::kNoTls ||
      cluster.settings().mesh_tls.has_value()) {
    s.ssl.AppendSamples("envoy_cluster", label, out);
  }
  add("upstream_cx_active", cluster.cx_active.here(), Sample::Kind::kGauge);
  add("upstream_rq_active", cluster.rq_active.here(), Sample::Kind::kGauge);
  add("upstream_rq_pending_active", cluster.rq_pending.here(), Sample::Kind::kGauge);
  // 1: nothing more is let through. Unlike Envoy, only where there is a limit.
  const auto open = [&](std::string_view which, const cluster::BreakerCount& count) {
    if (!count.limited()) return;
    add(Cat("circuit_breakers_default_", which, "_open"), count.full(), Sample::Kind::kGaugeMax);
  };
  open("cx", cluster.cx_active);
  open("rq_pending", cluster.rq_pending);
  open("rq", cluster.rq_active);
  open("rq_retry", cluster.retries_active);
  add("membership_total", cluster.member_count(), Sample::Kind::kGaugeMax);
  add("membership_healthy", cluster.healthy_count(), Sample::Kind::kGaugeMax);
}

// Only where it is switched on, as in Envoy.
static void AppendOutlier(const cluster::Cluster& cluster, std::vector<Sample>* out) {
  if (!cluster.settings().outlier.has_value()) return;
  const std::string label = Label("envoy_cluster_name", cluster.settings().name);
  const auto add = [&](std::string_view name, uint64_t value, Sample::Kind kind) {
    out->push_back({Cat("envoy_cluster_outlier_detection_", name),
                    label,
                    static_cast<double>(value),
                    kind,
                    {}});
  };
  const cluster::OutlierStats& s = cluster.outlier_stats;
  constexpr std::string_view kStreakNames[] = {"consecutive_5xx", "consecutive_gateway_failure",
                                               "consecutive_local_origin_failure"};
  static_assert(std::size(kStreakNames) == cluster::kStreaks);
  for (size_t i = 0; i < std::size(kStreakNames); ++i) {
    add(Cat("ejections_detected_", kStreakNames[i]), s.detected[i], Sample::Kind::kCounter);
    add(Cat("ejections_enforced_", kStreakNames[i]), s.enforced[i], Sample::Kind::kCounter);
  }
  add("ejections_enforced_total", s.enforced_total, Sample::Kind::kCounter);
  add("ejections_overflow", s.overflow, Sample::Kind::kCounter);
  add("ejections_active", cluster.ejected_count(), Sample::Kind::kGaugeMax);
}

// At the one worker that checks.
static void AppendHealth(const cluster::Cluster& cluster, std::vector<Sample>* out) {
  if (!cluster.settings().health_check.has_value()) return;
  const std::string label = Label("envoy_cluster_name", cluster.settings().name);
  const cluster::HealthStats& s = cluster.health_stats;
  size_t passing = 0;
  for (size_t i = 0; i < cluster.member_count(); ++i) {
    passing += (cluster.hosts()[i]->flags & cluster::kFailedActiveCheck) == 0;
  }
  const auto add = [&](std::string_view name, uint64_t value, Sample::Kind kind) {
    out->push_back(
        {Cat("envoy_cluster_health_check_", name), label, static_cast<double>(value), kind, {}});
  };
  add("attempt", s.attempt, Sample::Kind::kCounter);
  add("success", s.success, Sample::Kind::kCounter);
  add("failure", s.failure, Sample::Kind::kCounter);
  add("network_failure", s.network_failure, Sample::Kind::kCounter);
  add("healthy", passing, Sample::Kind::kGauge);
}

void Engine::Impl::AppendSamples(std::vector<Sample>* out) const {
  for (const cluster::Cluster* cluster : clusters_.ordered()) {
    AppendCluster(*cluster, out);
    AppendOutlier(*cluster, out);
    if (options_.checks_health) AppendHealth(*cluster, out);
  }
  stats_.AppendSamples(out);
  rbac_stats_.AppendSamples(out);
  rate_limits_.AppendSamples(out);
  for (const auto& [address, stats] : listener_tls_) {
    stats.AppendSamples("envoy_listener", Label("envoy_listener_address", address), out);
  }
}

// Envoy's name of a listener in statistics is its address, with '_' for each ':'.
void Engine::Impl::CountDownstreamTls(uint32_t listener, const telemetry::TlsOutcome& outcome) {
  const auto& addresses = snapshot_->listeners[listener].addresses;
  if (addresses.empty()) return;
  std::string name = addresses.front().ToString();
  std::replace(name.begin(), name.end(), ':', '_');
  const auto known = listener_tls_.find(name);
  if (known != listener_tls_.end()) return known->second.Count(outcome);
  if (listener_tls_.size() < kSeriesCountMax) listener_tls_[name].Count(outcome);
}

void Engine::Impl::CountUpstreamTls(ConnId id, const telemetry::TlsOutcome& outcome) {
  const Conn* up = conns_.Find(id);
  if (up != nullptr && up->cluster != nullptr) up->cluster->stats.ssl.Count(outcome);
}

static std::string_view ConfiguredHealthText(config::Health health) {
  switch (health) {
    case config::Health::kHealthy:
      return "";
    case config::Health::kDegraded:
      return "/degraded_eds_health";
    case config::Health::kUnhealthy:
      return "/failed_eds_health";
    case config::Health::kDraining:
      return "/eds_draining";
  }
  return "";
}

// Envoy's order: active checks, outliers, then what discovery has said.
// Each reason with a slash in front, "healthy" when there is none.
static std::string HealthText(const cluster::Host& host) {
  const std::string_view configured = ConfiguredHealthText(host.health);
  const std::string text =
      Cat((host.flags & cluster::kFailedActiveCheck) != 0 ? "/failed_active_hc" : "",
          host.outlier.ejected ? "/failed_outlier_check" : "",
          (host.flags & cluster::kDegradedActiveCheck) != 0 ? "/degraded_active_hc" : "",
          configured, host.kept ? "/pending_dynamic_removal" : "");
  return text.empty() ? "healthy" : text;
}

// Envoy's /clusters text: cluster::address::name::value.
void Engine::Impl::AppendClusters(std::string* out) const {
  for (const cluster::Cluster* cluster : clusters_.ordered()) {
    const cluster::Cluster::Settings& s = cluster->settings();
    const config::CircuitBreaker& b = s.breaker;
    AppendTo(out, s.name, "::default_priority::max_connections::", b.connections_max, "\n");
    AppendTo(out, s.name, "::default_priority::max_pending_requests::", b.pending_max, "\n");
    AppendTo(out, s.name, "::default_priority::max_requests::", b.requests_max, "\n");
    AppendTo(out, s.name, "::default_priority::max_retries::", b.retries_max, "\n");
    for (const auto& host : cluster->hosts()) {
      const std::string head = Cat(s.name, "::", host->address.ToString(), "::");
      AppendTo(out, head, "cx_active::", host->cx_active, "\n");
      AppendTo(out, head, "cx_connect_fail::", host->stats.cx_connect_fail, "\n");
      AppendTo(out, head, "cx_total::", host->stats.cx_total, "\n");
      AppendTo(out, head, "rq_active::", host->rq_active, "\n");
      AppendTo(out, head, "rq_error::", host->stats.rq_error, "\n");
      AppendTo(out, head, "rq_success::", host->stats.rq_success, "\n");
      AppendTo(out, head, "rq_timeout::", host->stats.rq_timeout, "\n");
      AppendTo(out, head, "rq_total::", host->stats.rq_total, "\n");
      AppendTo(out, head, "health_flags::", HealthText(*host), "\n");
      AppendTo(out, head, "weight::", host->weight, "\n");
      AppendTo(out, head, "locality::", host->locality, "\n");
      AppendTo(out, head, "priority::", host->priority, "\n");
    }
  }
}

}  // namespace meltemi::engine
