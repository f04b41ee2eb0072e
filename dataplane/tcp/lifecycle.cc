// Opening and closing.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {

Tcp::Impl::Impl(const TcpOptions& options, packet::PacketPool* pool, TimerWheel* timers, Prng* prng)
    : options_(options),
      keepalives_{options.keepalive},
      pool_(pool),
      timers_(timers),
      prng_(prng),
      flows_(options.conn_count_max * 2, options.isn_key),
      secrets_(options.isn_key),
      conns_(options.conn_count_max),
      address_pairs_(options.conn_count_max),
      losses_(options.conn_count_max),
      reassemblies_(options.conn_count_max),
      cookies_(options.isn_key),
      path_mtus_(options.isn_key),
      memory_(options.memory_bytes_max),
      rooms_(pool->count_max(packet::kSmall), pool->count_max(packet::kLarge)),
      time_wait_(options.conn_count_max),
      time_wait_timer_(TimerOwner::kTcp, 0),
      delayed_ack_timer_(TimerOwner::kTcp, 0),
      cork_timer_(TimerOwner::kTcp, 0) {
  CHECK(options.keepalive.probes <= kKeepaliveProbesMax);
  keepalives_.reserve(limits::kTcpKeepaliveCountMax + 1);
  uint64_t limit = options.receive_window_bytes;
  for (uint32_t& rcv_limit : rcv_limits_) {
    rcv_limit = static_cast<uint32_t>(limit);
    limit = std::min<uint64_t>(limit * 2, limits::kTcpReceiveWindowBytesMax);
  }
}

Tcp::Impl::~Impl() {
  timers_->Cancel(&time_wait_timer_);
  timers_->Cancel(&delayed_ack_timer_);
  timers_->Cancel(&cork_timer_);
  for (const SegmentOut& out : replies_) pool_->Free(out.packet);
  conns_.ForEach([this](TcpId, Conn& c) { Free(c); });
}

FlowTable::Entry Tcp::Impl::Lookup(const FourTuple& tuple, uint32_t hash) const {
  return flows_.Find(hash, [&tuple](const FlowTable::Entry& e) {
    if (e.kind == FlowTable::Kind::kTimeWait)
      return static_cast<TimeWait*>(e.value)->tuple == tuple;
    const auto* c = static_cast<const Conn*>(e.value);
    return c->name.Is(tuple, c->apart);
  });
}

Conn* Tcp::Impl::Find(const FourTuple& tuple, uint32_t hash) {
  const FlowTable::Entry entry = Lookup(tuple, hash);
  return entry.kind == FlowTable::Kind::kConn ? static_cast<Conn*>(entry.value) : nullptr;
}

Conn* Tcp::Impl::NewConn(const FourTuple& tuple, const Path& path, Instant now) {
  const TcpId id = conns_.Emplace();
  if (!id.valid()) {
    ++counters_.conn_table_full;
    return nullptr;
  }
  Conn& c = conns_[id];
  c.slot = id.slot;
  c.apart = !PackedTuple::Fits(tuple);
  AddressPair* const addresses = c.apart ? address_pairs_.Take() : nullptr;
  CHECK(c.apart == (addresses != nullptr));  // the pool has one for each connection
  c.name.Set(tuple, addresses);
  c.hash = flows_.Hash(tuple);
  c.timer.subject = id.bits();
  const TupleSecrets secrets = SecretsOf(secrets_, tuple, now);
  c.iss = secrets.isn;
  c.timestamp_offset = secrets.timestamp_offset;
  c.snd_una = c.iss;
  c.snd_nxt = c.iss;  // the SYN counts once it is sent
  c.quick_acks = kQuickAcks;
  c.last_heard_at = now;
  SetPath(c, path, now);
  flows_.Insert(c.hash, FlowTable::Kind::kConn, &c);
  return &c;
}

void Tcp::Impl::Established(Conn& c, Instant now) {
  c.state = State::kEstablished;
  StartRound(c, now);
  // The SYN's window was not scaled; what we would take is more. The next segment says so: no
  // packet of its own for it.
  c.rcv_adv = SeqMax(c.rcv_adv, c.rcv_nxt + WindowWanted(c));
  c.retries = c.backoff = 0;
  c.SetRetransmitAt(Instant::Never());
  SetLife(c, now + SilenceChecked(c), now);
  c.congestion.Start(c.smss());
  if (c.syn_retransmitted) c.congestion.cwnd = c.smss();  // RFC 6928 2
  c.congestion.algorithm = options_.congestion;
}

void Tcp::Impl::Emit(Conn& c, TcpEvent::Kind kind, TcpError error) {
  events_->push_back(
      {.kind = kind, .id = IdOf(c), .cookie = c.cookie, .bytes = {}, .error = error});
}

void Tcp::Impl::LeaveHalfOpen(Conn& c) {
  if (!c.passive || (c.half_open_prev == nullptr && half_open_head_ != &c)) return;
  (c.half_open_prev != nullptr ? c.half_open_prev->half_open_next : half_open_head_) =
      c.half_open_next;
  (c.half_open_next != nullptr ? c.half_open_next->half_open_prev : half_open_tail_) =
      c.half_open_prev;
  c.half_open_prev = c.half_open_next = nullptr;
  --half_open_count_;
}

void Tcp::Impl::Destroy(Conn& c) {
  TimeWait* guard = GuardCookie(c);
  Free(c);
  if (guard != nullptr) ListTimeWait(guard);
}

void Tcp::Impl::Free(Conn& c) {
  LeaveHalfOpen(c);
  if (c.ready) ready_.Leave();
  UndelayAck(c);
  Uncork(c);
  timers_->Cancel(&c.timer);
  DropLoss(c);
  DropReassembly(c);
  memory_.Refund(c.queued_bytes() + c.unread_rooms);
  if (c.queued_bytes() > 0) rooms_.QueueEnds();
  if (c.unread_rooms > 0) rooms_.QueueEnds();
  flows_.Erase(c.hash, &c);
  if (c.apart) address_pairs_.Give(c.name.pair());
  conns_.Erase(IdOf(c));
}

void Tcp::Impl::Close(Conn& c, TcpError error) {
  if (!c.detached) Emit(c, TcpEvent::Kind::kClosed, error);
  Destroy(c);
}

void Tcp::Impl::Fail(Conn& c, TcpError error) {
  if (c.state == State::kSynReceived && c.passive) {
    ++counters_.accept_failures;  // nobody was told of it yet
    return Destroy(c);
  }
  if (c.syn_in_flight()) {
    ++counters_.connect_failures;
    if (!c.detached) Emit(c, TcpEvent::Kind::kConnectFailed, error);
    return Destroy(c);
  }
  if (error == TcpError::kTimeout) SendRst(c);
  Close(c, error);
}

void Tcp::Impl::EnterTimeWait(Conn& c, Instant now) {
  ++counters_.time_wait_entered;
  Instant until = now + options_.time_wait;
  if (BeganWithCookie(c)) {
    until = std::max(until, cookies_until_);
    c.rtt_sent_at = now;  // this is its guard
  }
  TimeWait* entry = AddTimeWait(c, until);
  entry->window = WindowField(c);
  // The ACK of the peer's FIN.
  Options options;
  if (c.timestamps) options.timestamps = Timestamps{TimestampNow(c, now), c.ts_recent};
  Reply(c.tuple(), c.snd_nxt, c.rcv_nxt, kAck, entry->window, options);
  Close(c, TcpError::kNone);
  ListTimeWait(entry);
}

// What remains of a connection; found by its tuple after ListTimeWait, when that one is gone.
TimeWait* Tcp::Impl::AddTimeWait(const Conn& c, Instant until) {
  if (time_wait_.full()) {
    ++counters_.time_wait_recycled;
    TimeWait* oldest = time_wait_.oldest();
    flows_.Erase(oldest->hash, oldest);
    time_wait_.Remove(oldest);
  }
  TimeWait* entry = time_wait_.Add(until);
  entry->tuple = c.tuple();
  entry->hash = c.hash;
  entry->snd_nxt = c.snd_nxt;
  entry->rcv_nxt = c.rcv_nxt;
  entry->ts_recent = c.ts_recent;
  entry->timestamp_offset = c.timestamp_offset;
  entry->timestamps = c.timestamps;
  entry->window = static_cast<uint16_t>(std::min(c.rcv_wnd() >> c.rcv_wscale, 65'535u));
  return entry;
}

void Tcp::Impl::ListTimeWait(TimeWait* entry) {
  flows_.Insert(entry->hash, FlowTable::Kind::kTimeWait, entry);
  if (!time_wait_timer_.pending()) {
    timers_->Schedule(&time_wait_timer_, time_wait_.oldest()->deadline);
  }
}

void Tcp::Impl::CheckInvariants() {
  uint64_t held = 0;
  uint32_t queues = 0;
  conns_.ForEach([this, &held, &queues](TcpId id, Conn& c) {
    queues += (c.queued_bytes() > 0 ? 1 : 0) + (c.unread_rooms > 0 ? 1 : 0);
    held += c.queued_bytes() + c.unread_rooms;
    if (c.reassembly != nullptr) held += c.reassembly->room_bytes();
    CHECK(IdOf(c) == id);
    const bool syn_out = c.syn_in_flight() && c.snd_nxt != c.iss;
    const bool fin_out = c.fin_sent && c.snd_una != c.snd_nxt;
    CHECK(c.flight() == c.sent() + (syn_out ? 1 : 0) + (fin_out ? 1 : 0));
    CHECK(c.queue.CountBytes() == c.queued_bytes());
    CHECK(!c.fin_sent || c.queue.unsent() == 0);
    CHECK(c.state == State::kSynSent || SeqLessEq(c.rcv_nxt, c.rcv_adv));
    CHECK(c.rcv_unread <= limits::kTcpReceiveWindowBytesMax);
    if (c.loss != nullptr) {
      const SendRanges& ranges = c.loss->ranges;
      CHECK(ranges.una() == c.snd_una && ranges.end() == c.snd_nxt);
      CHECK(ranges.sacked_bytes() + ranges.lost_bytes() <= c.flight());
    } else {
      CHECK(c.flight() == 0 || c.syn_in_flight());
    }
    CHECK(c.holes == (c.reassembly != nullptr));
    if (c.holes) CHECK(c.reassembly->bytes() <= c.rcv_wnd());
    CHECK(c.curve || !c.congestion.cubic.on_curve());
    // Whatever is in flight or waits has something that will move it.
    if (c.flight() > 0 || c.queue.unsent() > 0) CHECK(c.ready || c.timer.pending());
  });
  CHECK(memory_.held() == held);
  CHECK(rooms_.queues() == queues);
}

void Tcp::Impl::SendRst(Conn& c) {
  ++counters_.resets_out;
  Reply(c.tuple(), c.snd_nxt, c.rcv_nxt, kRst | kAck, 0, Options{});
}

}  // namespace meltemi::tcp
