#include "dataplane/ip/merge.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/wire/bytes.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/ip.h"
#include "dataplane/wire/transport.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

using packet::Packet;

constexpr uint8_t kEnding = wire::kTcpPsh | wire::kTcpFin;
constexpr uint8_t kNeverMerged = wire::kTcpSyn | wire::kTcpRst | wire::kTcpUrg | wire::kTcpCwr;

// Where the headers of a packet that may be merged lie.
struct Headers {
  const uint8_t* ip = nullptr;
  const uint8_t* tcp = nullptr;
  uint16_t tcp_bytes = 0;
  uint32_t text_bytes = 0;
};

// A run that may go on. Without initial values: a table of them costs every turn nothing.
struct Run {
  uint32_t at;  // of its head, among the segments that stay
  uint32_t ports;
  uint32_t next_seq;
  bool verified;  // the head's checksum
  Packet* last;   // piece of the chain, of a head that has been joined
};

uint32_t PortsOf(const Packet* p) {
  uint32_t ports = 0;
  std::memcpy(&ports, packet::Data(p), sizeof(ports));
  return ports;
}

bool PlainIp(const uint8_t* ip, uint16_t ip_bytes, bool v4) {
  if (!v4) return ip_bytes == wire::kIpv6Bytes;
  return ip_bytes == wire::kIpv4Bytes && ip[6] == 0x40 && ip[7] == 0;  // DF and nothing else
}

// False: it takes no part.
bool Find(const Segment& s, Headers* h) {
  const Packet* p = s.packet;
  if (s.parts != 1 || p->pkt_len < wire::kTcpBytes || p->data_len < wire::kTcpBytes) return false;
  if ((p->ol_flags & RTE_MBUF_F_RX_LRO) != 0) return false;
  h->tcp = packet::Data(p);
  h->ip = h->tcp - s.ip_header_bytes;
  h->tcp_bytes = static_cast<uint16_t>((h->tcp[12] >> 4) * 4);
  if (h->tcp_bytes < wire::kTcpBytes || h->tcp_bytes >= p->pkt_len) return false;
  if (p->data_len < h->tcp_bytes) return false;
  if ((h->tcp[13] & (kNeverMerged | wire::kTcpAck)) != wire::kTcpAck) return false;
  h->text_bytes = p->pkt_len - h->tcp_bytes;
  return PlainIp(h->ip, s.ip_header_bytes, s.source.ip.v4());
}

bool SameIp(const uint8_t* a, const uint8_t* b, bool v4) {
  if (v4) return a[1] == b[1] && a[8] == b[8];       // traffic class, TTL
  return std::memcmp(a, b, 4) == 0 && a[7] == b[7];  // class and label, hop limit
}

// ACK, data offset and the flags but the ending ones, window, options.
bool SameTcp(const uint8_t* a, const uint8_t* b, uint16_t header_bytes) {
  return std::memcmp(a + 8, b + 8, 5) == 0 && ((a[13] ^ b[13]) & ~kEnding) == 0 &&
         std::memcmp(a + 14, b + 14, 2) == 0 &&
         std::memcmp(a + wire::kTcpBytes, b + wire::kTcpBytes, header_bytes - wire::kTcpBytes) == 0;
}

bool SameFlow(const Segment& a, const Segment& b) {
  return a.port == b.port && a.source == b.source && a.destination == b.destination;
}

bool ChecksumRight(const Segment& s) {
  if (s.checksum_trusted) return true;
  const uint32_t n = s.packet->pkt_len;
  const uint16_t pseudo = wire::PseudoHeaderSum(s.source.ip, s.destination.ip, wire::kProtoTcp, n);
  return wire::SumAdd(wire::SumPacket(s.packet, 0, n), pseudo) == wire::kSumOfCorrect;
}

Packet* LastOf(Packet* p) {
  while (p->next != nullptr) p = p->next;
  return p;
}

class Runs {
 public:
  explicit Runs(std::vector<Segment>* segments) : segments_(*segments) {}

  // True: the segment is part of another now.
  bool Take(Segment& s) {
    const bool small = s.packet->pkt_len < limits::kMergeBytesMin;
    if (small && count_ == 0) return false;
    Headers h;
    if (!Find(s, &h)) return false;
    const uint32_t ports = PortsOf(s.packet);
    for (int i = 0; i < count_; ++i) {
      Run& run = runs_[i];
      if (run.ports != ports || !SameFlow(segments_[run.at], s)) continue;
      const bool joined = Follows(run, s, h) && Verify(&run, &s);
      if (joined) Join(&run, s, h);
      const bool ended = (h.tcp[13] & kEnding) != 0 || h.text_bytes < segments_[run.at].part_bytes;
      if (!joined || ended) run = runs_[--count_];
      if (joined) return true;
      break;
    }
    if (!small && (h.tcp[13] & kEnding) == 0) wanted_ = h;
    return false;
  }

  // The segment that Take has refused stays, as number `at`: a run may begin with it.
  void Begin(uint32_t at) {
    if (wanted_.tcp == nullptr) return;
    Segment& s = segments_[at];
    const int place = count_ < limits::kMergeRunsMax ? count_++ : evict_++ % limits::kMergeRunsMax;
    runs_[place] = {.at = at,
                    .ports = PortsOf(s.packet),
                    .next_seq = wire::Load32(wanted_.tcp + 4) + wanted_.text_bytes,
                    .verified = false,
                    .last = nullptr};
    s.part_bytes = static_cast<uint16_t>(wanted_.text_bytes);
    wanted_ = Headers{};
  }

 private:
  bool Follows(const Run& run, const Segment& s, const Headers& h) const {
    const Segment& head = segments_[run.at];
    const uint8_t* tcp = packet::Data(head.packet);
    return wire::Load32(h.tcp + 4) == run.next_seq && h.text_bytes <= head.part_bytes &&
           head.ip_header_bytes == s.ip_header_bytes &&
           head.ip_header_bytes + head.packet->pkt_len + h.text_bytes <= UINT16_MAX &&
           head.packet->nb_segs + s.packet->nb_segs <= limits::kMergePiecesMax &&
           SameIp(tcp - head.ip_header_bytes, h.ip, s.source.ip.v4()) &&
           SameTcp(tcp, h.tcp, h.tcp_bytes);
  }

  bool Verify(Run* run, Segment* s) {
    Segment& head = segments_[run->at];
    if (!run->verified && !ChecksumRight(head)) return false;
    run->verified = true;
    head.checksum_trusted = true;
    return ChecksumRight(*s);
  }

  void Join(Run* run, Segment& s, const Headers& h) {
    Segment& head = segments_[run->at];
    Packet* p = head.packet;
    if (head.parts == 1) {
      head.first_pieces = p->nb_segs;
      run->last = LastOf(p);
    }
    packet::TrimFront(s.packet, h.tcp_bytes);
    run->last->next = s.packet;
    run->last = LastOf(s.packet);
    p->nb_segs += s.packet->nb_segs;
    p->pkt_len += h.text_bytes;
    packet::Data(p)[13] |= h.tcp[13] & kEnding;
    ++head.parts;
    run->next_seq += h.text_bytes;
  }

  std::vector<Segment>& segments_;
  std::array<Run, limits::kMergeRunsMax> runs_;  // the first count_ hold something
  int count_ = 0;
  uint32_t evict_ = 0;
  Headers wanted_;
};

}  // namespace

int Merge(std::vector<Segment>* segments) {
  const auto n = static_cast<uint32_t>(segments->size());
  if (n < 2) return 0;
  Runs runs(segments);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; ++i) {
    Segment& s = (*segments)[i];
    if (runs.Take(s)) continue;
    if (kept != i) (*segments)[kept] = s;
    runs.Begin(kept++);
  }
  segments->resize(kept);
  return static_cast<int>(n - kept);
}

void Unmerge(const Segment& merged, std::vector<Segment>* out) {
  Packet* p = merged.packet;
  uint8_t* tcp = packet::Data(p);
  const auto tcp_bytes = static_cast<uint16_t>((tcp[12] >> 4) * 4);
  tcp[13] &= static_cast<uint8_t>(~kEnding);  // else the run would have ended with its first
  p->nb_segs = merged.first_pieces;
  p->pkt_len = tcp_bytes + merged.part_bytes;
  for (int part = 0; part < merged.parts; ++part) {
    Packet* last = p;
    for (int piece = 1; piece < p->nb_segs; ++piece) last = last->next;
    Packet* next = last->next;
    last->next = nullptr;
    if (part > 0) packet::Prepend(p, tcp_bytes);
    Segment s = merged;
    s.packet = p;
    s.parts = 1;
    s.part_bytes = 0;
    out->push_back(s);
    p = next;
  }
  CHECK(p == nullptr);
}

void MarkSuperFrame(packet::Packet* packet, uint16_t part_bytes) {
  uint8_t* ip = packet::Data(packet);
  if (ip[0] >> 4 == 4) {
    const auto bytes = static_cast<uint16_t>(packet->pkt_len);
    wire::Store16(ip + 10,
                  wire::UpdateChecksum(wire::Load16(ip + 10), wire::Load16(ip + 2), bytes));
    wire::Store16(ip + 2, bytes);
  } else {
    wire::Store16(ip + 4, static_cast<uint16_t>(packet->pkt_len - wire::kIpv6Bytes));
  }
  packet->ol_flags |= RTE_MBUF_F_RX_LRO;
  packet->tso_segsz = part_bytes;
}

}  // namespace meltemi::ip
