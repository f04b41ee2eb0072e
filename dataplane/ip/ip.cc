#include "dataplane/ip/ip.h"

#include <algorithm>
#include <utility>

#include "dataplane/ip/impl.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::ip {

Ip::Impl::Impl(packet::PacketPool* pool, TimerWheel* timers, Prng* prng)
    : pool_(pool),
      timers_(timers),
      prng_(prng),
      neighbours_(timers),
      reassembly_(timers),
      ipv4_id_(static_cast<uint16_t>(prng->Next())),
      flow_seed_(static_cast<uint32_t>(prng->Next())),
      error_tokens_(limits::kIcmpErrorsPerSecond) {
  icmp_errors.reserve(limits::kIcmpErrorsToldPerTurn);
  learned.reserve(limits::kNeighbourUpdatesPerTurn);
}

Ip::Impl::~Impl() {
  for (const auto& port : ports_) {
    if (port != nullptr) RemovePort(port->id);
  }
}

PortState* Ip::Impl::FindPort(PortId id) { return id < ports_.size() ? ports_[id].get() : nullptr; }

void Ip::Impl::Drop(packet::Packet* packet, Counter reason) {
  ++(counters.*reason);
  pool_->Free(packet);
}

void Ip::Impl::Consume(packet::Packet* packet) {
  ++counters.consumed;
  pool_->Free(packet);
}

packet::Packet* Ip::Impl::Originate() {
  packet::Packet* packet = pool_->Alloc();
  if (packet != nullptr) ++counters.originated;
  return packet;
}

void Ip::Impl::AddPort(PortId id, const PortOptions& options) {
  CHECK(id < limits::kPortCountMax);
  CHECK(options.own.size() <= limits::kPortAddressCountMax);
  CHECK(options.pod_addresses.size() <= limits::kPortAddressCountMax);
  RemovePort(id);
  if (ports_.size() <= id) ports_.resize(id + 1);
  ports_[id] = std::make_unique<PortState>(PortState{
      .id = id, .options = options, .link_local = wire::LinkLocalAddress(options.mac), .tx = {}});
  ports_[id]->tx.reserve(limits::kPortTxQueuePackets);
  RebuildRoutes();
  Announce(*ports_[id]);
}

void Ip::Impl::RemovePort(PortId id) {
  PortState* port = FindPort(id);
  if (port == nullptr) return;
  for (NeighbourEntry* neighbour : neighbours_.OfPort(id)) {
    DropPending(*neighbour, &IpCounters::drop_port_gone);
    neighbours_.Erase(neighbour);
  }
  for (Datagram* datagram : reassembly_.OfPort(id)) {
    ForgetDatagram(*datagram, &IpCounters::drop_port_gone);
  }
  // These were counted as transmitted; the port took them with it.
  for (packet::Packet* packet : port->tx) pool_->Free(packet);
  ports_[id] = nullptr;
  RebuildRoutes();
}

void Ip::Impl::SetRoutes(std::vector<Route> routes) {
  CHECK(routes.size() <= limits::kRouteCountMax);
  configured_routes_ = std::move(routes);
  RebuildRoutes();
}

// In order of precedence for equal prefixes, the weakest first: connected subnets, configured
// routes, pod addresses, broadcast addresses, the plane's own addresses.
void Ip::Impl::RebuildRoutes() {
  using Kind = RouteEntry::Kind;
  routes_.Clear();
  for (const auto& port : ports_) {
    if (port == nullptr) continue;
    // The pods of a subnet sit on separate ports, reached by host routes; the rest of it is
    // nowhere.
    const bool pod = port->options.kind == PortKind::kPod;
    for (const IpPrefix& prefix : port->options.addresses) {
      routes_.Add(prefix, {.kind = pod ? Kind::kUnreachable : Kind::kForward, .port = port->id});
    }
  }
  for (const Route& route : configured_routes_) {
    if (FindPort(route.port) == nullptr) continue;
    routes_.Add(route.prefix, {.kind = Kind::kForward,
                               .has_via = route.via.has_value(),
                               .port = route.port,
                               .via = route.via.value_or(IpAddr())});
  }
  for (const auto& port : ports_) {
    if (port == nullptr) continue;
    for (const IpAddr& pod : port->options.pod_addresses) {
      routes_.Add({pod, static_cast<uint8_t>(pod.v4() ? 32 : 128)},
                  {.kind = Kind::kForward, .port = port->id});
    }
    for (const IpPrefix& prefix : port->options.addresses) {
      if (!prefix.address.v4() || prefix.bits == 0 || prefix.bits > 30) continue;
      const uint32_t host_bits = ~uint32_t{0} >> prefix.bits;
      routes_.Add({IpAddr::V4(prefix.address.v4_host_order() | host_bits), 32},
                  {.kind = Kind::kBroadcast});
    }
  }
  for (const auto& port : ports_) {
    if (port == nullptr) continue;
    for (const IpAddr& own : port->options.own) {
      routes_.Add({own, static_cast<uint8_t>(own.v4() ? 32 : 128)}, {.kind = Kind::kLocal});
    }
  }
}

bool Ip::Impl::Own(const PortState& port, const IpAddr& address) const {
  const auto& own = port.options.own;
  return address == port.link_local || std::find(own.begin(), own.end(), address) != own.end();
}

bool Ip::Impl::OnLink(const PortState& port, const IpAddr& address) const {
  const auto& prefixes = port.options.addresses;
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const IpPrefix& prefix) { return prefix.Contains(address); });
}

Ip::Impl::Answers Ip::Impl::AnswersFor(const PortState& port, const IpAddr& target) {
  if (Own(port, target)) return Answers::kOwn;
  if (!OnLink(port, target)) return Answers::kNo;
  const RouteEntry& route = routes_.Find(target);
  const bool elsewhere = (route.kind == RouteEntry::Kind::kForward && route.port != port.id) ||
                         route.kind == RouteEntry::Kind::kLocal;
  return elsewhere ? Answers::kProxy : Answers::kNo;
}

// The port's own address to speak to `towards` with: of the same subnet if there is one.
const IpAddr* Ip::Impl::OwnAddress(const PortState& port, const IpAddr& towards) const {
  const IpAddr* any = nullptr;
  for (const IpAddr& own : port.options.own) {
    if (own.v4() != towards.v4() || own.link_local()) continue;
    for (const IpPrefix& prefix : port.options.addresses) {
      if (prefix.Contains(own) && prefix.Contains(towards)) return &own;
    }
    if (any == nullptr) any = &own;
  }
  return any;
}

std::optional<Egress> Ip::Impl::Lookup(const IpAddr& destination) const {
  const RouteEntry& route = routes_.Find(destination);
  if (route.kind != RouteEntry::Kind::kForward) return std::nullopt;
  const PortState& port = *FindPort(route.port);
  const IpAddr* source = OwnAddress(port, route.has_via ? route.via : destination);
  if (source == nullptr || source->v4() != destination.v4()) return std::nullopt;
  const PortOptions& o = port.options;
  const bool offload = o.tx_segmentation && o.super_frame_bytes_max > wire::kEthernetBytes;
  return Egress{
      .port = port.id,
      .source = *source,
      .mtu = o.mtu,
      .super_frame_bytes_max =
          offload ? std::min<uint32_t>(o.super_frame_bytes_max - wire::kEthernetBytes, 65'535) : 0};
}

Ip::Ip(packet::PacketPool* pool, TimerWheel* timers, Prng* prng)
    : impl_(std::make_unique<Impl>(pool, timers, prng)) {}
Ip::~Ip() = default;

void Ip::AddPort(PortId port, const PortOptions& options) { impl_->AddPort(port, options); }
void Ip::RemovePort(PortId port) { impl_->RemovePort(port); }
void Ip::SetRoutes(std::vector<Route> routes) { impl_->SetRoutes(std::move(routes)); }

void Ip::Receive(std::span<const RxPacket> packets, Instant now, std::vector<Segment>* segments) {
  for (const RxPacket& rx : packets) impl_->Receive(rx, now, segments);
}
void Ip::Forward(Segment segment, Instant now) { impl_->Forward(segment, now); }

std::optional<Egress> Ip::Lookup(const IpAddr& destination) const {
  return impl_->Lookup(destination);
}
void Ip::SendTcp(packet::Packet* packet, const IpAddr& source, const IpAddr& destination,
                 uint8_t ecn, Instant now) {
  impl_->SendTcp(packet, source, destination, ecn, now);
}
void Ip::OnTimer(Timer& timer, Instant now) { impl_->OnTimer(timer, now); }

std::vector<packet::Packet*>& Ip::tx(PortId port) {
  PortState* state = impl_->FindPort(port);
  return state == nullptr ? impl_->no_tx : state->tx;
}
std::vector<IcmpError>& Ip::icmp_errors() { return impl_->icmp_errors; }
std::vector<Neighbour>& Ip::learned() { return impl_->learned; }
void Ip::LearnNeighbour(const Neighbour& update, Instant now) {
  impl_->LearnNeighbour(update, now);
}
void Ip::SetUdpServices(absl::flat_hash_set<IpAddr> services) {
  impl_->udp_services = std::move(services);
}
std::vector<Segment>& Ip::datagrams() { return impl_->datagrams; }
void Ip::Translate(const Segment& datagram, const SockAddr& source, const SockAddr& destination,
                   Instant now) {
  impl_->Translate(datagram, source, destination, now);
}
void Ip::Reject(const Segment& datagram, Instant now) { impl_->Reject(datagram, now); }
void Ip::TellSender(const SockAddr& sender, const SockAddr& destination, const IcmpError& error,
                    Instant now) {
  impl_->TellSender(sender, destination, error, now);
}
const IpCounters& Ip::counters() const { return impl_->counters; }
uint32_t Ip::pending_packets() const { return impl_->pending_packets; }
uint32_t Ip::neighbour_count() const { return impl_->neighbour_count(); }
uint32_t Ip::held_fragments() const { return impl_->reassembly().fragment_count(); }
uint32_t Ip::held_datagrams() const { return impl_->reassembly().datagram_count(); }
uint32_t Ip::reassembly_bytes() const { return impl_->reassembly().charged_bytes(); }

}  // namespace meltemi::ip
