#include "dataplane/tcp/tcp.h"

#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

Tcp::Tcp(const TcpOptions& options, packet::PacketPool* pool, TimerWheel* timers, Prng* prng,
         Instant now)
    : impl_(std::make_unique<Impl>(options, pool, timers, prng)) {
  (void)now;
}
Tcp::~Tcp() = default;

void Tcp::Receive(std::span<const SegmentIn> segments, Instant now, std::vector<TcpEvent>* events,
                  std::vector<SegmentIn>* unmatched) {
  impl_->events_ = events;
  impl_->Receive(segments, now, unmatched);
}

// RFC 9293 3.10.7.2 (LISTEN), for one SYN.
void Tcp::Accept(const SegmentIn& syn, const Path& path, Instant now) {
  Segment s;
  // It was parsed and checked by Receive; unmatched segments come as they were.
  if (ParseSegment(syn.packet, syn.source, syn.destination, &s) == ParseResult::kBadHeader) return;
  if (s.has(kRst) || s.has(kAck) || !s.has(kSyn)) {
    impl_->RejectSegment(s);
    return impl_->DropPacket(s);
  }
  if (impl_->Find(s.tuple, impl_->flows_.Hash(s.tuple)) != nullptr) {
    ++impl_->counters_.drop_closed;  // the same SYN twice in one burst
    return impl_->DropPacket(s);
  }
  if (impl_->half_open_count_ >= limits::kTcpSynQueueMax) {
    ++impl_->counters_.syn_queue_evictions;
    impl_->Destroy(*impl_->half_open_head_);
  }
  Conn* c = impl_->NewConn(s.tuple, path, now);
  if (c == nullptr) return impl_->DropPacket(s);
  c->passive = true;
  c->state = State::kSynReceived;
  s.ecn = syn.ecn;
  c->irs = s.seq;
  c->rcv_nxt = c->rcv_adv = c->last_ack_sent = s.seq + 1;
  impl_->LearnSynOptions(*c, s);
  c->half_open_prev = impl_->half_open_tail_;
  (c->half_open_prev != nullptr ? c->half_open_prev->half_open_next : impl_->half_open_head_) = c;
  impl_->half_open_tail_ = c;
  ++impl_->half_open_count_;
  c->syn_now = true;
  impl_->MakeReady(*c);
  impl_->DropPacket(s);
}

void Tcp::Reject(const SegmentIn& segment, Instant now) {
  (void)now;
  Segment s;
  if (ParseSegment(segment.packet, segment.source, segment.destination, &s) !=
      ParseResult::kBadHeader) {
    impl_->RejectSegment(s);
  }
  impl_->pool_->Free(segment.packet);
}

TcpId Tcp::Connect(const FourTuple& tuple, const Path& path, uint64_t cookie, Instant deadline,
                   Instant now) {
  if (InUse(tuple)) return TcpId{};
  Conn* c = impl_->NewConn(tuple, path, now);
  if (c == nullptr) return TcpId{};
  c->cookie = cookie;
  c->state = State::kSynSent;
  c->life_at = deadline;
  c->syn_now = true;
  impl_->MakeReady(*c);
  impl_->Arm(*c);
  return c->id;
}

bool Tcp::InUse(const FourTuple& tuple) const {
  return impl_->flows_.Find(impl_->flows_.Hash(tuple), [&tuple](const FlowTable::Entry& e) {
    return (e.kind == FlowTable::Kind::kConn ? static_cast<Conn*>(e.value)->tuple
                                             : static_cast<TimeWait*>(e.value)->tuple) == tuple;
  }) != nullptr;
}

// The caller may still hold events of a connection that died later in the same burst.
void Tcp::SetCookie(TcpId id, uint64_t cookie) {
  if (Conn* c = impl_->conns_.Find(id)) c->cookie = cookie;
}
const FourTuple& Tcp::tuple(TcpId id) const {
  static const FourTuple kNone;
  const Conn* c = impl_->conns_.Find(id);
  return c != nullptr ? c->tuple : kNone;
}

bool Tcp::Send(TcpId id, Chain bytes, Instant now) {
  (void)now;
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || c->fin_queued) {
    ++impl_->counters_.send_after_finish;
    return true;
  }
  c->unsent.Append(std::move(bytes));
  impl_->MakeReady(*c);
  if (c->queued_bytes() <= limits::kTcpSendQueueBytes) return true;
  c->send_full = true;
  return false;
}

void Tcp::Finish(TcpId id, Instant now) {
  (void)now;
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || c->fin_queued) return;
  c->fin_queued = true;
  impl_->MakeReady(*c);
}

void Tcp::Release(TcpId id, Instant now) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  if (c->syn_in_flight()) return Abort(id, now);
  c->detached = true;
  c->rcv_unread = 0;
  c->fin_queued = true;
  if (c->state == State::kFinWait2) c->life_at = now + kFinWait2Max;
  impl_->MakeReady(*c);
  impl_->Arm(*c);
}

void Tcp::Abort(TcpId id, Instant now) {
  (void)now;
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  if (c->state != State::kSynSent) impl_->SendRst(*c);
  impl_->Destroy(*c);
}

void Tcp::Consumed(TcpId id, uint32_t byte_count, Instant now) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  c->rcv_unread -= std::min(c->rcv_unread, byte_count);
  if (c->receiving()) impl_->MaybeUpdateWindow(*c, now);
}

// RFC 5461: a hard error ends only a connection that is being opened; RFC 1191, 8201 for too big.
void Tcp::OnIcmp(const SockAddr& local, const SockAddr& remote, uint32_t sequence, bool hard,
                 uint32_t mtu_or_zero, Instant now, std::vector<TcpEvent>* events) {
  impl_->events_ = events;
  const FourTuple tuple{local, remote};
  Conn* c = impl_->Find(tuple, impl_->flows_.Hash(tuple));
  // RFC 5927 4.1: it must quote something that is in flight.
  if (c == nullptr || SeqLess(sequence, c->snd_una) || !SeqLess(sequence, c->snd_nxt)) {
    ++impl_->counters_.icmp_ignored;
    return;
  }
  if (mtu_or_zero != 0) {
    const uint32_t floor = tuple.remote.ip.v4() ? limits::kMtuMin : 1280;
    const uint32_t mtu = std::max(mtu_or_zero, floor);
    if (mtu >= c->path_mtu || c->syn_in_flight()) return;
    ++impl_->counters_.icmp_too_big;
    c->path_mtu = static_cast<uint16_t>(mtu);
    c->mtu_lowered = true;
    impl_->UpdateMss(*c);
    // Everything in flight was too big; sent again smaller, no sign of congestion (RFC 1191 6.5).
    impl_->SendAllAgain(*c);
    impl_->MakeReady(*c);
    return;
  }
  if (hard && c->state == State::kSynSent) {
    ++impl_->counters_.icmp_hard_errors;
    return impl_->Fail(*c, TcpError::kUnreachable);
  }
  ++impl_->counters_.icmp_soft_errors;
  c->soft_error = true;
  (void)now;
}

void Tcp::AbortAddress(const IpAddr& address, Instant now, std::vector<TcpEvent>* events) {
  (void)now;
  impl_->events_ = events;
  impl_->conns_.ForEach([this, &address](TcpId, Conn& c) {
    if (c.tuple.remote.ip != address && c.tuple.local.ip != address) return;
    impl_->Fail(c, TcpError::kUnreachable);
  });
}

void Tcp::OnTimer(Timer& timer, Instant now, std::vector<TcpEvent>* events) {
  impl_->events_ = events;
  impl_->OnTimer(timer, now);
}

void Tcp::Transmit(Instant now, int room, std::vector<SegmentOut>* out) {
  impl_->out_ = out;
  std::vector<SegmentOut>& replies = impl_->replies_;
  const size_t n = std::min<size_t>(replies.size(), std::max(room, 0));
  out->insert(out->end(), replies.begin(), replies.begin() + n);
  replies.erase(replies.begin(), replies.begin() + n);
  room -= static_cast<int>(n);
  // Each ready connection once per call, a bounded number of packets each: fair and finite.
  Conn* last = impl_->ready_tail_;
  while (room > 0 && impl_->ready_head_ != nullptr) {
    Conn* c = impl_->ready_head_;
    const bool end = c == last;
    int share = std::min(room, limits::kTcpSegmentsPerConnPerTurn);
    const int before = share;
    impl_->Output(*c, now, &share);
    room -= before - share;
    impl_->Arm(*c);
    if (c->ready) {  // still something to send: to the back
      impl_->Unready(*c);
      impl_->MakeReady(*c);
    }
    if (end) break;
  }
}

bool Tcp::transmit_pending() const {
  return impl_->ready_head_ != nullptr || !impl_->replies_.empty();
}

uint32_t Tcp::conn_count() const { return impl_->conns_.size(); }
const TcpCounters& Tcp::counters() const { return impl_->counters_; }
void Tcp::CheckInvariants() const { impl_->CheckInvariants(); }

}  // namespace meltemi::tcp
