#include "dataplane/tcp/segment.h"

#include <cstring>

namespace meltemi::tcp {
namespace {

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>((p[0] << 8) | p[1]); }
uint32_t Load32(const uint8_t* p) { return (uint32_t{Load16(p)} << 16) | Load16(p + 2); }
void Store16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v >> 8);
  p[1] = static_cast<uint8_t>(v);
}
void Store32(uint8_t* p, uint32_t v) {
  Store16(p, static_cast<uint16_t>(v >> 16));
  Store16(p + 2, static_cast<uint16_t>(v));
}

uint16_t Fold(uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// The one's complement sum of big-endian 16-bit words, unfolded; a last odd byte is a high byte.
// Works on host-order 32-bit words and swaps once at the end (RFC 1071 2.B).
uint64_t SumBytes(const uint8_t* p, size_t n) {
  uint64_t sum = 0;
  while (n >= 4) {
    uint32_t word = 0;
    std::memcpy(&word, p, 4);
    sum += word;
    p += 4;
    n -= 4;
  }
  if (n >= 2) {
    uint16_t word = 0;
    std::memcpy(&word, p, 2);
    sum += word;
    p += 2;
    n -= 2;
  }
  if (n > 0) sum += *p;  // little-endian host: the low byte is the first one
  return __builtin_bswap16(Fold(sum));
}

}  // namespace

ParseResult ParseSegment(packet::Packet* packet, const SockAddr& source,
                         const SockAddr& destination, Segment* segment) {
  const uint8_t* header = packet::Pull(packet, kHeaderBytes);
  if (header == nullptr) return ParseResult::kBadHeader;
  const auto header_bytes = static_cast<uint16_t>((header[12] >> 4) * 4);
  if (header_bytes < kHeaderBytes) return ParseResult::kBadHeader;
  header = packet::Pull(packet, header_bytes);
  if (header == nullptr) return ParseResult::kBadHeader;
  segment->packet = packet;
  segment->tuple = {destination, source};
  segment->seq = Load32(header + 4);
  segment->ack = Load32(header + 8);
  segment->flags = header[13];
  segment->window = Load16(header + 14);
  segment->text_offset = header_bytes;
  segment->text_bytes = packet->pkt_len - header_bytes;
  const std::span<const uint8_t> options(header + kHeaderBytes, header_bytes - kHeaderBytes);
  return ParseOptions(options, &segment->options) ? ParseResult::kOk : ParseResult::kBadOptions;
}

uint16_t PacketSum(const packet::Packet* packet) {
  uint64_t sum = 0;
  bool odd = false;
  for (const packet::Packet* s = packet; s != nullptr; s = s->next) {
    const auto part = static_cast<uint16_t>(SumBytes(packet::Data(s), s->data_len));
    sum += odd ? __builtin_bswap16(part) : part;
    odd ^= (s->data_len & 1) != 0;
  }
  return Fold(sum);
}

uint16_t PseudoHeaderSum(const IpAddr& source, const IpAddr& destination, uint32_t bytes) {
  constexpr uint32_t kProtocolTcp = 6;
  uint64_t sum = kProtocolTcp + (bytes >> 16) + (bytes & 0xffff);
  if (source.v4()) {
    sum += SumBytes(source.v4_bytes(), 4) + SumBytes(destination.v4_bytes(), 4);
  } else {
    sum += SumBytes(source.bytes().data(), 16) + SumBytes(destination.bytes().data(), 16);
  }
  return Fold(sum);
}

bool ChecksumOk(const packet::Packet* packet, const IpAddr& source, const IpAddr& destination) {
  return Fold(uint64_t{PacketSum(packet)} +
              PseudoHeaderSum(source, destination, packet->pkt_len)) == 0xffff;
}

void WriteHeader(const HeaderFields& fields, int option_bytes, uint32_t total_bytes,
                 uint8_t* header) {
  Store16(header, fields.tuple.local.port);
  Store16(header + 2, fields.tuple.remote.port);
  Store32(header + 4, fields.seq);
  Store32(header + 8, fields.ack);
  header[12] = static_cast<uint8_t>(((kHeaderBytes + option_bytes) / 4) << 4);
  header[13] = fields.flags;
  Store16(header + 14, fields.window);
  Store16(header + 16, PseudoHeaderSum(fields.tuple.local.ip, fields.tuple.remote.ip, total_bytes));
  Store16(header + 18, 0);
}

}  // namespace meltemi::tcp
