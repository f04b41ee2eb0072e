// UDP services: a client's datagram to a service goes on to an endpoint of its cluster, from an
// address and port of the plane's own, and the answers come back the same way. No NAT of the
// kernel's kind: client and endpoint each talk with the plane, as through Envoy's udp_proxy.
#include <algorithm>
#include <utility>

#include "dataplane/wire/transport.h"
#include "dataplane/worker/worker.h"
#include "l7/base/limits.h"

namespace meltemi::worker {
namespace {

bool IsHealthy(const config::Snapshot& snapshot, uint32_t cluster, const SockAddr& endpoint) {
  if (cluster == config::kNoIndex) return false;
  const std::vector<config::Endpoint>& all = snapshot.clusters[cluster].endpoints;
  return std::any_of(all.begin(), all.end(), [&](const config::Endpoint& e) {
    return e.address == endpoint && e.health != config::Health::kUnhealthy;
  });
}

}  // namespace

void Worker::UseUdpListeners() {
  absl::flat_hash_set<IpAddr> services;
  for (const config::UdpListener& listener : snapshot_->udp_listeners) {
    for (const SockAddr& address : listener.addresses) services.insert(address.ip);
  }
  ip_.SetUdpServices(std::move(services));
}

void Worker::TakeDatagrams(Instant now) {
  std::vector<ip::Segment>& datagrams = ip_.datagrams();
  for (const ip::Segment& datagram : datagrams) OnDatagram(datagram, now);
  datagrams.clear();
}

void Worker::OnDatagram(const ip::Segment& datagram, Instant now) {
  if (datagram.for_us) {
    udp::Session* session = udp_.FindReply(datagram.destination, datagram.source);
    if (session == nullptr) {
      ++udp_.counters().not_a_session;
      return ip_.Reject(datagram, now);
    }
    udp::ListenerStats& stats = udp_.stats(session->stats);
    ++stats.tx_datagrams;
    stats.tx_bytes += datagram.packet->pkt_len - wire::kUdpBytes;
    udp_.Touch(session, now);
    return ip_.Translate(datagram, session->service, session->client, now);
  }
  // Only pods may speak to services: from elsewhere such an address is just routed.
  const bool from_pod = datagram.port < ports_.entries().size() &&
                        ports_.entries()[datagram.port].attachment.ip.kind == ip::PortKind::kPod;
  // A worker that had a configuration first may hand over before this one has any.
  const uint32_t index =
      snapshot_ == nullptr ? config::kNoIndex : snapshot_->FindUdpListener(datagram.destination);
  if (!from_pod) return ip_.Forward(datagram, now);
  if (index == config::kNoIndex) return ip_.Reject(datagram, now);
  FromClient(datagram, snapshot_->udp_listeners[index], now);
}

void Worker::FromClient(const ip::Segment& datagram, const config::UdpListener& listener,
                        Instant now) {
  udp::Session* session = udp_.Find(datagram.source, datagram.destination);
  if (session != nullptr && session->snapshot != snapshot_->sequence) {
    if (StillServed(*session)) {
      session->snapshot = snapshot_->sequence;
    } else {
      ++udp_.counters().sessions_endpoint_gone;
      udp_.Close(session);
      session = nullptr;
    }
  }
  if (session == nullptr) session = OpenSession(datagram, listener, now);
  if (session == nullptr) return ip_.Reject(datagram, now);
  udp::ListenerStats& stats = udp_.stats(session->stats);
  ++stats.rx_datagrams;
  stats.rx_bytes += datagram.packet->pkt_len - wire::kUdpBytes;
  udp_.Touch(session, now);
  ip_.Translate(datagram, session->local, session->endpoint, now);
}

bool Worker::StillServed(const udp::Session& session) {
  const uint32_t index = snapshot_->FindUdpListener(session.service);
  return index != config::kNoIndex &&
         IsHealthy(*snapshot_, snapshot_->udp_listeners[index].cluster, session.endpoint);
}

// Null: the datagram has nowhere to go, and why was counted.
udp::Session* Worker::OpenSession(const ip::Segment& datagram, const config::UdpListener& listener,
                                  Instant now) {
  udp::UdpCounters& counters = udp_.counters();
  udp::SessionSpec spec{.client = datagram.source,
                        .service = datagram.destination,
                        .idle_timeout = listener.idle_timeout,
                        .stats = udp_.StatsOf(listener.stat_prefix),
                        .snapshot = snapshot_->sequence};
  const uint32_t cluster = listener.cluster == config::kNoIndex
                               ? config::kNoIndex
                               : snapshot_->clusters[listener.cluster].stable_id;
  const engine::Engine::Pick pick = engine_.PickEndpoint(cluster, now, &spec.endpoint);
  if (pick != engine::Engine::Pick::kOk) {
    ++(pick == engine::Engine::Pick::kNoCluster ? counters.no_cluster
                                                : counters.no_healthy_upstream);
    ++udp_.stats(spec.stats).sess_no_route;
    return nullptr;
  }
  const auto egress = ip_.Lookup(spec.endpoint.ip);
  if (!egress || egress->source.v4() != spec.endpoint.ip.v4()) {
    ++counters.no_route;
    ++udp_.stats(spec.stats).sess_no_route;
    return nullptr;
  }
  spec.local = {egress->source, 0};
  const auto in_use = [&] { return udp_.FindReply(spec.local, spec.endpoint) != nullptr; };
  if (!ChoosePort(&spec.local, spec.endpoint, in_use)) {
    ++counters.no_port;
    return nullptr;
  }
  return udp_.Open(spec, now);
}

// About a datagram sent to an endpoint, or to a client: who sent it through us is told.
void Worker::OnUdpError(const ip::IcmpError& error, Instant now) {
  if (udp::Session* session = udp_.FindReply(error.local, error.remote)) {
    ++udp_.counters().errors_passed_on;
    return ip_.TellSender(session->client, session->service, error, now);
  }
  if (udp::Session* session = udp_.Find(error.remote, error.local)) {
    ++udp_.counters().errors_passed_on;
    ip_.TellSender(session->endpoint, session->local, error, now);
  }
}

}  // namespace meltemi::worker
