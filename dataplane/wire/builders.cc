#include "dataplane/wire/builders.h"

#include <algorithm>
#include <utility>

#include "dataplane/wire/checksum.h"
#include "l7/base/check.h"

namespace meltemi::wire {
namespace {

uint8_t* Bytes(std::string* s) { return reinterpret_cast<uint8_t*>(s->data()); }
const uint8_t* Bytes(std::string_view s) { return reinterpret_cast<const uint8_t*>(s.data()); }

void Seal(std::string* s, uint16_t field, uint16_t pseudo_sum, bool bad) {
  const uint16_t sum = SumAdd(SumBytes(Bytes(s), s->size()), pseudo_sum);
  Store16(Bytes(s) + field, static_cast<uint16_t>(~sum + (bad ? 1 : 0)));
}

uint16_t Pseudo(const IpFields& ip, uint8_t protocol, size_t bytes) {
  return PseudoHeaderSum(ip.source, ip.destination, protocol, static_cast<uint32_t>(bytes));
}

std::string IcmpBody(const IcmpFields& f) {
  std::string s(kIcmpBytes, '\0');
  IcmpHeader{f.type, f.code, 0, f.rest}.Emit(Bytes(&s));
  return s + f.payload;
}

std::string Ip4(const IpFields& f, uint8_t protocol, const std::string& payload) {
  CHECK(f.options.size() % 4 == 0 && f.options.size() <= 40);
  std::string s(kIpv4Bytes, '\0');
  const size_t header_bytes = kIpv4Bytes + f.options.size();
  Ipv4Header{.ecn = f.ecn,
             .total_bytes = static_cast<uint16_t>(header_bytes + payload.size() + f.length_change),
             .id = f.id,
             .dont_fragment = f.dont_fragment,
             .more_fragments = f.more_fragments,
             .fragment_offset = f.fragment_offset,
             .ttl = f.ttl,
             .protocol = protocol,
             .source = f.source,
             .destination = f.destination}
      .Emit(Bytes(&s));
  s += f.options;
  s[0] = static_cast<char>(0x40 | header_bytes / 4);
  Store16(Bytes(&s) + 10, 0);
  Seal(&s, 10, 0, f.bad_checksum);
  return s + payload;
}

std::string Ip6(const IpFields& f, uint8_t protocol, const std::string& payload) {
  std::string extensions = f.options;
  uint8_t next = extensions.empty() ? protocol : f.first_extension;
  if (f.more_fragments || f.fragment_offset != 0) {
    std::string fragment(8, '\0');
    fragment[0] = static_cast<char>(next);
    Store16(Bytes(&fragment) + 2,
            static_cast<uint16_t>(f.fragment_offset | (f.more_fragments ? 1 : 0)));
    Store32(Bytes(&fragment) + 4, f.id);
    extensions = fragment + extensions;
    next = kProtoFragment;
  }
  std::string s(kIpv6Bytes, '\0');
  Ipv6Header{
      .ecn = f.ecn,
      .payload_bytes = static_cast<uint16_t>(extensions.size() + payload.size() + f.length_change),
      .next_header = next,
      .hop_limit = f.ttl,
      .source = f.source,
      .destination = f.destination}
      .Emit(Bytes(&s));
  return s + extensions + payload;
}

}  // namespace

Upper Tcp(TcpFields fields) {
  return {kProtoTcp, [f = std::move(fields)](const IpFields& ip) {
            std::string options = f.options;
            options.resize((options.size() + 3) / 4 * 4, '\0');
            std::string s(kTcpBytes, '\0');
            TcpHeader{.source_port = f.source_port,
                      .destination_port = f.destination_port,
                      .sequence = f.sequence,
                      .acknowledgment = f.acknowledgment,
                      .header_bytes = static_cast<uint8_t>(kTcpBytes + options.size()),
                      .flags = f.flags,
                      .window = f.window}
                .Emit(Bytes(&s));
            s += options + f.payload;
            const uint16_t pseudo = Pseudo(ip, kProtoTcp, s.size());
            if (f.partial_checksum) {
              Store16(Bytes(&s) + kTcpChecksumOffset, pseudo);
            } else {
              Seal(&s, kTcpChecksumOffset, pseudo, f.bad_checksum);
            }
            return s;
          }};
}

Upper Udp(UdpFields fields) {
  return {kProtoUdp, [f = std::move(fields)](const IpFields& ip) {
            std::string s(kUdpBytes, '\0');
            UdpHeader{.source_port = f.source_port,
                      .destination_port = f.destination_port,
                      .bytes = static_cast<uint16_t>(kUdpBytes + f.payload.size())}
                .Emit(Bytes(&s));
            s += f.payload;
            Seal(&s, kUdpChecksumOffset, Pseudo(ip, kProtoUdp, s.size()), f.bad_checksum);
            return s;
          }};
}

Upper Icmp(IcmpFields fields) {
  return {kProtoIcmp, [f = std::move(fields)](const IpFields&) {
            std::string s = IcmpBody(f);
            Seal(&s, kIcmpChecksumOffset, 0, f.bad_checksum);
            return s;
          }};
}

Upper Icmpv6(IcmpFields fields) {
  return {kProtoIcmpv6, [f = std::move(fields)](const IpFields& ip) {
            std::string s = IcmpBody(f);
            Seal(&s, kIcmpChecksumOffset, Pseudo(ip, kProtoIcmpv6, s.size()), f.bad_checksum);
            return s;
          }};
}

Upper Nd(NdMessage message) {
  return {kProtoIcmpv6, [message](const IpFields& ip) {
            std::string s(kNdBytes + kNdLinkOptionBytes, '\0');
            s.resize(message.Emit(Bytes(&s)));
            Seal(&s, kIcmpChecksumOffset, Pseudo(ip, kProtoIcmpv6, s.size()), false);
            return s;
          }};
}

Upper Raw(uint8_t protocol, std::string bytes) {
  return {protocol, [bytes = std::move(bytes)](const IpFields&) { return bytes; }};
}

std::string Ip(const IpFields& fields, const Upper& upper) {
  const std::string payload = upper.bytes(fields);
  return fields.source.v4() ? Ip4(fields, upper.protocol, payload)
                            : Ip6(fields, upper.protocol, payload);
}

std::string Arp(const ArpMessage& message) {
  std::string s(kArpBytes, '\0');
  message.Emit(Bytes(&s));
  return s;
}

std::string Ethernet(const EthernetHeader& header, std::string_view payload) {
  EthernetHeader h = header;
  if (h.type == 0) {
    const int version = payload.empty() ? 0 : static_cast<uint8_t>(payload[0]) >> 4;
    h.type = version == 4 ? kEtherIpv4 : version == 6 ? kEtherIpv6 : kEtherArp;
  }
  std::string s(kEthernetBytes, '\0');
  h.Emit(Bytes(&s));
  return s.append(payload);
}

packet::Packet* ToPacket(packet::PacketPool* pool, std::string_view bytes, uint32_t segment_bytes) {
  packet::Packet* head = nullptr;
  packet::Packet* last = nullptr;
  do {
    const size_t n = std::min<size_t>(bytes.size(), segment_bytes);
    packet::Packet* segment =
        pool->Alloc(n <= packet::kSmallRoom - packet::kHeadroom ? packet::kSmall : packet::kLarge);
    CHECK(segment != nullptr);
    std::copy_n(bytes.data(), n, packet::Append(segment, static_cast<uint16_t>(n)));
    bytes.remove_prefix(n);
    if (head == nullptr) {
      head = segment;
    } else {
      last->next = segment;
      ++head->nb_segs;
      head->pkt_len += segment->data_len;
    }
    last = segment;
  } while (!bytes.empty());
  return head;
}

std::string ToString(const packet::Packet* packet) {
  std::string s;
  for (const packet::Packet* p = packet; p != nullptr; p = p->next) {
    s.append(reinterpret_cast<const char*>(packet::Data(p)), p->data_len);
  }
  return s;
}

bool ChecksumsCorrect(std::string_view ip_packet) {
  const uint8_t* p = Bytes(ip_packet);
  const size_t n = ip_packet.size();
  uint8_t protocol = 0;
  size_t offset = 0;
  IpAddr source, destination;
  if (const auto v4 = Ipv4Header::Parse(p, n)) {
    if (SumBytes(p, v4->header_bytes) != kSumOfCorrect || v4->total_bytes != n) return false;
    protocol = v4->protocol;
    offset = v4->header_bytes;
    source = v4->source;
    destination = v4->destination;
  } else if (const auto v6 = Ipv6Header::Parse(p, n)) {
    if (size_t{v6->payload_bytes} + kIpv6Bytes != n) return false;
    const Ipv6Walk walk = WalkIpv6(p, n, WalkFor::kDestination);
    if (walk.result != Ipv6Walk::Result::kUpperLayer) return false;
    protocol = walk.protocol;
    offset = walk.offset;
    source = v6->source;
    destination = v6->destination;
  } else {
    return false;
  }
  const uint16_t sum = SumBytes(p + offset, n - offset);
  if (protocol == kProtoIcmp) return sum == kSumOfCorrect;
  const uint16_t pseudo =
      PseudoHeaderSum(source, destination, protocol, static_cast<uint32_t>(n - offset));
  return SumAdd(sum, pseudo) == kSumOfCorrect;
}

}  // namespace meltemi::wire
