// What goes out, pulled by Transmit: SYN, lost bytes, new bytes, probes, ACKs. RFC 9293 3.8, 5681,
// 6675.
#include <algorithm>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

constexpr uint32_t kCopyMax = 512;  // shorter text is copied behind the header, longer is borrowed
constexpr uint8_t kEcnEct0 = 2;     // ECN-capable transport, RFC 3168 5

}  // namespace

void Tcp::Impl::Output(Conn& c, Instant now, int* room) {
  if (c.syn_in_flight()) {
    if (c.syn_now) {
      if (SendSyn(c, now)) --*room;
      return;
    }
    // Nothing but an ACK for an unacceptable segment may leave before the handshake is over.
    if (c.ack_now && c.state == State::kSynReceived) {
      if (!SendBare(c, c.snd_nxt, kAck, now)) return;
      ++counters_.acks_out;
      --*room;
    }
    c.ack_now = false;
    c.ready = false;
    return;
  }
  if (!text_held_) {
    if (c.loss != nullptr) {
      if (!SendLost(c, now, room)) return;
      if (c.loss->tlp_due && !SendProbe(c, now, room)) return;
    }
    if (!SendNew(c, now, room)) return;
  }
  if (c.probe_now && *room > 0) {
    // RFC 9293 3.8.6.1: an old sequence number makes the peer answer with its window.
    if (!SendBare(c, c.snd_una - 1, kAck, now)) return;
    c.probe_now = false;
    --*room;
  }
  if (c.ack_now && *room > 0) {
    if (!SendBare(c, c.snd_nxt, kAck, now)) return;
    ++counters_.acks_out;
    --*room;
  }
  if (*room > 0 && !c.ack_now && !c.probe_now && !text_held_) c.ready = false;
}

// SYN or SYN-ACK. What we offer: MSS, window scale, SACK, timestamps; in a SYN-ACK only what the
// peer offered (RFC 7323 2.2, 3.2).
bool Tcp::Impl::SendSyn(Conn& c, Instant now) {
  packet::Packet* p = pool_->Alloc();
  if (p == nullptr) {
    ++counters_.pool_exhausted;
    return false;
  }
  const bool answer = c.state == State::kSynReceived;
  Options o;
  const uint32_t ip_bytes = c.remote_ip().v4() ? 20 : 40;
  o.mss = static_cast<uint16_t>(c.link_mtu - ip_bytes - kHeaderBytes);
  o.sack_permitted = !answer || c.sack;
  if (!answer || c.rcv_wscale > 0) o.window_scale = kRcvWscale;
  if (!answer || c.timestamps) {
    o.timestamps = Timestamps{TimestampNow(c, now), answer ? c.ts_recent : 0};
  }
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  const int option_bytes = EmitOptions(o, header + kHeaderBytes);
  packet::TrimTo(p, kHeaderBytes + option_bytes);
  const uint16_t window = static_cast<uint16_t>(std::min(WindowWanted(c), 65'535u));
  uint8_t flags = answer ? kSyn | kAck : kSyn;
  if (answer && c.ecn) flags |= kEce;  // RFC 3168 6.1.1
  if (!answer && AsksForEcn(c)) flags |= kEce | kCwr;
  WriteHeader({.tuple = c.tuple(),
               .seq = c.iss,
               .ack = answer ? c.rcv_nxt : 0,
               .window = window,
               .flags = flags},
              option_bytes, kHeaderBytes + option_bytes, header);
  if (answer) c.rcv_adv = c.rcv_nxt + window;
  p->l4_len = kHeaderBytes + option_bytes;
  FinishPacket(c, p);
  c.syn_now = false;
  c.rtt_sent_at = now;
  c.snd_nxt = c.iss + 1;
  RestartRetransmit(c, now);
  c.ready = false;
  return true;
}

// How many new bytes the windows and silly-window avoidance (RFC 9293 3.8.6.2.1, Nagle off) let
// out. Corked, what is no whole segment waits as if the window were short of it.
uint32_t Tcp::Impl::NewBytesAllowed(Conn& c) const {
  const uint32_t queued = c.queue.unsent();
  const uint32_t pipe = c.pipe();
  const uint32_t cwnd = c.congestion.cwnd > pipe ? c.congestion.cwnd - pipe : 0;
  // RFC 3042 (limited transmit) follows from pipe(): each duplicate ACK takes one segment out of
  // it.
  const uint32_t window = c.usable_window();
  const uint32_t allowed = std::min({queued, window, cwnd});
  if (allowed == queued && !c.corked) return allowed;  // all there is: no reason to wait
  const uint32_t smss = c.smss();
  if (allowed >= smss) return allowed - allowed % smss;
  if (c.push_window || (allowed > 0 && allowed >= c.snd_wnd_max() / 2)) return allowed;
  return 0;
}

// False: no packet memory.
bool Tcp::Impl::SendNew(Conn& c, Instant now, int* room) {
  bool sent = false;
  while (*room > 0) {
    uint32_t bytes = NewBytesAllowed(c);
    const bool fin_only = c.queue.unsent() == 0 && c.fin_unsent();
    if (bytes == 0 && !fin_only) break;
    if (c.flight() == 0 && bytes > 0 && BeginFlight(c, now)) bytes = NewBytesAllowed(c);
    const uint32_t smss = c.smss();
    if (bytes > smss) {
      const uint32_t whole = c.ecn_cwr ? 0 : c.super_frame_segments * smss;
      bytes = std::min(bytes, std::max(smss, whole));
    }
    if (!SendNewText(c, bytes, now)) {
      // Counted as sent and lost: a timer brings it when there is memory again.
      Arm(c, now);
      return false;
    }
    sent = true;
    --*room;
  }
  // Whether the window is what holds us back is seen when it is used, and holds until it is again.
  const bool more = c.queue.unsent() > 0;
  if (sent || more) {
    c.cwnd_limited = more && c.usable_window() >= c.smss() && !HeldByCork(c);
  }
  if (sent) ScheduleProbe(c, now);
  // Nothing in flight and still something to say: the window is shut. Persist (RFC 9293 3.8.6.1).
  if (c.flight() == 0 && more && c.retransmit_at().never() && *room > 0) {
    RestartRetransmit(c, now);
    Arm(c, now);
  }
  return true;
}

// The first text after a pause. True: the window is smaller after it.
bool Tcp::Impl::BeginFlight(Conn& c, Instant now) {
  if (c.congestion.last_sent_at.never()) return false;  // the first ever
  const Duration idle = now - c.congestion.last_sent_at;
  if (idle <= options_.rto_min) {  // the RTO is not less
    // To a unit of last_sent_at; of many pauses the sum is right.
    if (c.curve) c.congestion.cubic.SkipIdle(idle);
    return false;
  }
  if (!c.congestion.OnIdle(c.smss(), idle, Timeout(c))) return false;
  ++counters_.idle_restarts;
  return true;
}

// The first `bytes` of what is unsent, and the FIN when it follows them. False: no packet memory.
bool Tcp::Impl::SendNewText(Conn& c, uint32_t bytes, Instant now) {
  LossState& loss = Loss(c);
  const uint32_t seq = c.snd_nxt;
  const bool first = c.flight() == 0;
  const bool fin = c.fin_unsent() && bytes == c.queue.unsent();
  const uint32_t before = c.sent();
  const SendPlace text = c.queue.Unsent(before, c.split);
  c.queue.MarkSent(bytes, before, &c.split);
  const uint32_t length = bytes + (fin ? 1 : 0);
  c.snd_nxt += length;
  loss.ranges.Sent(c.snd_nxt, now);
  if (loss.reducing()) loss.prr.OnSent(length);
  uint8_t flags = kAck;
  if (fin) {
    flags |= kFin;
    c.fin_sent = true;
    if (c.state == State::kEstablished) c.state = State::kFinWait1;
    if (c.state == State::kCloseWait) c.state = State::kLastAck;
  }
  const bool last = c.queue.unsent() == 0 && !c.corked;
  if (bytes > 0 && (last || c.loss->tlp_open)) flags |= kPsh;
  if (bytes > 0 && c.ecn_cwr) flags |= kCwr;
  const uint8_t ecn = c.ecn && bytes > 0 ? kEcnEct0 : 0;
  const bool sent = SendText(c, seq, text, bytes, flags, ecn, now);
  if (first || c.retransmit_at().never()) RestartRetransmit(c, now);
  if (!sent) return false;
  if ((flags & kCwr) != 0) {
    c.ecn_cwr = false;
    ++counters_.ecn_cwr_out;
  }
  counters_.bytes_out += bytes;
  c.push_window = false;
  return true;
}

// A packet with `bytes` of the queue from `from` on.
bool Tcp::Impl::SendText(Conn& c, uint32_t seq, SendPlace from, uint32_t bytes, uint8_t flags,
                         uint8_t ecn, Instant now) {
  packet::Packet* p = StartPacket(c, seq, flags, bytes, now);
  if (p == nullptr) return false;
  if (bytes > 0 && !pool_->AppendBytes(p, from.node, from.offset, bytes, kCopyMax)) {
    ++counters_.pool_exhausted;
    pool_->Free(p);
    return false;
  }
  if (bytes > 0 && now - c.last_heard_at <= options_.delayed_ack) c.interactive = true;
  if (bytes > c.smss()) {
    p->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    p->tso_segsz = static_cast<uint16_t>(c.smss());
    ++counters_.super_frames_out;
  }
  c.congestion.last_sent_at = now;
  return FinishPacket(c, p, ecn);
}

bool Tcp::Impl::SendBare(Conn& c, uint32_t seq, uint8_t flags, Instant now) {
  packet::Packet* p = StartPacket(c, seq, flags, 0, now);
  return p != nullptr && FinishPacket(c, p);
}

// A packet with its header; the text follows. Carries the ACK, so none is due after it.
packet::Packet* Tcp::Impl::StartPacket(Conn& c, uint32_t seq, uint8_t flags, uint32_t text_bytes,
                                       Instant now) {
  packet::Packet* p = pool_->Alloc();
  if (p == nullptr) {
    ++counters_.pool_exhausted;
    return nullptr;
  }
  Options o;
  if (c.timestamps) o.timestamps = Timestamps{TimestampNow(c, now), c.ts_recent};
  c.ack_now = false;
  if (c.sack && c.holes) AddSackBlocks(c, text_bytes, &o);
  if (c.ecn_echo) flags |= kEce;
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  const int option_bytes = EmitOptions(o, header + kHeaderBytes);
  packet::TrimTo(p, kHeaderBytes + option_bytes);
  WriteHeader(
      {.tuple = c.tuple(), .seq = seq, .ack = c.rcv_nxt, .window = WindowField(c), .flags = flags},
      option_bytes, kHeaderBytes + option_bytes + text_bytes, header);
  p->l4_len = kHeaderBytes + option_bytes;
  c.last_ack_sent = c.rcv_nxt;
  UndelayAck(c);
  return p;
}

// Text leaves no room for blocks: of what has come twice an ACK tells that follows it.
void Tcp::Impl::AddSackBlocks(Conn& c, uint32_t text_bytes, Options* o) {
  if (text_bytes > 0) {
    c.ack_now = c.reassembly->duplicate_noted();
    return;
  }
  if (c.reassembly->duplicate_noted()) ++counters_.dsacks_out;
  o->sack_count = static_cast<uint8_t>(
      c.reassembly->TakeSackBlocks(std::span(o->sack).first(c.timestamps ? 3 : 4)));
  if (c.reassembly->needless()) DropReassembly(c);
}

bool Tcp::Impl::FinishPacket(Conn& c, packet::Packet* p, uint8_t ecn) {
  p->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  ++counters_.segments_out;
  const FourTuple tuple = c.tuple();
  out_->push_back(
      {.packet = p, .source = tuple.local.ip, .destination = tuple.remote.ip, .ecn = ecn});
  return true;
}

// The right edge never moves back (RFC 9293 3.8.6: no shrinking), and forward by a segment or half
// of the whole at least (3.8.6.2.2: the receiver's silly-window avoidance).
uint16_t Tcp::Impl::WindowField(Conn& c) {
  uint32_t edge = c.rcv_nxt + WindowWanted(c);
  uint32_t step = std::min<uint32_t>(c.rcv_mss, RcvLimit(c) / 2);
  if (rooms_.pressed()) step = std::min(step, kRoomTextBytes / 2);
  if (SeqLess(edge, c.rcv_adv) || edge - c.rcv_adv < step) edge = c.rcv_adv;
  const uint32_t field = std::min((edge - c.rcv_nxt) >> c.rcv_wscale, 65'535u);
  c.rcv_adv = SeqMax(c.rcv_adv, c.rcv_nxt + (field << c.rcv_wscale));
  return static_cast<uint16_t>(field);
}

// Receiver's silly-window avoidance (RFC 9293 3.8.6.2.2): an ACK only for the window when it opens
// by a quarter of the whole, or from shut to two segments.
void Tcp::Impl::MaybeUpdateWindow(Conn& c, Instant now) {
  (void)now;
  // What a header can say bounds what there is to tell.
  const uint32_t wanted = std::min(WindowWanted(c), 65'535u << c.rcv_wscale);
  const uint32_t have = c.rcv_wnd();
  if (wanted <= have) return;
  bool much = wanted - have >= std::min(RcvLimit(c), 65'535u << c.rcv_wscale) / 4;
  // Of a window of one room, half is enough for a peer that avoids silly ones as well.
  if (rooms_.pressed()) much |= wanted - have >= std::max(wanted, kRoomTextBytes) / 2;
  const bool opens = have < c.rcv_mss && wanted >= 2u * c.rcv_mss;
  if (!much && !opens) return;
  ++counters_.window_updates;
  c.ack_now = true;
  MakeReady(c);
}

}  // namespace meltemi::tcp
