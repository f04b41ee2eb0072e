// Segment: a received TCP packet as values, and the writing of headers. The scratch of one packet's
// processing; nothing of it outlives the call. RFC 9293 3.1.
#ifndef MELTEMI_DATAPLANE_TCP_SEGMENT_H_
#define MELTEMI_DATAPLANE_TCP_SEGMENT_H_

#include <cstdint>

#include "dataplane/packet/packet.h"
#include "dataplane/tcp/options.h"
#include "l7/base/ip_addr.h"

namespace meltemi::tcp {

enum Flag : uint8_t {
  kFin = 0x01,
  kSyn = 0x02,
  kRst = 0x04,
  kPsh = 0x08,
  kAck = 0x10,
  kUrg = 0x20,
  kEce = 0x40,
  kCwr = 0x80,
};

inline constexpr int kHeaderBytes = 20;

struct Segment {
  packet::Packet* packet = nullptr;
  FourTuple tuple;  // local is the packet's destination
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;  // as in the header, unscaled
  uint8_t flags = 0;
  uint8_t ecn = 0;
  uint32_t text_offset = 0;  // of the payload in the packet
  uint32_t text_bytes = 0;
  uint16_t part_bytes = 0;  // SegmentIn's
  bool cut = false;         // more text came than is taken: rooms.cc
  Options options;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  // SEG.LEN: SYN and FIN count.
  uint32_t length() const { return text_bytes + (has(kSyn) ? 1 : 0) + (has(kFin) ? 1 : 0); }
  uint32_t end() const { return seq + length(); }
};

enum class ParseResult : uint8_t { kOk, kBadOptions, kBadHeader };

// Reads the header of `packet` (whose data begins at it); the text stays where it is. kBadOptions:
// usable, the options after the fault are ignored.
ParseResult ParseSegment(packet::Packet* packet, const SockAddr& source,
                         const SockAddr& destination, Segment* segment);

// True when the checksum over pseudo-header and packet is right (RFC 9293 3.1).
bool ChecksumOk(const packet::Packet* packet, const IpAddr& source, const IpAddr& destination);
// The pseudo-header's sum with the TCP length `bytes`, folded, not complemented: what the checksum
// field holds when the port completes it.
uint16_t PseudoHeaderSum(const IpAddr& source, const IpAddr& destination, uint32_t bytes);
// The one's complement sum over the packet's bytes, folded, not complemented.
uint16_t PacketSum(const packet::Packet* packet);

struct HeaderFields {
  FourTuple tuple;  // local is the packet's source
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;  // as it goes into the header
  uint8_t flags = 0;
};
// Writes 20 bytes + `option_bytes` (already at header + 20) of header; checksum = pseudo-header sum
// for a segment of `total_bytes`.
void WriteHeader(const HeaderFields& fields, int option_bytes, uint32_t total_bytes,
                 uint8_t* header);

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SEGMENT_H_
