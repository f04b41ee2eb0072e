// RFC 9293 3.10.7.2 (LISTEN): a SYN opens half a connection or, when those are too many, is
// answered with a cookie (RFC 4987 3.6); the ACK that brings a cookie back opens a whole one.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// What our SYN-ACK's timestamp said, by its echo.
std::optional<uint8_t> CookieBits(const Segment& s) {
  if (!s.options.timestamps) return std::nullopt;
  return static_cast<uint8_t>(s.options.timestamps->echo & 0x3f);
}

}  // namespace

void Tcp::Impl::Accept(Segment& s, const Path& path, Instant now) {
  if (Conn* c = Find(s.tuple, flows_.Hash(s.tuple)); c != nullptr) {
    // An earlier segment of this burst opened it.
    if (!s.has(kSyn)) return Input(*c, s, now);
    ++counters_.drop_closed;
    return DropPacket(s);
  }
  if (s.has(kRst) || s.has(kAck) || !s.has(kSyn)) {
    const bool bare_ack = s.has(kAck) && !s.has(kRst | kSyn);
    if (bare_ack && now < cookies_until_) {
      if (AcceptCookie(s, path, now)) return;
      // It may have overtaken the end of its handshake, which is on the way or sent again: no RST.
      if (cookies_.MayBeOurs(s.tuple, s.ack - 1, CookieBits(s), now)) {
        ++counters_.syn_cookies_early;
        return DropPacket(s);
      }
    }
    RejectSegment(s);
    return DropPacket(s);
  }
  if (half_open_count_ >= options_.syn_queue_max) {
    SendSynCookie(s, path, now);
  } else {
    OpenHalf(s, path, now);
  }
  DropPacket(s);
}

void Tcp::Impl::OpenHalf(const Segment& s, const Path& path, Instant now) {
  Conn* c = NewConn(s.tuple, path, now);
  if (c == nullptr) return;
  c->passive = true;
  c->state = State::kSynReceived;
  c->irs = s.seq;
  c->rcv_nxt = c->rcv_adv = c->last_ack_sent = s.seq + 1;
  // RFC 6191: the numbers of a tuple taken over from TIME-WAIT go on above the old ones.
  for (const Reused& old : reused_) {
    if (old.tuple == s.tuple && SeqLess(c->iss, old.iss_min)) {
      c->iss = c->snd_una = c->snd_nxt = old.iss_min;
    }
  }
  LearnSynOptions(*c, s.options);
  NegotiateEcn(*c, s);
  c->half_open_prev = half_open_tail_;
  (c->half_open_prev != nullptr ? c->half_open_prev->half_open_next : half_open_head_) = c;
  half_open_tail_ = c;
  ++half_open_count_;
  c->syn_now = true;
  MakeReady(*c);
}

void Tcp::Impl::SendSynCookie(const Segment& s, const Path& path, Instant now) {
  const uint32_t ip_bytes = s.tuple.remote.ip.v4() ? 20 : 40;
  Options o;
  o.mss = static_cast<uint16_t>(path.mtu - ip_bytes - kHeaderBytes);
  std::optional<uint8_t> bits;
  uint8_t flags = kSyn | kAck;
  if (s.options.timestamps) {
    const bool ecn = AcceptsEcn(s);
    if (ecn) flags |= kEce;  // RFC 3168 6.1.1
    bits = SynCookies::PackOptions(s.options, ecn);
    const uint32_t clock = TimestampClock(now) + SecretsOf(secrets_, s.tuple, now).timestamp_offset;
    o.timestamps = Timestamps{SynCookies::Stamp(clock, *bits), s.options.timestamps->value};
    o.sack_permitted = s.options.sack_permitted;
    if (s.options.window_scale) o.window_scale = kRcvWscale;
  }
  const uint32_t isn =
      cookies_.Isn(s.tuple, s.seq, s.options.mss.value_or(kPeerMssDefault), bits, now);
  ++counters_.syn_cookies_out;
  cookies_until_ = now + SynCookies::kLifeMax;
  Reply(s.tuple, isn, s.seq + 1, flags, kCookieWindow, o);
}

// The third segment of a handshake that only its cookie remembers. False: it is none.
bool Tcp::Impl::AcceptCookie(Segment& s, const Path& path, Instant now) {
  const auto syn = ReadCookie(s, s.seq - 1, now);
  if (!syn) {
    ++counters_.syn_cookies_invalid;
    return false;
  }
  Conn* c = NewConn(s.tuple, path, now);
  if (c == nullptr) {  // the table is full: the peer's next segment asks again
    DropPacket(s);
    return true;
  }
  c->passive = true;
  UseCookie(*c, *syn, s.seq - 1, s.ack - 1);
  CHECK(events_ != nullptr);
  Input(*c, s, now);
  return true;
}

// A SYN came twice, and was answered first with a cookie, then by `c`, half open: the peer has
// taken the cookie's number. False: it has not.
bool Tcp::Impl::TurnIntoCookie(Conn& c, const Segment& s, Instant now) {
  if (!c.passive || now >= cookies_until_) return false;
  const auto syn = ReadCookie(s, c.irs, now);
  if (!syn) return false;
  const uint32_t ts_recent = c.ts_recent;  // of the SYN: `s` may have overtaken others
  UseCookie(c, *syn, c.irs, s.ack - 1);
  c.ts_recent = ts_recent;
  c.syn_now = false;
  return true;
}

// What the peer's SYN with `peer_isn` offered, when `s` acknowledges a cookie of ours for it.
std::optional<Tcp::Impl::CookieSyn> Tcp::Impl::ReadCookie(const Segment& s, uint32_t peer_isn,
                                                          Instant now) const {
  const std::optional<uint8_t> bits = CookieBits(s);
  const auto mss = cookies_.Check(s.tuple, peer_isn, s.ack - 1, bits, now);
  if (!mss) return std::nullopt;
  CookieSyn syn;
  syn.options.mss = *mss;
  syn.options.timestamps = s.options.timestamps;
  if (bits) syn.ecn = SynCookies::UnpackOptions(*bits, &syn.options);
  return syn;
}

// The state after a SYN-ACK that nobody kept.
void Tcp::Impl::UseCookie(Conn& c, const CookieSyn& syn, uint32_t peer_isn, uint32_t isn) {
  ++counters_.syn_cookies_in;
  c.state = State::kSynReceived;
  c.irs = peer_isn;
  c.rcv_nxt = c.last_ack_sent = peer_isn + 1;
  c.rcv_adv = c.rcv_nxt + kCookieWindow;
  c.iss = c.snd_una = isn;
  c.snd_nxt = isn + 1;
  c.rtt_sent_at = Instant::Never();  // nobody knows when the SYN-ACK left
  c.syn_retransmitted = false;
  c.ecn = syn.ecn;
  if (c.ecn) ++counters_.ecn_negotiated;
  LearnSynOptions(c, syn.options);
}

// The third segment may come again when the connection is gone, by a network that doubles or by
// somebody who has kept it: its cookie would open another one, and its text would be served twice.
// So the tuple waits, as in TIME-WAIT, until no cookie is good any more. Null: that is so now.
TimeWait* Tcp::Impl::GuardCookie(const Conn& c) {
  if (!BeganWithCookie(c) || !c.last_heard_at.Before(cookies_until_)) return nullptr;
  TimeWait* entry = AddTimeWait(c, cookies_until_);
  // A connection that did not end in order is refused, not acknowledged.
  entry->refused = !c.fin_received || !c.fin_sent || c.snd_una != c.snd_nxt;
  return entry;
}

}  // namespace meltemi::tcp
