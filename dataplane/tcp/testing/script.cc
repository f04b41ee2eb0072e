#include "dataplane/tcp/testing/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace meltemi::tcp::testing {

std::string Seg::ToString() const {
  std::string s = "[";
  const std::pair<uint8_t, char> names[] = {{kSyn, 'S'}, {kAck, 'A'}, {kFin, 'F'}, {kRst, 'R'},
                                            {kPsh, 'P'}, {kUrg, 'U'}, {kEce, 'E'}, {kCwr, 'W'}};
  for (const auto& [bit, name] : names) {
    if ((flags & bit) != 0) s += name;
  }
  s += "]";
  auto field = [&s](const char* name, auto value) {
    if (value) s += std::string(" ") + name + " " + std::to_string(*value);
  };
  field("seq", seq);
  field("ack", ack);
  field("bytes", text_bytes);
  field("win", window);
  field("mss", mss);
  field("wscale", window_scale);
  field("segsz", tso_segsz);
  field("ecn", ecn);
  if (sack_permitted && *sack_permitted) s += " sackOK";
  if (timestamps) {
    s += " ts " + std::to_string(timestamps->value) + "/" + std::to_string(timestamps->echo);
  }
  if (sack) {
    for (const SeqRange& r : *sack) {
      s += " sack " + std::to_string(r.begin) + "-" + std::to_string(r.end);
    }
  }
  return s;
}

Script::Script(ScriptOptions options) : options_(std::move(options)) {
  const char* local = options_.ipv6 ? "fd00::1" : "10.0.0.1";
  const char* remote = options_.ipv6 ? "fd00::2" : "10.0.0.2";
  tuple_ = {{*IpAddr::Parse(local), 80}, {*IpAddr::Parse(remote), 40'000}};
  tcp_ = std::make_unique<Tcp>(options_.tcp, &pool_, &timers_, &prng_, now_);
}

Script::~Script() {
  for (const Sent& s : sent_) ADD_FAILURE() << "not expected: " << s.seg.ToString();
  events_.clear();
  raw_events_.clear();
  tcp_.reset();
  EXPECT_EQ(pool_.outstanding(), 0) << "packets leaked";
}

SegmentIn Script::Build(const Seg& seg) {
  const uint32_t text = seg.text_bytes.value_or(0);
  packet::Packet* p = pool_.Alloc(text <= 1500 ? packet::kSmall : packet::kLarge);
  CHECK(p != nullptr);
  const uint32_t seq = seg.seq.value_or(peer_nxt_);
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  Options o;
  o.mss = seg.mss;
  o.window_scale = seg.window_scale;
  o.sack_permitted = seg.sack_permitted.value_or(false);
  o.timestamps = seg.timestamps;
  if (seg.sack) {
    for (const SeqRange& r : *seg.sack) {
      o.sack[o.sack_count++] = {r.begin + our_isn_, r.end + our_isn_};
    }
  }
  const int option_bytes = EmitOptions(o, header + kHeaderBytes);
  packet::TrimTo(p, kHeaderBytes + option_bytes);
  for (uint32_t i = 0; i < text; ++i) {
    *packet::Append(p, 1) = static_cast<uint8_t>(ByteAt(seq - 1 + i));
  }
  const uint32_t ack = (seg.flags & kAck) != 0 ? seg.ack.value_or(our_nxt_) + our_isn_ : 0;
  WriteHeader({.tuple = {tuple_.remote, tuple_.local},
               .seq = seq + options_.peer_isn,
               .ack = ack,
               .window = seg.window.value_or(65'535),
               .flags = seg.flags},
              option_bytes, p->pkt_len, header);
  const uint16_t sum = static_cast<uint16_t>(~PacketSum(p));
  header[16] = static_cast<uint8_t>(sum >> 8);
  header[17] = static_cast<uint8_t>(sum ^ (seg.bad_checksum ? 1 : 0));
  const uint32_t end = seq + text + ((seg.flags & (kSyn | kFin)) != 0 ? 1 : 0);
  if ((seg.flags & kRst) == 0 && static_cast<int32_t>(end - peer_nxt_) > 0) peer_nxt_ = end;
  return {.packet = p,
          .source = tuple_.remote,
          .destination = tuple_.local,
          .ecn = seg.ecn.value_or(0)};
}

void Script::Deliver(std::vector<SegmentIn> segments) {
  std::vector<SegmentIn> unmatched;
  tcp_->Receive(segments, now_, &raw_events_, &unmatched);
  for (const SegmentIn& s : unmatched) {
    if (options_.listening) {
      tcp_->Accept(s, options_.path, now_);
    } else {
      tcp_->Reject(s, now_);
    }
  }
  Flush();
}

void Script::Peer(Seg seg) { Deliver({Build(seg)}); }

void Script::PeerBurst(std::vector<Seg> segs) {
  std::vector<SegmentIn> segments;
  for (const Seg& seg : segs) segments.push_back(Build(seg));
  Deliver(std::move(segments));
}

void Script::TakeEvents() {
  std::vector<TcpEvent> events;
  events.swap(raw_events_);
  for (TcpEvent& e : events) {
    if (e.kind == TcpEvent::Kind::kAccepted || e.kind == TcpEvent::Kind::kConnected) id = e.id;
    if (e.kind == TcpEvent::Kind::kData) {
      const std::string text = e.bytes.ToString();
      for (char b : text) {
        if (b != ByteAt(static_cast<uint32_t>(received_++)) && !options_.hostile)
          ADD_FAILURE() << "byte " << received_;
      }
      if (options_.auto_consumed) {
        tcp_->Consumed(e.id, static_cast<uint32_t>(text.size()), now_);
      }
      continue;
    }
    events_.push_back(std::move(e));
  }
}

void Script::Flush() {
  for (int turn = 0; turn < 1000; ++turn) {
    TakeEvents();
    if (!tcp_->transmit_pending()) return;
    std::vector<SegmentOut> out;
    tcp_->Transmit(now_, 64, &out);
    for (const SegmentOut& s : out) Capture(s);
  }
  ADD_FAILURE() << "transmit_pending() never becomes false: the worker would spin";
}

// The bytes of `packet` from `skip` are those of our stream from `offset`.
void Script::CheckText(const packet::Packet* packet, uint32_t skip, uint32_t offset) {
  for (const packet::Packet* part = packet; part != nullptr; part = part->next) {
    for (uint32_t i = 0; i < part->data_len; ++i) {
      if (skip > 0) {
        --skip;
      } else if (static_cast<char>(packet::Data(part)[i]) != ByteAt(offset++) &&
                 !options_.hostile) {
        ADD_FAILURE() << "wrong byte sent at " << offset - 1;
        return;
      }
    }
  }
}

void Script::Capture(const SegmentOut& out) {
  Segment s;
  ASSERT_EQ(ParseSegment(out.packet, {out.source, 0}, {out.destination, 0}, &s), ParseResult::kOk);
  const uint8_t* header = packet::Data(out.packet);
  EXPECT_TRUE(out.source == tuple_.local.ip && out.destination == tuple_.remote.ip);
  EXPECT_EQ(packet::Headroom(out.packet), packet::kHeadroom);
  EXPECT_TRUE((out.packet->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0);
  const auto sum = static_cast<uint16_t>((header[16] << 8) | header[17]);
  EXPECT_EQ(sum, PseudoHeaderSum(out.source, out.destination, out.packet->pkt_len))
      << "the checksum field holds the pseudo-header sum with the length";
  if (s.has(kSyn)) {
    our_isn_ = s.seq;
    isn_known_ = true;
  }
  Sent sent;
  sent.seg.flags = s.flags;
  // A RST for no connection carries the peer's idea of our numbers: absolute when we have none.
  sent.seg.seq = isn_known_ ? s.seq - our_isn_ : s.seq;
  if (s.has(kAck)) sent.seg.ack = s.ack - options_.peer_isn;
  sent.seg.text_bytes = s.text_bytes;
  sent.seg.window = s.window;
  sent.seg.mss = s.options.mss;
  sent.seg.window_scale = s.options.window_scale;
  sent.seg.timestamps = s.options.timestamps;
  sent.seg.sack_permitted = s.options.sack_permitted;
  sent.seg.sack.emplace();
  for (int i = 0; i < s.options.sack_count; ++i) {
    sent.seg.sack->push_back(
        {s.options.sack[i].begin - options_.peer_isn, s.options.sack[i].end - options_.peer_isn});
  }
  const bool super = (out.packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
  sent.seg.ecn = out.ecn;
  sent.seg.tso_segsz = super ? out.packet->tso_segsz : 0;
  if (!super && !s.has(kSyn)) {
    EXPECT_LE(s.text_bytes + s.text_offset, 1500u - 20);
  }
  const uint32_t end = *sent.seg.seq + s.length();
  if (!s.has(kRst) && static_cast<int32_t>(end - our_nxt_) > 0) our_nxt_ = end;
  CheckText(out.packet, s.text_offset, *sent.seg.seq - 1);
  pool_.Free(out.packet);
  sent_.push_back(std::move(sent));
}

void Script::Expect(Seg want) {
  if (sent_.empty()) {
    ADD_FAILURE() << "nothing was sent; expected " << want.ToString();
    return;
  }
  const Seg got = std::move(sent_.front().seg);
  sent_.pop_front();
  auto same = [](const auto& w, const auto& g) { return !w || (g && *w == *g); };
  // PSH is compared only when asked for.
  const uint8_t mask = (want.flags & kPsh) != 0 ? 0xff : static_cast<uint8_t>(~kPsh);
  const bool ok = (want.flags & mask) == (got.flags & mask) && same(want.seq, got.seq) &&
                  same(want.ack, got.ack) && same(want.text_bytes, got.text_bytes) &&
                  same(want.window, got.window) && same(want.mss, got.mss) &&
                  same(want.window_scale, got.window_scale) &&
                  same(want.timestamps, got.timestamps) &&
                  same(want.sack_permitted, got.sack_permitted) && same(want.sack, got.sack) &&
                  same(want.tso_segsz, got.tso_segsz) && same(want.ecn, got.ecn);
  if (!ok) ADD_FAILURE() << "expected " << want.ToString() << "\n     got " << got.ToString();
}

Seg Script::PopSent() {
  CHECK(!sent_.empty());
  Seg seg = std::move(sent_.front().seg);
  sent_.pop_front();
  return seg;
}

void Script::ExpectNothing() {
  for (const Sent& s : sent_) ADD_FAILURE() << "not expected: " << s.seg.ToString();
  sent_.clear();
}

void Script::Wait(Duration d) {
  const Instant end = now_ + d;
  while (timers_.NextDeadline() <= end) {
    now_ = std::max(now_, timers_.NextDeadline());
    timers_.Advance(now_, [this](Timer& t) { tcp_->OnTimer(t, now_, &raw_events_); });
    Flush();
  }
  now_ = end;
  timers_.Advance(now_, [this](Timer& t) { tcp_->OnTimer(t, now_, &raw_events_); });
  Flush();
}

void Script::Accept(Seg syn) {
  const bool ts = syn.timestamps.has_value();
  Peer(syn);
  Expect(SynAck());
  Seg ack = Ack(1).At(1);
  if (ts) ack.timestamps = Timestamps{syn.timestamps->value, 1};
  Peer(ack);
  ExpectEvent(TcpEvent::Kind::kAccepted);
}

TcpId Script::StartConnect(Instant deadline) {
  id = tcp_->Connect(tuple_, options_.path, 7, deadline, now_);
  EXPECT_TRUE(id.valid());
  Flush();
  return id;
}

void Script::Connect(Seg syn_ack) {
  StartConnect();
  Expect(Syn());
  Peer(syn_ack);
  Expect(Ack(1).At(1));
  ExpectEvent(TcpEvent::Kind::kConnected);
}

void Script::Send(uint32_t bytes) {
  Chain chain;
  std::string text;
  for (uint32_t i = 0; i < bytes; ++i) text += ByteAt(queued_ + i);
  queued_ += bytes;
  CHECK(AppendCopy(&pool_, text, &chain));
  tcp_->Send(id, std::move(chain), now_);
  Flush();
}

void Script::Icmp(uint32_t seq, bool hard, uint32_t mtu) {
  tcp_->OnIcmp(tuple_.local, tuple_.remote, seq + our_isn_, hard, mtu, now_, &raw_events_);
  Flush();
}

void Script::AbortAddress() {
  tcp_->AbortAddress(tuple_.remote.ip, now_, &raw_events_);
  Flush();
}

void Script::ExpectEvent(TcpEvent::Kind kind, TcpError error) {
  if (events_.empty()) {
    ADD_FAILURE() << "no event; expected kind " << static_cast<int>(kind);
    return;
  }
  EXPECT_EQ(static_cast<int>(events_.front().kind), static_cast<int>(kind));
  EXPECT_EQ(static_cast<int>(events_.front().error), static_cast<int>(error));
  events_.pop_front();
}

void Script::ExpectNoEvent() {
  for (const TcpEvent& e : events_) ADD_FAILURE() << "event of kind " << static_cast<int>(e.kind);
  events_.clear();
}

}  // namespace meltemi::tcp::testing
