#include "dataplane/ip/ip.h"

#include <algorithm>

#include "dataplane/ip/ip_impl.h"

namespace meltemi::ip {

Ip::Impl::Impl(packet::PacketPool* pool, TimerWheel* timers, Prng* prng)
    : pool_(pool), timers_(timers), prng_(prng), neighbour_timer_(TimerOwner::kIp, 0) {
  ipv4_id_ = static_cast<uint16_t>(prng->Next());
}

Ip::Impl::~Impl() {
  timers_->Cancel(&neighbour_timer_);
  for (PortState& port : ports_) {
    for (packet::Packet* p : port.tx) pool_->Free(p);
  }
  for (auto& [key, entry] : neighbours_) {
    for (packet::Packet* p : entry.waiting) pool_->Free(p);
  }
}

Ip::Ip(packet::PacketPool* pool, TimerWheel* timers, Prng* prng)
    : impl_(std::make_unique<Impl>(pool, timers, prng)) {}
Ip::~Ip() = default;

void Ip::AddPort(PortId port, const PortOptions& options) {
  if (port >= impl_->ports_.size()) impl_->ports_.resize(port + 1);
  Impl::PortState& state = impl_->ports_[port];
  CHECK(!state.present);
  state.present = true;
  state.options = options;
  state.link_local = wire::LinkLocalAddress(options.mac);
  impl_->RebuildOwn();
}

void Ip::RemovePort(PortId port) {
  Impl::PortState* state = impl_->Port(port);
  if (state == nullptr) return;
  for (packet::Packet* p : state->tx) impl_->pool_->Free(p);
  state->tx.clear();
  state->present = false;
  for (auto& [key, entry] : impl_->neighbours_) {
    if (key.port != port) continue;
    for (packet::Packet* p : entry.waiting) impl_->pool_->Free(p);
    entry.waiting.clear();
  }
  absl::erase_if(impl_->neighbours_, [port](const auto& e) { return e.first.port == port; });
  impl_->RebuildOwn();
}

void Ip::Impl::RebuildOwn() {
  own_.clear();
  for (PortId id = 0; id < ports_.size(); ++id) {
    if (!ports_[id].present) continue;
    for (const IpAddr& a : ports_[id].options.own) own_.emplace(a, id);
    own_.emplace(ports_[id].link_local, id);
  }
  cache_.fill({});
}

void Ip::SetRoutes(std::vector<ip::Route> routes) {
  impl_->routes_.Set(routes);
  impl_->cache_.fill({});
}

void Ip::Receive(std::span<const RxPacket> packets, Instant now, std::vector<Segment>* segments) {
  for (const RxPacket& rx : packets) impl_->ReceiveOne(rx, now, segments);
}

const ip::Route* Ip::Impl::FindRoute(const IpAddr& destination) const {
  Cached& slot = cache_[absl::Hash<IpAddr>()(destination) % cache_.size()];
  if (slot.route != nullptr && slot.destination == destination) return slot.route;
  const ip::Route* route = routes_.Find(destination);
  slot = {destination, route};
  return route;
}

// The plane's address on a port, of the family of `towards`; link-local only towards link-local.
const IpAddr* Ip::Impl::SourceOn(PortId id, const IpAddr& towards) const {
  const PortState* port = Port(id);
  if (port == nullptr) return nullptr;
  if (!towards.v4() && towards.link_local()) return &port->link_local;
  for (const IpAddr& a : port->options.own) {
    if (a.v4() == towards.v4()) return &a;
  }
  return nullptr;
}

std::optional<Egress> Ip::Lookup(const IpAddr& destination) const {
  const ip::Route* route = impl_->FindRoute(destination);
  if (route == nullptr) return std::nullopt;
  const Impl::PortState* port = impl_->Port(route->port);
  const IpAddr* source = impl_->SourceOn(route->port, destination);
  if (port == nullptr || source == nullptr) return std::nullopt;
  return Egress{.port = route->port,
                .source = *source,
                .mtu = port->options.mtu,
                .super_frame_bytes_max =
                    port->options.tx_segmentation ? port->options.super_frame_bytes_max : 0};
}

void Ip::OnTimer(Timer& timer, Instant now) {
  (void)timer;
  impl_->OnNeighbourTimer(now);
}

void Ip::LearnNeighbour(const Neighbour& n, Instant now) {
  impl_->Learn(n.port, n.address, n.mac, now);
  impl_->learned_.clear();  // it came from a peer: not told again
}

std::vector<Neighbour>& Ip::learned() { return impl_->learned_; }
std::vector<IcmpError>& Ip::icmp_errors() { return impl_->icmp_errors_; }
const IpCounters& Ip::counters() const { return impl_->counters_; }

std::vector<packet::Packet*>& Ip::tx(PortId port) {
  if (port >= impl_->ports_.size()) impl_->ports_.resize(port + 1);
  return impl_->ports_[port].tx;
}

}  // namespace meltemi::ip
