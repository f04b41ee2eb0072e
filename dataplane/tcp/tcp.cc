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
  if (!segments.empty() && impl_->rooms_.bounded()) impl_->UpdateRooms(now);
  impl_->Receive(segments, now, unmatched);
}

void Tcp::Accept(const SegmentIn& syn, const Path& path, Instant now) {
  Segment s;
  // It was parsed and checked by Receive; unmatched segments come as they were.
  if (ParseSegment(syn.packet, syn.source, syn.destination, &s) == ParseResult::kBadHeader) return;
  s.ecn = syn.ecn;
  impl_->Accept(s, path, now);
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
  impl_->SetLife(*c, deadline, now);
  c->syn_now = true;
  impl_->MakeReady(*c);
  impl_->Arm(*c, now);
  return impl_->IdOf(*c);
}

bool Tcp::InUse(const FourTuple& tuple) const {
  return impl_->Lookup(tuple, impl_->flows_.Hash(tuple)).value != nullptr;
}

// The caller may still hold events of a connection that died later in the same burst.
void Tcp::SetCookie(TcpId id, uint64_t cookie) {
  if (Conn* c = impl_->conns_.Find(id)) c->cookie = cookie;
}
void Tcp::SetKeepalive(TcpId id, const Keepalive& keepalive) {
  CHECK(keepalive.probes <= kKeepaliveProbesMax);
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  std::vector<Keepalive>& known = impl_->keepalives_;
  const auto found = std::find(known.begin(), known.end(), keepalive);
  if (found == known.end() && known.size() > limits::kTcpKeepaliveCountMax) {
    ++impl_->counters_.keepalives_refused;
    return;
  }
  c->keepalive = static_cast<uint8_t>(found - known.begin());
  if (found == known.end()) known.push_back(keepalive);
}
FourTuple Tcp::tuple(TcpId id) const {
  const Conn* c = impl_->conns_.Find(id);
  return c != nullptr ? c->tuple() : FourTuple();
}
const void* Tcp::PlaceOf(TcpId id) const { return impl_->conns_.Find(id); }

bool Tcp::Send(TcpId id, Chain bytes, Instant now) {
  (void)now;
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || c->fin_queued) {
    ++impl_->counters_.send_after_finish;
    return true;
  }
  impl_->Uncork(*c);
  return impl_->Queue(*c, std::move(bytes));
}

bool Tcp::SendCorked(TcpId id, Chain bytes, Instant now) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || c->fin_queued) {
    ++impl_->counters_.send_after_finish;
    return true;
  }
  if (!c->corked) impl_->Cork(*c, now);
  return impl_->Queue(*c, std::move(bytes));
}

void Tcp::Uncork(TcpId id) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || !c->corked) return;
  impl_->Uncork(*c);
  impl_->MakeReady(*c);
}

bool Tcp::Impl::Queue(Conn& c, Chain&& bytes) {
  const size_t size = bytes.size();
  memory_.Charge(size);
  const uint32_t sent = c.sent();
  c.queue.Append(std::move(bytes), sent, &c.split);
  MakeReady(c);
  const size_t queued = size_t{sent} + c.queue.unsent();
  if (queued == size && size > 0) rooms_.QueueBegins();
  if (rooms_.pressed()) {
    if (PressedQueueFull(c)) {
      c.send_full = true;
      return false;
    }
  }
  if (queued <= limits::kTcpSendQueueBytesMin) return true;
  if (queued <= memory_.SendQueueMax(c.congestion.cwnd, c.set_aside())) return true;
  c.send_full = true;
  return false;
}

void Tcp::Finish(TcpId id, Instant now) {
  (void)now;
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr || c->fin_queued) return;
  impl_->Uncork(*c);
  c->fin_queued = true;
  impl_->MakeReady(*c);
}

void Tcp::Release(TcpId id, Instant now) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  if (c->syn_in_flight()) return Abort(id, now);
  c->detached = true;
  impl_->RefundUnread(*c, c->rcv_unread);
  impl_->Uncork(*c);
  c->fin_queued = true;
  if (c->state == State::kFinWait2) impl_->SetLife(*c, now + kFinWait2Max, now);
  impl_->MakeReady(*c);
  impl_->Arm(*c, now);
}

void Tcp::Reset(TcpId id, Instant now) {
  Conn* c = impl_->conns_.Find(id);
  if (c == nullptr) return;
  if (c->syn_in_flight() || c->fin_queued || c->queued_bytes() == 0) return Abort(id, now);
  c->detached = true;
  c->reset_last = true;
  c->send_full = true;  // TellSendSpace is to look
  impl_->RefundUnread(*c, c->rcv_unread);
  impl_->Uncork(*c);
  impl_->MakeReady(*c);
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
  byte_count = std::min<uint32_t>(c->rcv_unread, byte_count);
  impl_->RefundUnread(*c, byte_count);
  impl_->CountDelivery(*c, byte_count, now);
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
  if (mtu_or_zero != 0) return impl_->OnTooBig(*c, mtu_or_zero, now);
  if (hard && c->state == State::kSynSent) {
    ++impl_->counters_.icmp_hard_errors;
    return impl_->Fail(*c, TcpError::kUnreachable);
  }
  ++impl_->counters_.icmp_soft_errors;
  c->soft_error = true;
}

void Tcp::AbortAddress(const IpAddr& address, Instant now, std::vector<TcpEvent>* events) {
  (void)now;
  impl_->events_ = events;
  impl_->conns_.ForEach([this, &address](TcpId, Conn& c) {
    const FourTuple tuple = c.tuple();
    if (tuple.remote.ip != address && tuple.local.ip != address) return;
    impl_->Fail(c, TcpError::kUnreachable);
  });
}

void Tcp::OnTimer(Timer& timer, Instant now, std::vector<TcpEvent>* events) {
  impl_->events_ = events;
  impl_->OnTimer(timer, now);
}

void Tcp::Transmit(Instant now, int room, std::vector<SegmentOut>* out) {
  impl_->out_ = out;
  impl_->text_held_ = false;
  if (impl_->rooms_.pressed()) room = impl_->LimitTransmit(room);
  std::vector<SegmentOut>& replies = impl_->replies_;
  const size_t reply_count = std::min<size_t>(replies.size(), std::max(room, 0));
  out->insert(out->end(), replies.begin(), replies.begin() + reply_count);
  replies.erase(replies.begin(), replies.begin() + reply_count);
  room -= static_cast<int>(reply_count);
  // Each ready connection once per call, a bounded number of packets each: fair and finite.
  for (uint32_t n = impl_->ready_.size(); room > 0 && n > 0; --n) {
    Conn* c = impl_->ready_.Pop();
    int share = std::min(room, limits::kTcpSegmentsPerConnPerTurn);
    const int before = share;
    impl_->Output(*c, now, &share);
    room -= before - share;
    impl_->Arm(*c, now);
    if (c->ready) impl_->ready_.Push(impl_->IdOf(*c));  // still something to send: to the back
  }
}

bool Tcp::transmit_pending() const { return !impl_->ready_.empty() || !impl_->replies_.empty(); }

uint32_t Tcp::conn_count() const { return impl_->conns_.size(); }
uint32_t Tcp::half_open_count() const { return impl_->half_open_count_; }
uint64_t Tcp::memory_bytes() const { return impl_->memory_.held(); }
const TcpCounters& Tcp::counters() const { return impl_->counters_; }
void Tcp::CheckInvariants() const { impl_->CheckInvariants(); }

}  // namespace meltemi::tcp
