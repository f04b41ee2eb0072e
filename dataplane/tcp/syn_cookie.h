// SynCookies: a handshake that leaves nothing behind until its third segment, RFC 4987 3.6. What
// was agreed on travels in our initial sequence number and, when the peer sends timestamps, in the
// low six bits of ours:
//
//   ISN        | period mod 32 : 5 | MSS index : 3 | MAC : 12 | MAC without the number : 12 |
//   TSval      | clock, never ahead of it : 26 | ECN : 1 | SACK : 1 | window scale, 15 none : 4 |
//
// The MAC covers both addresses and ports, the peer's number, period, index and the six bits, by a
// key of the period, which is made from the worker's secret: a key serves for kPeriod and is good
// for checking for one more, so a cookie lives 64 to 128 s. A guess is right once in 2^24. The half
// of it without the peer's number tells of later segments, whose numbers are others, that they
// belong to a handshake of ours. Without timestamps scale, SACK and ECN cannot be remembered and
// are not offered. Pure.
#ifndef MELTEMI_DATAPLANE_TCP_SYN_COOKIE_H_
#define MELTEMI_DATAPLANE_TCP_SYN_COOKIE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/tcp/options.h"
#include "dataplane/tcp/siphash.h"
#include "l7/base/ip_addr.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

class SynCookies {
 public:
  static constexpr Duration kPeriod = Duration::Seconds(64);
  static constexpr Duration kLifeMax = Duration::Seconds(128);
  // What a cookie can say about the peer's MSS: the largest that is not above it.
  static constexpr std::array<uint16_t, 8> kMss = {64, 536, 1220, 1300, 1400, 1440, 1460, 8940};

  explicit SynCookies(const std::array<uint8_t, 16>& secret) : secret_(secret) {}

  // The low bits of our timestamp for a SYN with `syn` options.
  static uint8_t PackOptions(const Options& syn, bool ecn);
  // Sets window scale and SACK; returns ECN.
  static bool UnpackOptions(uint8_t bits, Options* options);
  // `clock` with `bits` as its low ones, at most `clock`: later timestamps are not older.
  static uint32_t Stamp(uint32_t clock, uint8_t bits);

  // `bits`: of PackOptions; none without timestamps.
  uint32_t Isn(const FourTuple& tuple, uint32_t peer_isn, uint16_t peer_mss,
               std::optional<uint8_t> bits, Instant now) const;
  // The peer's MSS when `isn` is a cookie that we made for this handshake and that still lives.
  std::optional<uint16_t> Check(const FourTuple& tuple, uint32_t peer_isn, uint32_t isn,
                                std::optional<uint8_t> bits, Instant now) const;
  // What acknowledges `isn` may have overtaken the third segment of a handshake, or that one was
  // lost: of what does not, one in 65,536 looks so.
  bool MayBeOurs(const FourTuple& tuple, uint32_t isn, std::optional<uint8_t> bits,
                 Instant now) const;

 private:
  uint32_t Mac(const FourTuple& tuple, uint32_t peer_isn, uint64_t period, uint32_t index,
               std::optional<uint8_t> bits) const;
  static uint64_t PeriodOf(Instant now) {
    return static_cast<uint64_t>(now.nanos() / kPeriod.nanos());
  }

  // The period of `isn`; none: it has ended.
  static std::optional<uint64_t> PeriodOf(uint32_t isn, Instant now);

  SipHash24 secret_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_SYN_COOKIE_H_
