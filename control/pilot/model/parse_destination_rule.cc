// Kind DestinationRule.
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

std::optional<uint32_t> Count(MapReader& map, const char* name, int64_t min, int64_t max) {
  const auto value = map.Int(name, min, max);
  return value ? std::optional<uint32_t>(static_cast<uint32_t>(*value)) : std::nullopt;
}

constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

// Exactly one of the four; of two, one would be ignored.
void ReadHashKey(MapReader& map, ConsistentHash* to) {
  to->header = map.StringOr("httpHeaderName", "");
  to->query_parameter = map.StringOr("httpQueryParameterName", "");
  to->source_ip = map.Bool("useSourceIp").value_or(false);
  map.In("httpCookie", [&](MapReader& cookie) {
    to->cookie = cookie.RequiredString("name");
    to->cookie_path = cookie.StringOr("path", "");
    to->cookie_ttl = cookie.Duration("ttl", absl::ZeroDuration());
    cookie.NotYet({"attributes"});
  });
  const int given =
      !to->header.empty() + !to->query_parameter.empty() + to->source_ip + map.Has("httpCookie");
  if (given != 1) {
    map.report().Add(map.path(),
                     "needs exactly one of httpHeaderName, httpCookie, useSourceIp, "
                     "httpQueryParameterName");
  }
}

Balancer ReadConsistentHash(MapReader& map, ConsistentHash* to) {
  constexpr int64_t kRingSizeMax = 8 * 1024 * 1024, kTableSizeMax = 5'000'011;
  ReadHashKey(map, to);
  Balancer out = Balancer::kRingHash;
  const auto ring_size = [&](MapReader& from) {
    if (const auto size = from.Int("minimumRingSize", 0, kRingSizeMax); size && *size > 0) {
      to->ring_size_min = *size;
    }
  };
  ring_size(map);  // its deprecated place
  map.In("ringHash", ring_size);
  map.In("maglev", [&](MapReader& maglev) {
    out = Balancer::kMaglev;
    if (const auto size = maglev.Int("tableSize", 3, kTableSizeMax)) to->table_size = *size;
  });
  if (map.Has("maglev") && (map.Has("ringHash") || map.Has("minimumRingSize"))) {
    map.Problem("maglev", "give only one of ringHash, maglev");
  }
  return out;
}

// Its deprecated name is read first: what both say, warmup says.
std::optional<Warmup> ReadWarmup(MapReader& map) {
  std::optional<Warmup> out;
  if (const auto duration = map.Duration("warmupDurationSecs", kMillisecond)) {
    out = Warmup{.duration = *duration};
  }
  map.In("warmup", [&](MapReader& from) {
    const auto duration = from.Duration("duration", kMillisecond);
    if (!duration && !from.Has("duration")) from.Problem("duration", "required");
    out = Warmup{.duration = duration.value_or(absl::ZeroDuration())};
    out->minimum_percent = from.Double("minimumPercent", 0, 100).value_or(10);
    // Istio's least: below it a new endpoint would have next to nothing until the very end.
    out->aggression = from.Double("aggression", 1, 1000).value_or(1);
  });
  return out;
}

Balancer ReadBalancer(MapReader& map, TrafficBlocks* to) {
  ConsistentHash* const hash = &to->hash;
  Balancer out = Balancer::kUnspecified;
  const auto simple = map.Enum("simple", {"UNSPECIFIED", "LEAST_REQUEST", "ROUND_ROBIN", "RANDOM",
                                          "PASSTHROUGH", "LEAST_CONN"});
  if (simple) {
    // LEAST_CONN is the deprecated name of LEAST_REQUEST.
    out = *simple == 5 ? Balancer::kLeastRequest : static_cast<Balancer>(*simple);
  }
  map.In("consistentHash", [&](MapReader& from) { out = ReadConsistentHash(from, hash); });
  if (simple && map.Has("consistentHash")) {
    map.Problem("consistentHash", "give only one of simple, consistentHash");
  }
  to->warmup = ReadWarmup(map);
  if (to->warmup && out != Balancer::kUnspecified && out != Balancer::kRoundRobin &&
      out != Balancer::kLeastRequest) {
    map.Problem(map.Has("warmup") ? "warmup" : "warmupDurationSecs",
                "has no effect but with ROUND_ROBIN and LEAST_REQUEST");
  }
  map.In("localityLbSetting", [&](MapReader& from) { to->locality = ReadLocalityLb(from); });
  return out;
}

ConnectionPool ReadPool(MapReader& map) {
  ConnectionPool out;
  map.In("tcp", [&](MapReader& tcp) {
    out.max_connections = Count(tcp, "maxConnections", 1, INT32_MAX);
    out.connect_timeout = tcp.Duration("connectTimeout", kMillisecond);
    out.tcp_idle_timeout = tcp.Duration("idleTimeout", absl::ZeroDuration());
    tcp.In("tcpKeepalive", [&](MapReader& keepalive) {
      TcpKeepalive k;
      k.probes = Count(keepalive, "probes", 1, INT32_MAX);
      k.time = keepalive.Duration("time", absl::Seconds(1));
      k.interval = keepalive.Duration("interval", absl::Seconds(1));
      out.keepalive = k;
    });
    tcp.NotYet({"maxConnectionDuration"});
  });
  map.In("http", [&](MapReader& http) {
    out.max_pending_requests = Count(http, "http1MaxPendingRequests", 1, INT32_MAX);
    out.max_requests = Count(http, "http2MaxRequests", 1, INT32_MAX);
    out.max_requests_per_connection = Count(http, "maxRequestsPerConnection", 0, INT32_MAX);
    out.max_retries = Count(http, "maxRetries", 0, INT32_MAX);
    out.http_idle_timeout = http.Duration("idleTimeout", absl::ZeroDuration());
    const auto upgrade = http.Enum("h2UpgradePolicy", {"DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"});
    if (upgrade) out.h2_upgrade = static_cast<H2Upgrade>(*upgrade);
    out.use_client_protocol = http.Bool("useClientProtocol").value_or(false);
    out.max_concurrent_streams = Count(http, "maxConcurrentStreams", 1, INT32_MAX);
    http.In("http2KeepAlive", [&](MapReader& keepalive) {
      const auto interval = keepalive.Duration("interval", kMillisecond);
      const auto timeout = keepalive.Duration("timeout", kMillisecond);
      for (const char* name : {"interval", "timeout"}) {
        if (!keepalive.Has(name)) keepalive.Problem(name, "required");
      }
      out.http2_keepalive =
          Http2Keepalive{interval.value_or(kMillisecond), timeout.value_or(kMillisecond)};
    });
  });
  return out;
}

OutlierDetection ReadOutlier(MapReader& map) {
  OutlierDetection out;
  out.consecutive_5xx = Count(map, "consecutive5xxErrors", 0, INT32_MAX);
  out.consecutive_gateway = Count(map, "consecutiveGatewayErrors", 0, INT32_MAX);
  out.consecutive_local_origin = Count(map, "consecutiveLocalOriginFailures", 0, INT32_MAX);
  out.split_local_origin = map.Bool("splitExternalLocalOriginErrors").value_or(false);
  out.interval = map.Duration("interval", kMillisecond);
  out.base_ejection_time = map.Duration("baseEjectionTime", kMillisecond);
  out.max_ejection_percent = Count(map, "maxEjectionPercent", 0, 100);
  out.min_health_percent = Count(map, "minHealthPercent", 0, 100).value_or(0);
  // Deprecated. As Istio reads it: gateway errors, and these alone, unless others are named too.
  if (const auto errors = Count(map, "consecutiveErrors", 0, INT32_MAX); errors.value_or(0) > 0) {
    if (!out.consecutive_gateway) out.consecutive_gateway = errors;
    if (!out.consecutive_5xx) out.consecutive_5xx = 0;
  }
  return out;
}

// What a mode does not use is a mistake, as in Istio: a SIMPLE rule with a client certificate would
// show none.
ClientTls ReadTls(MapReader& map) {
  ClientTls out;
  const auto mode = map.Enum("mode", {"DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"});
  if (mode) out.mode = static_cast<TlsMode>(*mode);
  out.client_certificate = map.StringOr("clientCertificate", "");
  out.private_key = map.StringOr("privateKey", "");
  out.ca_certificates = map.StringOr("caCertificates", "");
  out.subject_alt_names = map.StringList("subjectAltNames");
  out.sni = map.StringOr("sni", "");
  out.insecure_skip_verify = map.Bool("insecureSkipVerify").value_or(false);
  map.NotYet({"credentialName", "caCrl"});
  const struct {
    const char* name;
    const std::string& path;
  } kIdentity[] = {{"clientCertificate", out.client_certificate}, {"privateKey", out.private_key}};
  for (const auto& field : kIdentity) {
    if (out.mode == TlsMode::kMutual && field.path.empty()) {
      map.Problem(field.name, "required where the mode is MUTUAL");
    } else if (mode == 1 && !field.path.empty()) {
      map.Problem(field.name, "must not be set where the mode is SIMPLE");
    }
  }
  if (out.mode == TlsMode::kIstioMutual &&
      !(out.client_certificate + out.private_key + out.ca_certificates).empty()) {
    map.Problem("mode",
                "ISTIO_MUTUAL has the mesh's own certificates and trust: none may be named");
  }
  if (out.mode == TlsMode::kIstioMutual && out.insecure_skip_verify) {
    map.Problem("insecureSkipVerify", "contradicts ISTIO_MUTUAL");
  }
  if (out.insecure_skip_verify &&
      (!out.ca_certificates.empty() || !out.subject_alt_names.empty())) {
    map.Problem("insecureSkipVerify", "contradicts caCertificates and subjectAltNames");
  }
  return out;
}

TrafficBlocks ReadBlocks(MapReader& map) {
  TrafficBlocks out;
  if (map.In("loadBalancer", [&](MapReader& lb) { out.balancer = ReadBalancer(lb, &out); })) {
    out.balancer_path = map.Path("loadBalancer");
  }
  if (map.In("connectionPool", [&](MapReader& pool) { out.pool = ReadPool(pool); })) {
    out.pool_path = map.Path("connectionPool");
  }
  if (map.In("outlierDetection", [&](MapReader& o) { out.outlier = ReadOutlier(o); })) {
    out.outlier_path = map.Path("outlierDetection");
  }
  // Istio: without it nobody would ever go on to the next priority.
  const auto& locality = out.locality;
  if (!out.outlier && locality &&
      (!locality->failover.empty() || !locality->failover_priority.empty())) {
    map.Problem("outlierDetection", "required for failover by locality");
  }
  if (map.In("tls", [&](MapReader& tls) { out.tls = ReadTls(tls); })) {
    out.tls_path = map.Path("tls");
  }
  map.NotYet({"tunnel"});
  return out;
}

TrafficPolicy ReadPolicy(MapReader& map) {
  TrafficPolicy out;
  out.all = ReadBlocks(map);
  map.In("retryBudget", [&](MapReader& from) {
    RetryBudget& budget = out.all.retry_budget.emplace();
    budget.percent = from.Double("percent", 0, 100).value_or(budget.percent);
    budget.min_concurrency =
        Count(from, "minRetryConcurrency", 0, INT32_MAX).value_or(budget.min_concurrency);
  });
  map.In("proxyProtocol", [&](MapReader& from) {
    const bool v2 = from.Enum("version", {"V1", "V2"}).value_or(0) == 1;
    out.all.proxy_protocol = v2 ? ProxyVersion::kV2 : ProxyVersion::kV1;
  });
  map.Each("portLevelSettings", [&](MapReader& level) {
    uint32_t number = 0;
    level.In("port", [&](MapReader& port) { number = ReadPort(port, "number"); });
    if (number == 0) level.Problem("port.number", "required");
    if (!out.ports.emplace(number, ReadBlocks(level)).second) {
      level.Problem("port", absl::StrCat("port ", number, " is given twice"));
    }
  });
  return out;
}

void ReadSpec(MapReader& spec, DestinationRule* out) {
  out->host = spec.RequiredString("host");
  spec.In("trafficPolicy", [&](MapReader& policy) { out->policy = ReadPolicy(policy); });
  spec.Each("subsets", [&](MapReader& map) {
    Subset subset;
    subset.name = map.RequiredString("name");
    subset.labels = map.StringMap("labels");
    map.In("trafficPolicy", [&](MapReader& policy) { subset.policy = ReadPolicy(policy); });
    for (const Subset& other : out->subsets) {
      if (other.name == subset.name) map.Problem("name", "given twice");
    }
    // The name becomes part of a cluster name whose parts are separated by bars.
    if (subset.name.find('|') != std::string::npos) map.Problem("name", "must not contain |");
    out->subsets.push_back(std::move(subset));
  });
  int index = 0;
  for (const std::string& target : spec.StringList("exportTo")) {
    if (target != "*") {
      spec.report().Add(absl::StrCat(spec.Path("exportTo"), "[", index, "]"),
                        "not supported yet: only \"*\"");
    }
    ++index;
  }
  spec.NotYet({"workloadSelector"});
}

}  // namespace

void ParseDestinationRule(MapReader& root, const Meta& meta, Objects* objects) {
  DestinationRule out{.meta = meta};
  if (!root.In("spec", [&](MapReader& spec) { ReadSpec(spec, &out); })) {
    root.Problem("spec", "required");
  }
  root.Accept({"status"});
  objects->destination_rules.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
