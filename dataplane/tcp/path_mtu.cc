// How large a connection's segments may be: the link, the peer, what ICMP says (RFC 1191, 8201),
// and what silence says (black holes: RFC 2923 2.1, in the spirit of 8899).
#include "dataplane/tcp/path_mtu.h"

#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// Payload of a segment in a black hole: first this, then the least that every path takes.
constexpr uint32_t kBlackHoleMss = 1024;
constexpr uint32_t kBlackHoleMssMin = 536;

uint32_t HeadersOf(const Conn& c) { return (c.remote_ip().v4() ? 20 : 40) + kHeaderBytes; }

uint32_t MtuMinOf(const Conn& c) {
  return c.remote_ip().v4() ? limits::kTcpPathMtuMinV4 : limits::kTcpPathMtuMinV6;
}

}  // namespace

void Tcp::Impl::SetPath(Conn& c, const Path& path, Instant now) {
  c.link_mtu = c.path_mtu = path.mtu;
  // A super-frame's IP length field is 16 bits; headers take at most 40 + 60 of it.
  c.super_frame_bytes_max =
      static_cast<uint16_t>(std::min(path.super_frame_bytes_max, 65'535u - 100));
  if (path.super_frame_bytes_max < 2u * path.mtu) c.super_frame_bytes_max = 0;
  UseKnownMtu(c, now);
}

// What is known of the destination from other connections, else the link's own MTU.
void Tcp::Impl::UseKnownMtu(Conn& c, Instant now) {
  const uint16_t known = path_mtus_.Find(c.remote_ip(), now);
  c.path_mtu = known != 0 ? std::min(known, c.link_mtu) : c.link_mtu;
  c.mtu_lowered = c.path_mtu < c.link_mtu;
  if (c.mtu_lowered) c.mtu_raise_at = MtuRaiseTime(now);
  UpdateMss(c);
}

// RFC 6691: the path's and the peer's limit, without options.
void Tcp::Impl::UpdateMss(Conn& c) {
  const uint32_t path = c.path_mtu - HeadersOf(c);
  c.mss = static_cast<uint16_t>(std::min<uint32_t>(path, c.peer_mss));
  c.super_frame_segments = std::min<uint32_t>(c.super_frame_bytes_max / c.smss(), UINT8_MAX);
}

// Whole seconds, rounded up: good for 136 years.
uint32_t Tcp::Impl::MtuRaiseTime(Instant now) {
  return static_cast<uint32_t>((now + limits::kTcpPathMtuLifetime).nanos() / 1'000'000'000 + 1);
}

void Tcp::Impl::LowerMtu(Conn& c, uint32_t mtu, Instant now) {
  c.path_mtu = static_cast<uint16_t>(mtu);
  c.mtu_lowered = true;
  c.mtu_raise_at = MtuRaiseTime(now);
  UpdateMss(c);
}

// Quotes something in flight: the caller has looked.
void Tcp::Impl::OnTooBig(Conn& c, uint32_t mtu, Instant now) {
  mtu = std::max(mtu, MtuMinOf(c));
  if (mtu >= c.path_mtu || c.syn_in_flight()) {
    ++counters_.icmp_ignored;
    return;
  }
  ++counters_.icmp_too_big;
  LowerMtu(c, mtu, now);
  path_mtus_.Note(c.remote_ip(), c.path_mtu, now + limits::kTcpPathMtuLifetime);
  // Everything in flight was too big; sent again smaller, no sign of congestion (RFC 1191 6.5).
  if (c.loss != nullptr) SendAllAgain(c);
  MakeReady(c);
}

// Timeout after timeout of segments longer than any path must take, and no ICMP: perhaps a router
// drops them and says nothing. This connection alone tries shorter ones: a peer that only sleeps
// must not cost the others.
void Tcp::Impl::SuspectBlackHole(Conn& c, Instant now) {
  const uint32_t first = std::min(c.sent(), c.smss());
  uint32_t mss = c.retries < 2 * limits::kTcpBlackHoleRetries ? kBlackHoleMss : kBlackHoleMssMin;
  mss = std::max(mss, MtuMinOf(c) - HeadersOf(c));
  if (c.mss <= mss || first + (c.timestamps ? Conn::kTimestampBytes : 0) <= mss) return;
  ++counters_.black_holes;
  LowerMtu(c, mss + HeadersOf(c), now);
}

// RFC 1191 6.3, 8201 5.3: what was learned ends, and a longer segment finds out again.
void Tcp::Impl::MaybeRaiseMtu(Conn& c, Instant now) {
  if (now.nanos() / 1'000'000'000 < c.mtu_raise_at) return;
  ++counters_.mtu_raised;
  UseKnownMtu(c, now);
}

}  // namespace meltemi::tcp
