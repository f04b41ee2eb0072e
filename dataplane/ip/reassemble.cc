// Fragments for the plane become datagrams again: RFC 791 3.2, RFC 8200 4.5, RFC 1122 3.3.2.
#include "dataplane/ip/impl.h"
#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr Duration kTimeoutV4 = Duration::Seconds(30);
constexpr Duration kTimeoutV6 = Duration::Seconds(60);  // RFC 8200 4.5
constexpr uint8_t kTimeExceededReassembly = 1;          // the code, RFC 792 and RFC 4443 3.3
constexpr uint16_t kFragmentBytes = 8;                  // the Fragment header of IPv6
constexpr uint32_t kPayloadLengthAt = 4;                // in the IPv6 header
constexpr uint32_t kDatagramBytesMax = 65'535;          // IPv4: with its header; IPv6: without
constexpr uint8_t kNotEct = 0, kCe = 3;                 // ECN fields, RFC 3168 5

// One fragment, as its headers describe it.
struct Piece {
  DatagramKey key;
  HeldFragment held;
  bool more = false;
};

Piece PieceOf(const Inbound& in) {
  Piece piece;
  piece.key.source = in.source;
  piece.key.destination = in.destination;
  if (in.source.link_local()) piece.key.port = in.port->id;
  piece.held.packet = in.packet;
  piece.held.header_bytes = in.l3_bytes;
  piece.held.bytes = static_cast<uint16_t>(in.packet->pkt_len - in.l3_bytes);
  const uint8_t* p = packet::Data(in.packet);
  if (in.v4) {
    const auto header = *wire::Ipv4Header::Parse(p, in.packet->data_len);
    piece.key.id = header.id;
    piece.key.protocol = header.protocol;
    piece.held.offset = header.fragment_offset;
    piece.more = header.more_fragments;
  } else {
    // The Fragment header is the last thing in front of the payload.
    const uint8_t* header = p + in.l3_bytes - kFragmentBytes;
    piece.key.id = wire::Load32(header + 4);
    piece.held.offset = wire::Load16(header + 2) & 0xfff8;
    piece.more = (header[3] & 1) != 0;
  }
  return piece;
}

// The length of a datagram as its header will say it, when its payload is `bytes` long.
uint32_t LengthField(const Inbound& in, uint32_t bytes) {
  return in.v4 ? in.l3_bytes + bytes : in.l3_bytes - wire::kIpv6Bytes - kFragmentBytes + bytes;
}

// RFC 3168 5.3. False: some fragments were marked, and others could not be.
bool JoinEcn(const Datagram& datagram, uint8_t* ecn) {
  if ((datagram.ecn_seen >> kCe & 1) == 0) return true;
  *ecn = kCe;
  return (datagram.ecn_seen >> kNotEct & 1) == 0;
}

// All fragments as one chain; the headers of the first one stay.
packet::Packet* Chained(const Datagram& datagram) {
  packet::Packet* head = datagram.fragments[0].packet;
  packet::Packet* tail = head;
  for (int i = 1; i < datagram.count; ++i) {
    packet::Packet* next = datagram.fragments[i].packet;
    packet::TrimFront(next, datagram.fragments[i].header_bytes);
    while (tail->next != nullptr) tail = tail->next;
    tail->next = next;
    head->nb_segs = static_cast<uint16_t>(head->nb_segs + next->nb_segs);
    head->pkt_len += next->pkt_len;
  }
  return head;
}

// The first fragment's headers become the whole datagram's.
void WholeHeadersV4(packet::Packet* packet, uint16_t header_bytes, uint8_t ecn) {
  uint8_t* p = packet::Data(packet);
  p[1] = static_cast<uint8_t>((p[1] & ~3) | ecn);
  wire::Store16(p + 2, static_cast<uint16_t>(packet->pkt_len));
  wire::Store16(p + 6, 0);
  wire::Store16(p + 10, 0);
  wire::Store16(p + 10, static_cast<uint16_t>(~wire::SumBytes(p, header_bytes)));
}

void WholeHeadersV6(packet::Packet* packet, uint16_t header_bytes, uint8_t ecn) {
  uint8_t* p = packet::Data(packet);
  const uint16_t fragment_at = header_bytes - kFragmentBytes;
  const auto walk = wire::WalkIpv6(p, header_bytes, wire::WalkFor::kRouter);
  p[walk.fragment_named_at] = p[fragment_at];
  std::memmove(p + kFragmentBytes, p, fragment_at);
  packet::TrimFront(packet, kFragmentBytes);
  p += kFragmentBytes;
  p[1] = static_cast<uint8_t>((p[1] & ~0x30) | ecn << 4);
  wire::Store16(p + kPayloadLengthAt, static_cast<uint16_t>(packet->pkt_len - wire::kIpv6Bytes));
}

}  // namespace

void Ip::Impl::Reassemble(Inbound& in, Instant now, std::vector<Segment>* segments) {
  Piece piece = PieceOf(in);
  const HeldFragment& held = piece.held;
  const bool ragged = piece.more && held.bytes % 8 != 0;
  if (ragged && !in.v4) {
    SendError(in, {}, {.type = wire::kIcmpv6ParameterProblem, .rest = kPayloadLengthAt}, now);
  }
  if (ragged || held.bytes == 0 || LengthField(in, held.end()) > kDatagramBytesMax) {
    return Drop(in.packet, &IpCounters::drop_fragment_invalid);
  }
  Datagram* datagram = reassembly_.Find(piece.key);
  if (datagram == nullptr) datagram = BeginDatagram(piece.key, in, now);
  if (datagram->refused) return Drop(in.packet, &IpCounters::drop_fragment_refused);
  Counter reason = nullptr;
  switch (Reassembly::Judge(*datagram, held, piece.more)) {
    case Reassembly::Fits::kDuplicate:
      return Drop(in.packet, &IpCounters::drop_fragment_duplicate);
    case Reassembly::Fits::kOverlap:
      reason = &IpCounters::drop_fragment_overlap;
      break;
    case Reassembly::Fits::kTooMany:
      reason = &IpCounters::drop_fragment_too_many;
      break;
    case Reassembly::Fits::kYes:
      if (!MakeRoom(*datagram, Reassembly::RoomBytes(in.packet))) {
        reason = &IpCounters::drop_fragment_memory;
      }
      break;
  }
  if (reason != nullptr) {
    RefuseDatagram(*datagram, reason);
    return Drop(in.packet, reason);
  }
  reassembly_.Add(datagram, held, piece.more);
  datagram->ecn_seen = static_cast<uint8_t>(datagram->ecn_seen | 1 << in.ecn);
  if (datagram->complete()) FinishDatagram(*datagram, in, now, segments);
}

Datagram* Ip::Impl::BeginDatagram(const DatagramKey& key, const Inbound& in, Instant now) {
  if (reassembly_.datagram_count() == limits::kReassemblyDatagramsMax) {
    ForgetDatagram(*reassembly_.Oldest(nullptr), &IpCounters::drop_fragment_evicted);
  }
  Datagram* datagram = reassembly_.Create(key, in.port->id);
  timers_->Schedule(&datagram->timer, now + (in.v4 ? kTimeoutV4 : kTimeoutV6));
  return datagram;
}

// Within the bounds of the source and of all: the oldest datagrams go, as they are the likeliest
// never to be whole. False: this one alone is too much.
bool Ip::Impl::MakeRoom(const Datagram& datagram, uint32_t bytes) {
  const IpAddr source = datagram.key.source;
  while (reassembly_.charged_to(source) + bytes > limits::kReassemblyBytesPerSource) {
    Datagram* victim = reassembly_.OldestOf(source, &datagram);
    if (victim == nullptr) return false;
    ForgetDatagram(*victim, &IpCounters::drop_fragment_evicted);
  }
  while (reassembly_.charged_bytes() + bytes > limits::kReassemblyBytesMax) {
    Datagram* victim = reassembly_.Oldest(&datagram);
    if (victim == nullptr) return false;
    ForgetDatagram(*victim, &IpCounters::drop_fragment_evicted);
  }
  return true;
}

void Ip::Impl::DropFragments(Datagram& datagram, Counter reason) {
  for (int i = 0; i < datagram.count; ++i) Drop(datagram.fragments[i].packet, reason);
  reassembly_.Release(&datagram);
}

// RFC 5722 4: the datagram and every fragment of it, also those still to come.
void Ip::Impl::RefuseDatagram(Datagram& datagram, Counter reason) {
  ++counters.datagrams_refused;
  DropFragments(datagram, reason);
  datagram.refused = true;
}

void Ip::Impl::ForgetDatagram(Datagram& datagram, Counter reason) {
  DropFragments(datagram, reason);
  reassembly_.Erase(&datagram);
}

// Told to the source when the first fragment is here: it names who has sent it.
void Ip::Impl::ExpireDatagram(Datagram& datagram, Instant now) {
  Inbound in;
  PortState* port = FindPort(datagram.port);
  if (datagram.count > 0 && datagram.fragments[0].offset == 0 && port != nullptr &&
      Describe(datagram.fragments[0].packet, port, &in)) {
    SendError(in, {.type = wire::kIcmpTimeExceeded, .code = kTimeExceededReassembly},
              {.type = wire::kIcmpv6TimeExceeded, .code = kTimeExceededReassembly}, now);
  }
  ForgetDatagram(datagram, &IpCounters::drop_fragment_timeout);
}

// `last`: the fragment that came last; the datagram takes its place.
void Ip::Impl::FinishDatagram(Datagram& datagram, const Inbound& last, Instant now,
                              std::vector<Segment>* segments) {
  Inbound in = last;
  in.l3_bytes = datagram.fragments[0].header_bytes;
  Counter reason = nullptr;
  if (LengthField(in, datagram.total_bytes) > kDatagramBytesMax) {
    reason = &IpCounters::drop_fragment_invalid;  // the first one's headers are the longest
  } else if (!JoinEcn(datagram, &in.ecn)) {
    reason = &IpCounters::drop_fragment_ecn;
  }
  if (reason != nullptr) return RefuseDatagram(datagram, reason);

  in.packet = Chained(datagram);
  counters.fragments_joined += datagram.count;
  ++counters.reassembled;
  reassembly_.Release(&datagram);
  reassembly_.Erase(&datagram);
  in.packet->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_LRO);
  in.fragment = false;
  in.first_fragment = false;
  in.reassembled = true;
  if (in.v4) {
    WholeHeadersV4(in.packet, in.l3_bytes, in.ecn);
    return Dispatch(in, /*local=*/true, now, segments);
  }
  WholeHeadersV6(in.packet, in.l3_bytes, in.ecn);
  if (!ExtensionsV6(in, /*local=*/true, now)) return;
  if (in.fragment) return Drop(in.packet, &IpCounters::drop_extension_header);  // once is enough
  Dispatch(in, /*local=*/true, now, segments);
}

}  // namespace meltemi::ip
