// Neighbours: who has this address (RFC 826, RFC 4861 7.2, 7.3), and the packets that wait for the
// answer (RFC 1122 2.3.2: asked at most once a second, the latest packets are kept).
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr int kSolicitCount = 3;  // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
constexpr Duration kRetransmit = Duration::Seconds(1);
constexpr Duration kReachableTime = Duration::Seconds(30);  // times 0.5 to 1.5: RFC 4861 6.3.2
constexpr Duration kForget = Duration::Seconds(600);        // a stale neighbour nobody uses
constexpr Duration kFailureHold = Duration::Seconds(1);     // before it is asked for again

}  // namespace

// `packet` begins at its IP header and is ready to go; `next_hop` is on the port's link.
void Ip::Impl::Output(packet::Packet* packet, PortState& port, const IpAddr& next_hop,
                      PortId ingress, Instant now) {
  NeighbourEntry* neighbour = neighbours_.Find(port.id, next_hop);
  if (neighbour == nullptr) {
    bool evicted = false;
    neighbour = neighbours_.Create(port.id, next_hop, &evicted);
    counters.neighbour_evictions += evicted ? 1 : 0;
    if (neighbour == nullptr) return Drop(packet, &IpCounters::drop_neighbour_table_full);
    Solicit(*neighbour, now);
  }
  neighbour->used = now;
  switch (neighbour->state) {
    case NeighbourState::kReachable:
    case NeighbourState::kProbe:
      return Transmit(packet, port, neighbour->mac);
    case NeighbourState::kStale:
      neighbour->state = NeighbourState::kProbe;
      neighbour->probe_count = 0;
      Solicit(*neighbour, now);
      return Transmit(packet, port, neighbour->mac);
    case NeighbourState::kIncomplete:
      return QueuePending(*neighbour, packet, ingress);
    case NeighbourState::kFailed:
      return Drop(packet, &IpCounters::drop_neighbour_failed);
  }
}

// Full: the oldest goes, as the latest is the likeliest to be still wanted.
void Ip::Impl::QueuePending(NeighbourEntry& neighbour, packet::Packet* packet, PortId ingress) {
  auto& pending = neighbour.pending;
  if (neighbour.pending_count == pending.size()) {
    Drop(pending[0].packet, &IpCounters::drop_neighbour_queue_full);
    std::move(pending.begin() + 1, pending.end(), pending.begin());
    --neighbour.pending_count;
    --pending_packets;
  }
  pending[neighbour.pending_count++] = {packet, ingress};
  ++pending_packets;
}

void Ip::Impl::DropPending(NeighbourEntry& neighbour, Counter reason) {
  for (int i = 0; i < neighbour.pending_count; ++i) Drop(neighbour.pending[i].packet, reason);
  pending_packets -= neighbour.pending_count;
  neighbour.pending_count = 0;
}

void Ip::Impl::Solicit(NeighbourEntry& neighbour, Instant now) {
  PortState& port = *FindPort(neighbour.port);
  ++neighbour.probe_count;
  timers_->Schedule(&neighbour.timer, now + kRetransmit);
  if (neighbour.address.v4()) return SolicitArp(port, neighbour);
  SolicitNd(port, neighbour);
}

void Ip::Impl::SolicitArp(PortState& port, const NeighbourEntry& neighbour) {
  packet::Packet* packet = Originate();
  if (packet == nullptr) return;
  const IpAddr* own = OwnAddress(port, neighbour.address);
  const bool probe = neighbour.state == NeighbourState::kProbe;
  wire::ArpMessage{.operation = wire::kArpRequest,
                   .sender_mac = port.options.mac,
                   .sender_ip = own != nullptr ? *own : IpAddr::V4(uint32_t{0}),
                   .target_mac = {},
                   .target_ip = neighbour.address}
      .Emit(packet::Append(packet, wire::kArpBytes));
  ++counters.arp_requests_out;
  Transmit(packet, port, probe ? neighbour.mac : wire::kBroadcastMac);
}

void Ip::Impl::SolicitNd(PortState& port, const NeighbourEntry& neighbour) {
  packet::Packet* packet = Originate();
  if (packet == nullptr) return;
  const bool probe = neighbour.state == NeighbourState::kProbe;
  const IpAddr* own =
      neighbour.address.link_local() ? nullptr : OwnAddress(port, neighbour.address);
  const wire::NdMessage ns{.type = wire::kIcmpv6NeighbourSolicitation,
                           .target = neighbour.address,
                           .link_address = port.options.mac};
  uint8_t* p = packet::Append(packet, wire::kIpv6Bytes + wire::kNdBytes + wire::kNdLinkOptionBytes);
  const uint16_t bytes = ns.Emit(p + wire::kIpv6Bytes);
  const wire::Ipv6Header header{
      .payload_bytes = bytes,
      .next_header = wire::kProtoIcmpv6,
      .hop_limit = 255,
      .source = own != nullptr ? *own : port.link_local,
      .destination = probe ? neighbour.address : wire::SolicitedNode(neighbour.address)};
  header.Emit(p);
  const uint16_t pseudo =
      wire::PseudoHeaderSum(header.source, header.destination, wire::kProtoIcmpv6, bytes);
  const uint16_t sum = wire::SumAdd(wire::SumBytes(p + wire::kIpv6Bytes, bytes), pseudo);
  wire::Store16(p + wire::kIpv6Bytes + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
  ++counters.ns_out;
  Transmit(packet, port, probe ? neighbour.mac : wire::MulticastMac(header.destination));
}

void Ip::Impl::LearnMac(PortState& port, const IpAddr& address, const MacAddr& mac, bool confirmed,
                        Create create, Instant now) {
  NeighbourEntry* neighbour = neighbours_.Find(port.id, address);
  if (neighbour == nullptr) {
    if (create == Create::kNo) return;
    bool evicted = false;
    neighbour = neighbours_.Create(port.id, address, &evicted);
    counters.neighbour_evictions += evicted ? 1 : 0;
    if (neighbour == nullptr) return;
    neighbour->used = now;
  }
  const bool waiting = neighbour->state == NeighbourState::kIncomplete;
  const bool changed =
      waiting || neighbour->state == NeighbourState::kFailed || neighbour->mac != mac;
  neighbour->mac = mac;
  if (confirmed) {
    neighbour->state = NeighbourState::kReachable;
    const int64_t half = kReachableTime.nanos() / 2;
    const auto jitter = static_cast<int64_t>(prng_->Below(static_cast<uint64_t>(2 * half)));
    timers_->Schedule(&neighbour->timer, now + Duration::Nanos(half + jitter));
  } else if (changed) {
    neighbour->state = NeighbourState::kStale;
    timers_->Schedule(&neighbour->timer, now + kForget);
  }
  // Confirmations are told too: the answer to another worker's probe arrives here.
  if (changed || confirmed) Tell(port, address, mac);
  if (neighbour->pending_count > 0) Flush(*neighbour);
}

void Ip::Impl::Tell(const PortState& port, const IpAddr& address, const MacAddr& mac) {
  if (learned.size() < limits::kNeighbourUpdatesPerTurn) learned.push_back({port.id, address, mac});
}

void Ip::Impl::Flush(NeighbourEntry& neighbour) {
  PortState& port = *FindPort(neighbour.port);
  const int count = neighbour.pending_count;
  neighbour.pending_count = 0;
  pending_packets -= count;
  for (int i = 0; i < count; ++i) Transmit(neighbour.pending[i].packet, port, neighbour.mac);
}

// Another worker saw the answer. It is not told further.
void Ip::Impl::LearnNeighbour(const Neighbour& update, Instant now) {
  PortState* port = FindPort(update.port);
  if (port == nullptr) return;
  const size_t told = learned.size();
  LearnMac(*port, update.address, update.mac, /*confirmed=*/true, Create::kYes, now);
  learned.resize(told);
}

void Ip::Impl::FailNeighbour(NeighbourEntry& neighbour, Instant now) {
  ++counters.neighbour_failures;
  neighbour.state = NeighbourState::kFailed;
  const auto jitter =
      static_cast<int64_t>(prng_->Below(static_cast<uint64_t>(kFailureHold.nanos())));
  timers_->Schedule(&neighbour.timer, now + kFailureHold + Duration::Nanos(jitter));
  // Answering may make and forget neighbours, this one too: first take what waits.
  const auto pending = neighbour.pending;
  const int count = neighbour.pending_count;
  neighbour.pending_count = 0;
  pending_packets -= count;
  for (int i = 0; i < count; ++i) {
    Inbound in;
    PortState* ingress = FindPort(pending[i].ingress);
    if (ingress != nullptr && Describe(pending[i].packet, ingress, &in)) {
      SendError(in, {.type = wire::kIcmpUnreachable, .code = wire::kIcmpHostUnreachable},
                {.type = wire::kIcmpv6Unreachable, .code = wire::kIcmpv6AddressUnreachable}, now);
    }
    Drop(pending[i].packet, &IpCounters::drop_neighbour_failed);
  }
}

void Ip::Impl::OnTimer(Timer& timer, Instant now) {
  if (timer.kind == kReassemblyTimer) {
    Datagram* datagram = reassembly_.FromTimer(timer);
    if (datagram != nullptr) ExpireDatagram(*datagram, now);
    return;
  }
  NeighbourEntry* neighbour = neighbours_.FromTimer(timer);
  if (neighbour == nullptr) return;
  switch (neighbour->state) {
    case NeighbourState::kIncomplete:
      if (neighbour->probe_count < kSolicitCount) return Solicit(*neighbour, now);
      return FailNeighbour(*neighbour, now);
    case NeighbourState::kProbe:
      if (neighbour->probe_count < kSolicitCount) return Solicit(*neighbour, now);
      ++counters.neighbour_failures;
      return neighbours_.Erase(neighbour);
    case NeighbourState::kReachable:
      neighbour->state = NeighbourState::kStale;
      timers_->Schedule(&neighbour->timer, now + kForget);
      return;
    case NeighbourState::kStale:
    case NeighbourState::kFailed:
      return neighbours_.Erase(neighbour);
  }
}

// Tells the link which MAC the plane's addresses have now: gratuitous ARP (RFC 5227 3) and
// unsolicited NA (RFC 4861 7.2.6), so that pods that knew an earlier plane do not wait for their
// caches.
void Ip::Impl::Announce(PortState& port) {
  for (const IpAddr& own : port.options.own) {
    packet::Packet* packet = Originate();
    if (packet == nullptr) return;
    ++counters.announcements_out;
    if (own.v4()) {
      wire::ArpMessage{.operation = wire::kArpRequest,
                       .sender_mac = port.options.mac,
                       .sender_ip = own,
                       .target_mac = {},
                       .target_ip = own}
          .Emit(packet::Append(packet, wire::kArpBytes));
      Transmit(packet, port, wire::kBroadcastMac);
      continue;
    }
    const wire::NdMessage na{.type = wire::kIcmpv6NeighbourAdvertisement,
                             .flags = wire::kNaRouter | wire::kNaOverride,
                             .target = own,
                             .link_address = port.options.mac};
    uint8_t* p =
        packet::Append(packet, wire::kIpv6Bytes + wire::kNdBytes + wire::kNdLinkOptionBytes);
    const uint16_t bytes = na.Emit(p + wire::kIpv6Bytes);
    wire::Ipv6Header{.payload_bytes = bytes,
                     .next_header = wire::kProtoIcmpv6,
                     .hop_limit = 255,
                     .source = own,
                     .destination = wire::AllNodes()}
        .Emit(p);
    const uint16_t pseudo = wire::PseudoHeaderSum(own, wire::AllNodes(), wire::kProtoIcmpv6, bytes);
    const uint16_t sum = wire::SumAdd(wire::SumBytes(p + wire::kIpv6Bytes, bytes), pseudo);
    wire::Store16(p + wire::kIpv6Bytes + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
    Transmit(packet, port, wire::MulticastMac(wire::AllNodes()));
  }
}

}  // namespace meltemi::ip
