// IPv6 ingress in the order of RFC 8200 3 and 4.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"

namespace meltemi::ip {
namespace {

// How much of a packet with extension headers is brought into one piece.
constexpr uint32_t kExtensionBytesMax = 1024;

bool Loopback(const IpAddr& a) {
  const auto& b = a.bytes();
  return b[15] == 1 && std::all_of(b.begin(), b.end() - 1, [](uint8_t x) { return x == 0; });
}

}  // namespace

void Ip::Impl::ReceiveV6(Inbound& in, Instant now, std::vector<Segment>* segments) {
  const uint8_t* p = packet::Pull(in.packet, wire::kIpv6Bytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_ip_truncated);
  const auto header = wire::Ipv6Header::Parse(p, wire::kIpv6Bytes);
  if (!header) return Drop(in.packet, &IpCounters::drop_ip_version);
  const uint32_t total_bytes = wire::kIpv6Bytes + uint32_t{header->payload_bytes};
  if (total_bytes > in.packet->pkt_len) return Drop(in.packet, &IpCounters::drop_ip_length);
  packet::TrimTo(in.packet, total_bytes);
  in.v4 = false;
  in.protocol = header->next_header;
  in.ecn = header->ecn;
  in.hop_limit = header->hop_limit;
  in.l3_bytes = wire::kIpv6Bytes;
  in.source = header->source;
  in.destination = header->destination;
  if (!AddressesV6(in)) return;

  const bool multicast = in.destination.multicast();
  const bool local = multicast || in.destination == in.port->link_local ||
                     routes_.Find(in.destination).kind == RouteEntry::Kind::kLocal;
  if (!ExtensionsV6(in, local, now)) return;
  if (multicast) return MulticastV6(in, now);
  if (in.link_group) return Drop(in.packet, &IpCounters::drop_link_broadcast);
  if (in.source.unspecified()) return Drop(in.packet, &IpCounters::drop_martian_source);
  if (!local && in.destination.link_local()) {
    return Drop(in.packet, &IpCounters::drop_link_local);
  }
  Dispatch(in, local, now, segments);
}

// False: the packet was dropped. "::" may stand as a source in Duplicate Address Detection only,
// which goes to a multicast address. IPv4-mapped addresses do not belong on a wire (RFC 4942 2.2),
// and above the wire layer they mean IPv4.
bool Ip::Impl::AddressesV6(Inbound& in) {
  Counter reason = nullptr;
  if (in.source.v4() || in.source.multicast() || Loopback(in.source)) {
    reason = &IpCounters::drop_martian_source;
  } else if (in.destination.v4() || in.destination.unspecified() || Loopback(in.destination)) {
    reason = &IpCounters::drop_martian_destination;
  } else if (!in.source.unspecified() && !SourceBelongs(in)) {
    reason = &IpCounters::drop_spoofed_source;
  }
  if (reason != nullptr) Drop(in.packet, reason);
  return reason == nullptr;
}

// Walks to the upper-layer header. False: the packet was dropped (and answered where RFC 8200
// asks).
bool Ip::Impl::ExtensionsV6(Inbound& in, bool local, Instant now) {
  using Result = wire::Ipv6Walk::Result;
  const auto reader = local ? wire::WalkFor::kDestination : wire::WalkFor::kRouter;
  wire::Ipv6Walk walk = wire::WalkIpv6(packet::Data(in.packet), in.packet->data_len, reader);
  if (walk.result == Result::kTruncated && in.packet->nb_segs > 1) {
    const auto n = static_cast<uint16_t>(std::min(in.packet->pkt_len, kExtensionBytesMax));
    const uint8_t* p = packet::Pull(in.packet, n);
    if (p != nullptr) walk = wire::WalkIpv6(p, n, reader);
  }
  in.protocol = walk.protocol;
  in.l3_bytes = walk.offset;
  in.protocol_name_at = walk.name_offset;
  switch (walk.result) {
    case Result::kUpperLayer:
      return true;
    case Result::kFragment:
      in.fragment = true;
      in.first_fragment = walk.fragment_offset == 0;
      return true;
    case Result::kBadOrder:
    case Result::kBadOption:
    case Result::kBadRouting:
      if (!walk.problem_silent) {
        SendError(in, {},
                  {.type = wire::kIcmpv6ParameterProblem,
                   .code = walk.problem_code,
                   .rest = walk.problem_offset,
                   .even_multicast = walk.problem_even_multicast},
                  now);
      }
      break;
    case Result::kTruncated:
    case Result::kTooMany:
      break;
  }
  Drop(in.packet, &IpCounters::drop_extension_header);
  return false;
}

// Only Neighbour Discovery is spoken to groups.
void Ip::Impl::MulticastV6(Inbound& in, Instant now) {
  const uint8_t* p = in.protocol == wire::kProtoIcmpv6 && !in.fragment &&
                             in.packet->pkt_len >= uint32_t{in.l3_bytes} + wire::kIcmpBytes
                         ? packet::Pull(in.packet, in.l3_bytes + wire::kIcmpBytes)
                         : nullptr;
  const uint8_t type = p == nullptr ? 0 : p[in.l3_bytes];
  if (type != wire::kIcmpv6NeighbourSolicitation && type != wire::kIcmpv6NeighbourAdvertisement) {
    return Drop(in.packet, &IpCounters::drop_multicast);
  }
  ReceiveNd(in, now);
}

}  // namespace meltemi::ip
