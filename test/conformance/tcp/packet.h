// Packet: one TCP segment in a conformance script, said by the peer or expected from the stack.
//
//   Ack(1)  Data(1, 1460)  Syn().Mss(1460).Scale(7)  Fin(1461).Acking(1)  Rst(1)  SynAck().NoTs()
//
// Sequence numbers are relative: 0 is the SYN of the side that says it. Pure; only for tests.
#ifndef MELTEMI_TEST_CONFORMANCE_TCP_PACKET_H_
#define MELTEMI_TEST_CONFORMANCE_TCP_PACKET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tcp/segment.h"

namespace meltemi::tcp::conformance {

struct Packet {
  uint8_t flags = 0;
  std::optional<uint32_t> seq, ack;
  uint32_t text_bytes = 0;
  std::optional<uint16_t> window;
  std::optional<uint8_t> ecn;  // of the IP header

  // Options. In an expectation: not named is not compared, but SACK blocks not named must be
  // absent.
  std::optional<uint16_t> mss;
  std::optional<uint8_t> scale;
  std::optional<bool> sack_ok;
  std::optional<Timestamps> ts;  // of the peer's clock absolute, of ours relative: 0 is the start
  std::vector<SeqRange> sack;    // relative to the numbers of the side that gets it
  bool no_mss = false, no_scale = false, no_ts = false;  // Expect only: must be absent
  bool any_sack = false;

  // What only a peer does.
  std::vector<uint8_t> raw_options;  // instead of those above
  std::optional<uint8_t> data_offset;
  std::optional<uint32_t> cut_to;  // bytes of the whole packet
  uint16_t urgent = 0;
  bool bad_checksum = false;

  Packet At(uint32_t v) && { return std::move(*this).Set(&Packet::seq, v); }
  Packet Acking(uint32_t v) && {
    flags |= kAck;
    return std::move(*this).Set(&Packet::ack, v);
  }
  Packet NoAck() && {
    flags &= static_cast<uint8_t>(~kAck);
    return std::move(*this);
  }
  Packet Text(uint32_t v) && { return std::move(*this).Set(&Packet::text_bytes, v); }
  Packet Window(uint16_t v) && { return std::move(*this).Set(&Packet::window, v); }
  Packet Ecn(uint8_t v) && { return std::move(*this).Set(&Packet::ecn, v); }
  Packet With(uint8_t more_flags) && {
    flags |= more_flags;
    return std::move(*this);
  }
  Packet Mss(uint16_t v) && { return std::move(*this).Set(&Packet::mss, v); }
  Packet Scale(uint8_t v) && { return std::move(*this).Set(&Packet::scale, v); }
  Packet SackOk() && { return std::move(*this).Set(&Packet::sack_ok, true); }
  Packet NoSackOk() && { return std::move(*this).Set(&Packet::sack_ok, false); }
  Packet Ts(uint32_t value, uint32_t echo) && {
    return std::move(*this).Set(&Packet::ts, Timestamps{value, echo});
  }
  Packet Sack(std::vector<SeqRange> v) && { return std::move(*this).Set(&Packet::sack, v); }
  Packet AnySack() && { return std::move(*this).Set(&Packet::any_sack, true); }
  Packet NoMss() && { return std::move(*this).Set(&Packet::no_mss, true); }
  Packet NoScale() && { return std::move(*this).Set(&Packet::no_scale, true); }
  Packet NoTs() && { return std::move(*this).Set(&Packet::no_ts, true); }
  Packet RawOptions(std::vector<uint8_t> v) && {
    return std::move(*this).Set(&Packet::raw_options, v);
  }
  Packet DataOffset(uint8_t words) && { return std::move(*this).Set(&Packet::data_offset, words); }
  Packet CutTo(uint32_t bytes) && { return std::move(*this).Set(&Packet::cut_to, bytes); }
  Packet Urgent(uint16_t pointer) && {
    flags |= kUrg;
    return std::move(*this).Set(&Packet::urgent, pointer);
  }
  Packet BadChecksum() && { return std::move(*this).Set(&Packet::bad_checksum, true); }

  // SEG.LEN: SYN and FIN count.
  uint32_t length() const {
    return text_bytes + ((flags & kSyn) != 0 ? 1 : 0) + ((flags & kFin) != 0 ? 1 : 0);
  }
  std::string ToString() const;  // one line, like tcpdump

 private:
  template <typename T, typename V>
  Packet Set(T Packet::*member, V value) && {
    this->*member = std::move(value);
    return std::move(*this);
  }
};

inline Packet Flags(uint8_t flags) {
  Packet p;
  p.flags = flags;
  return p;
}
inline Packet Syn() { return Flags(kSyn).At(0); }
inline Packet SynAck(uint32_t ack = 1) { return Flags(kSyn).At(0).Acking(ack); }
inline Packet Ack(uint32_t ack) { return Flags(kAck).Acking(ack); }
inline Packet Data(uint32_t seq, uint32_t bytes) { return Flags(kAck).At(seq).Text(bytes); }
inline Packet Fin(uint32_t seq) { return Flags(kFin | kAck).At(seq); }
inline Packet Rst(uint32_t seq) { return Flags(kRst).At(seq); }

// Why `got` is not what `want` says; empty when it is. PSH is compared only when wanted.
std::string Difference(const Packet& want, const Packet& got);

}  // namespace meltemi::tcp::conformance

#endif  // MELTEMI_TEST_CONFORMANCE_TCP_PACKET_H_
