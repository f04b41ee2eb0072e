// Access control: what the RBAC filters of a listener say of a request or an opaque connection. As
// Envoy's: filters in order, each with its dry run first; a denial is a 403, or ends the
// connection.
//
// To a pod of this node no listener is passed: what stands in front of its port
// (Snapshot::guarded) is asked here, with the address that the attempt goes to and the headers as
// they go there. Its rules see the client's identity as they would behind mutual TLS.
#include <optional>
#include <string>
#include <utility>

#include "l7/base/text.h"
#include "l7/engine/impl.h"
#include "l7/policy/rbac.h"
#include "l7/route/normalize.h"

namespace meltemi::engine {
namespace {

constexpr std::string_view kDeniedBody = "RBAC: access denied";

// What Prometheus takes as part of a name.
void AppendName(std::string_view text, std::string* out) {
  for (const char c : text) {
    const bool ok =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    out->push_back(ok ? c : '_');
  }
}

std::string_view WithoutDot(std::string_view prefix) {
  return prefix.substr(0, prefix.find_last_not_of('.') + 1);
}

// A certificate's names are believed when it was verified: then there is a principal.
policy::RbacPeer RbacPeerOf(const telemetry::PeerIdentity* peer) {
  if (peer == nullptr || peer->principal.empty()) return {};
  policy::RbacPeer to{.authenticated = true, .principal = peer->principal};
  if (peer->certificate != nullptr) to.names = peer->certificate->uris;
  return to;
}

}  // namespace

// Whose names are "envoy_<first>allowed" and so on, with the labels `second`.
RbacStats::Counts* RbacStats::Of(const config::Rbac& rbac, std::string_view http_prefix) {
  const auto known = by_filter_.find(&rbac);
  if (known != by_filter_.end()) return known->second;
  const bool http = rbac.stat_prefix.empty();
  std::string family = http ? "envoy_http_rbac_" : "envoy_";
  if (!http) {
    AppendName(WithoutDot(rbac.stat_prefix), &family);
    family += "_rbac_";
  }
  Key key{family, "", http ? telemetry::Label("envoy_http_conn_manager_prefix", http_prefix) : ""};
  key.shadow = key.rules;
  AppendName(rbac.rules_prefix, &key.rules);
  AppendName(rbac.shadow_prefix, &key.shadow);
  if (counts_.size() >= kSeriesCountMax && !counts_.contains(key)) key = Key{};  // all others
  return by_filter_[&rbac] = &counts_[key];
}

void RbacStats::AppendSamples(std::vector<telemetry::Sample>* out) const {
  for (const auto& [key, counts] : counts_) {
    if (key.rules.empty()) continue;
    const auto add = [&, &labels = key.labels](std::string name, uint64_t value) {
      out->push_back({std::move(name),
                      labels,
                      static_cast<double>(value),
                      telemetry::Sample::Kind::kCounter,
                      {}});
    };
    add(key.rules + "allowed", counts.allowed);
    add(key.rules + "denied", counts.denied);
    add(key.shadow + "shadow_allowed", counts.shadow_allowed);
    add(key.shadow + "shadow_denied", counts.shadow_denied);
  }
}

// False: denied, and the reason is in `text_`.
bool Engine::Impl::Permits(const std::vector<config::Rbac>& filters, std::string_view http_prefix,
                           const policy::RbacRequest& request, Asked asked) {
  for (const config::Rbac& rbac : filters) {
    RbacStats::Counts* const counts = rbac_stats_.Of(rbac, http_prefix);
    if (rbac.shadow_rules.has_value() && asked == Asked::kFirst) {
      const auto* matched = policy::FindPolicy(*rbac.shadow_rules, request);
      ++(policy::Allows(rbac.shadow_rules->action, matched) ? counts->shadow_allowed
                                                            : counts->shadow_denied);
    }
    if (!rbac.rules.has_value()) continue;
    const auto* matched = policy::FindPolicy(*rbac.rules, request);
    if (policy::Allows(rbac.rules->action, matched)) {
      counts->allowed += asked == Asked::kFirst;
      continue;
    }
    ++counts->denied;
    text_.clear();
    policy::AppendDenialDetails(matched, &text_);
    return false;
  }
  return true;
}

void Engine::Impl::Deny(Exchange& x, Instant now) {
  Reply(x,
        {.status = 403, .body = kDeniedBody, .details = text_, .flags = telemetry::kUnauthorized},
        now);
}

// True: it was denied and has been answered.
bool Engine::Impl::DenyHttp(Exchange& x, const config::Listener& listener,
                            const telemetry::PeerIdentity* peer, const SockAddr& local,
                            std::string_view sni, Instant now) {
  std::string joined;
  const auto lookup = [&](std::string_view name) { return HeaderOf(x, name, &joined); };
  const route::RequestView view = ViewOf(x, lookup);
  const Conn& down = CarrierOf(conns_[x.down]);
  policy::RbacRequest request{.http = &view,
                              .peer = RbacPeerOf(peer),
                              .local = local,
                              .direct_remote = down.remote.ip,
                              .sni = sni};
  bool permitted = true;
  if (const auto* manager = std::get_if<config::HttpManager>(&listener.filter)) {
    request.forwarded = !manager->use_remote_address;
    permitted = Permits(manager->rbac, manager->stat_prefix, request);
  } else {
    request.http = nullptr;
    permitted = Permits(std::get<config::TcpProxy>(listener.filter).rbac, "", request);
  }
  if (!permitted) Deny(x, now);
  return !permitted;
}

bool Engine::Impl::DenyRequest(Exchange& x, Instant now) {
  const Conn& down = CarrierOf(conns_[x.down]);
  return DenyHttp(x, x.snapshot->listeners[x.listener], PeerOf(down), down.local, SniOf(down), now);
}

const config::Listener* Engine::Impl::GuardOf(const Conn& down, const config::Snapshot& snapshot,
                                              const SockAddr& address) {
  const uint32_t guard = snapshot.FindGuard(address);
  if (guard == config::kNoIndex) return nullptr;
  // Who has come in by a listener has been asked there.
  if (down.snapshot->listeners[down.listener].direction == config::Direction::kInbound) {
    return nullptr;
  }
  return &snapshot.listeners[guard];
}

std::string_view Engine::Impl::SniOf(const Conn& down) {
  return down.sni == nullptr ? std::string_view() : std::string_view(*down.sni);
}

// Whom TLS to the host would ask for.
std::string_view Engine::Impl::SniTo(const config::Snapshot& snapshot,
                                     const cluster::Cluster& cluster, const cluster::Host& host) {
  const config::TlsSettings* settings = snapshot.FindTls(cluster.TlsOf(host).settings);
  return settings == nullptr ? std::string_view() : std::string_view(settings->sni);
}

bool Engine::Impl::DenyAttempt(Exchange& x, const cluster::Host& host, Instant now) {
  const config::Listener* const guard = GuardOf(conns_[x.down], *x.snapshot, host.address);
  if (guard == nullptr) return false;
  const auto* manager = std::get_if<config::HttpManager>(&guard->filter);
  if (manager != nullptr && manager->normalize_path) {
    std::string normal;
    if (!route::NormalizePath(x.path, &normal)) {
      Reply(x,
            {.status = 400,
             .details = "path_normalization_failed",
             .flags = telemetry::kDownstreamProtocolError},
            now);
      return true;
    }
    // What was asked about is what goes there.
    if (normal != x.path) x.path = x.head.headers.Keep(normal);
    if (x.path.data() == nullptr) {
      ++counters_.buffers_exhausted;
      Reply(x, {.status = 503, .details = "overload", .flags = telemetry::kOverloadManager}, now);
      return true;
    }
  }
  return DenyHttp(x, *guard, SourceOf(CarrierOf(conns_[x.down])), host.address,
                  SniTo(*x.snapshot, *x.cluster, host), now);
}

// False: the connection has been ended.
bool Engine::Impl::PermitTcp(Conn& down, const std::vector<config::Rbac>& filters,
                             const telemetry::PeerIdentity* peer, const SockAddr& local,
                             std::string_view sni, Asked asked, Instant now) {
  if (Permits(
          filters, "",
          {.peer = RbacPeerOf(peer), .local = local, .direct_remote = down.remote.ip, .sni = sni},
          asked)) {
    return true;
  }
  FailTcp(down, telemetry::kUnauthorized, text_, now);
  return false;
}

bool Engine::Impl::PermitTcpAttempt(Conn& down, const cluster::Cluster& cluster,
                                    const cluster::Host& host, Asked asked, Instant now) {
  const config::Listener* const guard = GuardOf(down, *down.snapshot, host.address);
  if (guard == nullptr) return true;
  if (const auto* proxy = std::get_if<config::TcpProxy>(&guard->filter)) {
    return PermitTcp(down, proxy->rbac, SourceOf(down), host.address,
                     SniTo(*down.snapshot, cluster, host), asked, now);
  }
  // Its rules are of HTTP, and nobody here reads this as HTTP.
  FailTcp(down, telemetry::kUnauthorized, "rbac_access_denied_opaque_to_http", now);
  return false;
}

}  // namespace meltemi::engine
