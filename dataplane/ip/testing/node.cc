#include "dataplane/ip/testing/node.h"

#include <algorithm>

namespace meltemi::ip {
namespace {

const uint8_t* Bytes(std::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

bool IsDiscovery(std::string_view frame) {
  const auto ethernet = *wire::EthernetHeader::Parse(Bytes(frame), frame.size());
  if (ethernet.type == wire::kEtherArp) return true;
  if (ethernet.type != wire::kEtherIpv6) return false;
  const uint8_t* ip = Bytes(frame) + wire::kEthernetBytes;
  return ip[6] == wire::kProtoIcmpv6 && (ip[40] == wire::kIcmpv6NeighbourSolicitation ||
                                         ip[40] == wire::kIcmpv6NeighbourAdvertisement);
}

}  // namespace

TestNode::TestNode(const NodeOptions& options_in)
    : options(options_in),
      pool(options_in.segment_count_max),
      timers(now),
      ip(&pool, &timers, &prng) {
  for (const PortId port : {kPodA, kPodB, kUplink}) ip.AddPort(port, PortOptionsOf(port));
  ip.SetRoutes({
      {.prefix = *IpPrefix::Parse("10.2.0.0/24"), .port = kUplink, .via = Addr("172.16.0.2")},
      {.prefix = *IpPrefix::Parse("fd00:2::/64"), .port = kUplink, .via = Addr("fd00:f::2")},
  });
  for (const PortId port : {kPodA, kPodB, kUplink}) Take(port);  // announcements
}

TestNode::~TestNode() { FreeSegments(); }

PortOptions TestNode::PortOptionsOf(PortId port) const {
  PortOptions o;
  o.mac = PlaneMac(port);
  o.tx_checksum = options.offload;
  o.tx_segmentation = options.offload;
  o.super_frame_bytes_max = options.offload ? 65'549 : 0;
  o.segment_bytes_min = options.segment_bytes_min;
  if (port == kUplink) {
    o.kind = PortKind::kUplink;
    o.mtu = options.uplink_mtu;
    o.addresses = {*IpPrefix::Parse("172.16.0.0/24"), *IpPrefix::Parse("fd00:f::/64")};
    o.own = {Addr("172.16.0.1"), Addr("fd00:f::1")};
    return o;
  }
  o.kind = PortKind::kPod;
  o.addresses = {*IpPrefix::Parse("10.1.0.0/24"), *IpPrefix::Parse("fd00:1::/64")};
  o.own = {Addr("10.1.0.1"), Addr("fd00:1::1")};
  o.pod_addresses = port == kPodA ? std::vector{Addr("10.1.0.11"), Addr("fd00:1::11")}
                                  : std::vector{Addr("10.1.0.12"), Addr("fd00:1::12")};
  return o;
}

void TestNode::Send(PortId port, std::string_view packet) { Send(port, packet, PlaneMac(port)); }

void TestNode::Send(PortId port, std::string_view packet, const MacAddr& to) {
  SendFrame(port, wire::Ethernet({.destination = to, .source = PeerMac(port)}, packet));
}

void TestNode::SendFrame(PortId port, std::string_view frame) {
  SendPacket(port, wire::ToPacket(&pool, frame));
}

void TestNode::SendPacket(PortId port, packet::Packet* packet) {
  const RxPacket rx[] = {{packet, port}};
  ip.Receive(rx, now, &segments);
}

std::vector<packet::Packet*> TestNode::TakePackets(PortId port) {
  std::vector<packet::Packet*> packets = ip.tx(port);
  ip.tx(port).clear();
  return packets;
}

std::vector<std::string> TestNode::Take(PortId port) {
  std::vector<std::string> frames;
  for (packet::Packet* p : TakePackets(port)) {
    frames.push_back(wire::ToString(p));
    pool.Free(p);
  }
  return frames;
}

std::vector<std::string> TestNode::TakeIp(PortId port) {
  std::vector<std::string> packets;
  for (const std::string& frame : Take(port)) {
    if (!IsDiscovery(frame)) packets.push_back(frame.substr(wire::kEthernetBytes));
  }
  return packets;
}

void TestNode::FreeSegments() {
  for (const Segment& segment : segments) pool.Free(segment.packet);
  segments.clear();
}

void TestNode::Advance(Duration d) {
  // In small turns, as a worker would: timers that arm timers fire in time.
  for (const Instant end = now + d; now < end;) {
    now = std::min(end, now + Duration::Millis(50));
    timers.Advance(now, [this](Timer& timer) { ip.OnTimer(timer, now); });
  }
}

void TestNode::Resolve() {
  for (const PortId port : {kPodA, kPodB, kUplink}) {
    for (const std::string& frame : Take(port)) {
      const uint8_t* p = Bytes(frame) + wire::kEthernetBytes;
      const size_t n = frame.size() - wire::kEthernetBytes;
      if (const auto arp = wire::ArpMessage::Parse(p, n)) {
        if (arp->operation != wire::kArpRequest) continue;
        Send(port, wire::Arp({.operation = wire::kArpReply,
                              .sender_mac = PeerMac(port),
                              .sender_ip = arp->target_ip,
                              .target_mac = arp->sender_mac,
                              .target_ip = arp->sender_ip}));
        continue;
      }
      const auto header = wire::Ipv6Header::Parse(p, n);
      if (!header || header->next_header != wire::kProtoIcmpv6) continue;
      const auto ns = wire::NdMessage::Parse(p + wire::kIpv6Bytes, n - wire::kIpv6Bytes);
      if (!ns || ns->type != wire::kIcmpv6NeighbourSolicitation) continue;
      Send(port, wire::Ip({.source = ns->target, .destination = header->source, .ttl = 255},
                          wire::Nd({.type = wire::kIcmpv6NeighbourAdvertisement,
                                    .flags = wire::kNaSolicited | wire::kNaOverride,
                                    .target = ns->target,
                                    .link_address = PeerMac(port)})));
    }
  }
}

void TestNode::Warm() {
  const struct {
    PortId port;
    const char* address;
  } stations[] = {{kPodA, "10.1.0.11"},  {kPodA, "fd00:1::11"},   {kPodB, "10.1.0.12"},
                  {kPodB, "fd00:1::12"}, {kUplink, "172.16.0.2"}, {kUplink, "fd00:f::2"}};
  for (const auto& s : stations) ip.LearnNeighbour({s.port, Addr(s.address), PeerMac(s.port)}, now);
}

void TestNode::CheckEmpty() {
  for (const PortId port : {kPodA, kPodB, kUplink}) Take(port);
  CHECK(ip.pending_packets() == 0);
  CHECK(pool.outstanding() == 0);
}

bool TestNode::Balanced() const {
  const IpCounters& c = ip.counters();
  uint64_t out = c.segments + c.transmitted + c.consumed + c.fragmented + c.fragments_joined +
                 ip.pending_packets() + ip.held_fragments();
  for (size_t i = 0; i < IpCounters::kTable.size(); ++i) {
    if (IpCounters::kTable[i].name.starts_with("drop_")) out += c.Values()[i];
  }
  return c.rx_packets + c.segments_returned + c.tcp_out + c.originated + c.fragments_made +
             c.reassembled ==
         out;
}

std::string TestNode::Drops() const {
  std::string text;
  for (size_t i = 0; i < IpCounters::kTable.size(); ++i) {
    const uint64_t value = ip.counters().Values()[i];
    if (!IpCounters::kTable[i].name.starts_with("drop_") || value == 0) continue;
    if (!text.empty()) text += " ";
    text += std::string(IpCounters::kTable[i].name) + "=" + std::to_string(value);
  }
  return text;
}

}  // namespace meltemi::ip
