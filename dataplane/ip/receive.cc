// Ingress: Ethernet, then ARP (RFC 826) here and IP in receive_v4.cc and receive_v6.cc.
#include <algorithm>

#include "dataplane/ip/impl.h"
#include "l7/base/limits.h"

namespace meltemi::ip {

void Ip::Impl::Receive(const RxPacket& rx, Instant now, std::vector<Segment>* segments) {
  ++counters.rx_packets;
  Inbound in{.packet = rx.packet, .port = FindPort(rx.port)};
  if (in.port == nullptr) return Drop(in.packet, &IpCounters::drop_port_gone);
  const uint8_t* p = packet::Pull(in.packet, wire::kEthernetBytes);
  if (p == nullptr) return Drop(in.packet, &IpCounters::drop_link_truncated);
  const auto ethernet = *wire::EthernetHeader::Parse(p, wire::kEthernetBytes);
  in.source_mac = ethernet.source;
  in.link_group = wire::IsGroupMac(ethernet.destination);
  if (wire::IsGroupMac(ethernet.source) ||
      (!in.link_group && ethernet.destination != in.port->options.mac)) {
    return Drop(in.packet, &IpCounters::drop_link_address);
  }
  packet::TrimFront(in.packet, wire::kEthernetBytes);
  if (ethernet.type == wire::kEtherIpv4) return ReceiveV4(in, now, segments);
  if (ethernet.type == wire::kEtherIpv6) return ReceiveV6(in, now, segments);
  if (ethernet.type == wire::kEtherArp) return ReceiveArp(in, now);
  const bool vlan = ethernet.type == wire::kEtherVlan || ethernet.type == wire::kEtherQinq;
  Drop(in.packet, vlan ? &IpCounters::drop_vlan : &IpCounters::drop_ether_type);
}

// A pod speaks for its own addresses only, or probes (RFC 5227: sender 0.0.0.0); nobody speaks for
// ours.
bool Ip::Impl::ArpSenderAllowed(const PortState& port, const wire::ArpMessage& arp) {
  if (arp.sender_ip.unspecified()) return true;
  if (Own(port, arp.sender_ip) || arp.sender_ip.multicast()) return false;
  if (port.options.kind != PortKind::kPod) return true;
  const auto& pods = port.options.pod_addresses;
  return std::find(pods.begin(), pods.end(), arp.sender_ip) != pods.end();
}

// In the order of RFC 826, "Packet Reception": merge, then is it for us, then the opcode.
void Ip::Impl::ReceiveArp(const Inbound& in, Instant now) {
  PortState& port = *in.port;
  const uint8_t* p = packet::Pull(in.packet, wire::kArpBytes);
  const auto arp = p == nullptr ? std::nullopt : wire::ArpMessage::Parse(p, wire::kArpBytes);
  if (!arp || wire::IsGroupMac(arp->sender_mac)) {
    return Drop(in.packet, &IpCounters::drop_arp_malformed);
  }
  if (!ArpSenderAllowed(port, *arp)) return Drop(in.packet, &IpCounters::drop_arp_spoofed);

  const Answers answers = AnswersFor(port, arp->target_ip);
  const bool reply = arp->operation == wire::kArpReply;
  const bool learnable = !arp->sender_ip.unspecified() &&
                         (OnLink(port, arp->sender_ip) || port.options.kind == PortKind::kPod);
  const bool known = neighbours_.Find(port.id, arp->sender_ip) != nullptr;
  if (learnable) {
    // Only an answer to us confirms that both directions work.
    LearnMac(port, arp->sender_ip, arp->sender_mac, reply && !in.link_group,
             answers == Answers::kOwn ? Create::kYes : Create::kNo, now);
  }
  if (arp->operation == wire::kArpRequest && answers != Answers::kNo &&
      arp->sender_ip != arp->target_ip) {
    ReplyArp(port, *arp);
    return Consume(in.packet);
  }
  if (reply) ++counters.arp_replies_in;
  if (learnable && (known || answers == Answers::kOwn)) return Consume(in.packet);
  Drop(in.packet, &IpCounters::drop_arp_ignored);
}

void Ip::Impl::ReplyArp(PortState& port, const wire::ArpMessage& request) {
  packet::Packet* packet = Originate();
  if (packet == nullptr) return;
  wire::ArpMessage{.operation = wire::kArpReply,
                   .sender_mac = port.options.mac,
                   .sender_ip = request.target_ip,
                   .target_mac = request.sender_mac,
                   .target_ip = request.sender_ip}
      .Emit(packet::Append(packet, wire::kArpBytes));
  ++counters.arp_replies_out;
  Transmit(packet, port, request.sender_mac);
}

}  // namespace meltemi::ip
