#include "test/conformance/tcp/harness.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace meltemi::tcp::conformance {
namespace {

// A timer fires at most one tick (66 us, timer_wheel.h) late; timers that follow each other add up.
constexpr Duration kLateMax = Duration::Millis(1);

}  // namespace

Exchange::Exchange(Setup setup) : setup_(std::move(setup)) {
  const char* local = setup_.ipv6 ? "fd00::1" : "10.0.0.1";
  const char* remote = setup_.ipv6 ? "fd00::2" : "10.0.0.2";
  tuple_ = {{*IpAddr::Parse(local), 80}, {*IpAddr::Parse(remote), 40'000}};
  tcp_ = std::make_unique<Tcp>(setup_.tcp, &pool_, &timers_, &prng_, now_);
}

Exchange::~Exchange() {
  ExpectNothing();
  ExpectNoEvent();
  if (failed_ || ::testing::Test::HasFailure()) std::cerr << "the exchange:\n" << trace_;
  raw_events_.clear();
  tcp_.reset();
  EXPECT_EQ(pool_.outstanding(), 0) << "packets leaked";
}

void Exchange::Note(const std::string& line) {
  absl::StrAppendFormat(&trace_, "%12.6f %s\n", now().seconds(), line);
}

void Exchange::Fail(const std::string& why) {
  failed_ = true;
  Note("!!! " + why);
  ADD_FAILURE() << "at " << now().seconds() << " s: " << why;
}

void Exchange::RunTo(Instant end) {
  auto fire = [this](Timer& t) { tcp_->OnTimer(t, now_, &raw_events_); };
  while (timers_.NextDeadline() <= end) {
    now_ = std::max(now_, timers_.NextDeadline());
    timers_.Advance(now_, fire);
    Flush();
  }
  now_ = std::max(now_, end);
  timers_.Advance(now_, fire);
  Flush();
}

Exchange& Exchange::At(Duration since_start) {
  if (kStart + since_start + kLateMax < now_) Fail("the script goes back in time");
  ExpectNothing();
  RunTo(kStart + since_start);
  return *this;
}

Exchange& Exchange::After(Duration d) { return At(now() + d); }

Exchange& Exchange::ExpectNothing() {
  if (!sent_.empty()) {
    Fail(absl::StrCat("not expected: ", sent_.front().packet.ToString(), ", the first of ",
                      sent_.size()));
  }
  sent_.clear();
  return *this;
}

Exchange& Exchange::ExpectNothing(Duration until_start) {
  At(until_start);
  return ExpectNothing();
}

Exchange& Exchange::Forget() {
  sent_.clear();
  expected_nxt_ = our_nxt_;
  expected_ack_ = our_ack_;
  return *this;
}

Packet Exchange::Take() {
  CHECK(!sent_.empty());
  Packet packet = std::move(sent_.front().packet);
  sent_.pop_front();
  return packet;
}

Exchange& Exchange::Expect(Packet want) {
  if ((want.flags & kAck) != 0 && !want.ack) want.ack = expected_ack_;
  if (!want.seq) want.seq = expected_nxt_;
  const Instant latest = now_ + kLateMax;
  while (sent_.empty() && timers_.NextDeadline() <= latest) RunTo(timers_.NextDeadline());
  if (sent_.empty()) {
    Fail("nothing was sent; expected " + want.ToString());
    return *this;
  }
  const Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (now_ - sent.at > kLateMax) {
    Fail(absl::StrCat("sent at ", (sent.at - kStart).seconds(), " s: ", sent.packet.ToString()));
  }
  const std::string why = Difference(want, sent.packet);
  if (!why.empty()) {
    Fail(absl::StrCat("differs in", why, "\n  expected ", want.ToString(), "\n       got ",
                      sent.packet.ToString()));
  }
  if ((want.flags & kRst) != 0) return *this;
  const uint32_t end = *want.seq + want.length();
  if (static_cast<int32_t>(end - expected_nxt_) > 0) expected_nxt_ = end;
  if (want.ack) expected_ack_ = *want.ack;
  return *this;
}

SegmentIn Exchange::Build(const Packet& said) {
  packet::Packet* p = pool_.Alloc(said.text_bytes <= 1500 ? packet::kSmall : packet::kLarge);
  CHECK(p != nullptr);
  Packet s = said;
  if (!s.seq) s.seq = peer_nxt_;
  if ((s.flags & kAck) != 0 && !s.ack) s.ack = our_nxt_;
  if (!s.window) s.window = 65'535;
  if (peer_clock_ && !s.ts && !s.no_ts && (s.flags & kRst) == 0) {
    s.ts = Timestamps{*peer_clock_ + static_cast<uint32_t>(now().nanos() / 1'000'000), our_ts_};
  }
  Note("< " + s.ToString());
  Options o;
  o.mss = s.mss;
  o.window_scale = s.scale;
  o.sack_permitted = s.sack_ok.value_or(false);
  if (s.ts) {
    o.timestamps = Timestamps{s.ts->value, isn_known_ ? s.ts->echo + clock_offset_ : s.ts->echo};
  }
  for (const SeqRange& r : s.sack) {
    o.sack[o.sack_count++] = {r.begin + our_isn_, r.end + our_isn_};
  }
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  int option_bytes = EmitOptions(o, header + kHeaderBytes);
  if (!s.raw_options.empty()) {
    std::copy(s.raw_options.begin(), s.raw_options.end(), header + kHeaderBytes);
    option_bytes = static_cast<int>(s.raw_options.size());
    CHECK(option_bytes % 4 == 0 && option_bytes <= kOptionBytesMax);
  }
  packet::TrimTo(p, static_cast<uint32_t>(kHeaderBytes + option_bytes));
  const uint32_t text_at = *s.seq + ((s.flags & kSyn) != 0 ? 1 : 0);
  for (uint32_t i = 0; i < s.text_bytes; ++i) {
    *packet::Append(p, 1) = static_cast<uint8_t>(ByteAt(text_at - 1 + i));
  }
  WriteHeader({.tuple = {tuple_.remote, tuple_.local},
               .seq = *s.seq + setup_.peer_isn,
               .ack = s.ack && (s.flags & kAck) != 0 ? *s.ack + our_isn_ : 0,
               .window = *s.window,
               .flags = s.flags},
              option_bytes, p->pkt_len, header);
  if (s.data_offset) header[12] = static_cast<uint8_t>(*s.data_offset << 4);
  header[18] = static_cast<uint8_t>(s.urgent >> 8);
  header[19] = static_cast<uint8_t>(s.urgent);
  // The field holds the pseudo-header's sum: over all, its complement is the checksum.
  const auto sum = static_cast<uint16_t>(~PacketSum(p));
  header[16] = static_cast<uint8_t>(sum >> 8);
  header[17] = static_cast<uint8_t>(sum ^ (s.bad_checksum ? 1 : 0));
  if (s.cut_to) packet::TrimTo(p, *s.cut_to);
  const uint32_t end = *s.seq + s.length();
  if ((s.flags & kRst) == 0 && static_cast<int32_t>(end - peer_nxt_) > 0) peer_nxt_ = end;
  return {
      .packet = p, .source = tuple_.remote, .destination = tuple_.local, .ecn = s.ecn.value_or(0)};
}

void Exchange::Deliver(const std::vector<SegmentIn>& segments) {
  std::vector<SegmentIn> unmatched;
  tcp_->Receive(segments, now_, &raw_events_, &unmatched);
  for (const SegmentIn& s : unmatched) {
    if (setup_.listening) {
      tcp_->Accept(s, setup_.path, now_);
    } else {
      tcp_->Reject(s, now_);
    }
  }
  Flush();
}

Exchange& Exchange::Peer(Packet packet) {
  Deliver({Build(packet)});
  return *this;
}

uint32_t Exchange::FillWindow() {
  for (int i = 0; i < 10'000 && peer_nxt_ != our_edge_; ++i) {
    Peer(Data(peer_nxt_, std::min(our_edge_ - peer_nxt_, 1460u)));
    if (peer_nxt_ == our_edge_) RunTo(now_ + Duration::Millis(50));  // a delayed ACK may be due
  }
  if (our_ack_ != our_edge_) Fail("the window does not shut");
  Forget();
  return peer_nxt_;
}

Exchange& Exchange::PeerBurst(std::vector<Packet> packets) {
  std::vector<SegmentIn> segments;
  for (const Packet& packet : packets) segments.push_back(Build(packet));
  Deliver(segments);
  return *this;
}

void Exchange::Flush() {
  for (int turn = 0; turn < 1000; ++turn) {
    TakeEvents();
    if (!tcp_->transmit_pending()) {
      tcp_->CheckInvariants();
      return;
    }
    std::vector<SegmentOut> out;
    tcp_->Transmit(now_, 64, &out);
    for (const SegmentOut& s : out) Capture(s);
  }
  Fail("transmit_pending() never becomes false");
}

Packet Exchange::Relative(const Segment& s) const {
  Packet got;
  got.flags = s.flags;
  got.seq = isn_known_ ? s.seq - our_isn_ : s.seq;
  if (s.has(kAck)) got.ack = s.ack - setup_.peer_isn;
  got.text_bytes = s.text_bytes;
  got.window = s.window;
  got.mss = s.options.mss;
  got.scale = s.options.window_scale;
  got.sack_ok = s.options.sack_permitted;
  if (s.options.timestamps) {
    got.ts = Timestamps{s.options.timestamps->value - clock_offset_, s.options.timestamps->echo};
  }
  for (int i = 0; i < s.options.sack_count; ++i) {
    const SeqRange& r = s.options.sack[i];
    got.sack.push_back({r.begin - setup_.peer_isn, r.end - setup_.peer_isn});
  }
  return got;
}

void Exchange::Capture(const SegmentOut& out) {
  Segment s;
  ASSERT_EQ(ParseSegment(out.packet, {out.source, 0}, {out.destination, 0}, &s), ParseResult::kOk);
  EXPECT_TRUE(out.source == tuple_.local.ip && out.destination == tuple_.remote.ip);
  if (s.has(kSyn)) {
    our_isn_ = s.seq;
    isn_known_ = true;
    if (s.options.timestamps) {
      clock_offset_ =
          s.options.timestamps->value - static_cast<uint32_t>(now().nanos() / 1'000'000);
    }
  }
  Packet got = Relative(s);
  got.ecn = out.ecn;
  if (got.ts) our_ts_ = got.ts->value;
  if (!s.has(kRst)) {
    const uint32_t end = *got.seq + got.length();
    if (static_cast<int32_t>(end - our_nxt_) > 0) our_nxt_ = end;
    if (got.ack) our_ack_ = *got.ack;
    if (s.has(kSyn)) our_scale_ = got.scale.value_or(0);
    our_edge_ = our_ack_ + (uint32_t{s.window} << (s.has(kSyn) ? 0 : our_scale_));
  }
  CheckText(out.packet, s.text_offset, *got.seq - 1);
  pool_.Free(out.packet);
  Note("> " + got.ToString());
  sent_.push_back({std::move(got), now_});
}

void Exchange::CheckText(const packet::Packet* packet, uint32_t skip, uint32_t offset) {
  for (const packet::Packet* part = packet; part != nullptr; part = part->next) {
    for (uint32_t i = 0; i < part->data_len; ++i) {
      if (skip > 0) {
        --skip;
      } else if (static_cast<char>(packet::Data(part)[i]) != ByteAt(offset++)) {
        return Fail(absl::StrCat("a wrong byte was sent at ", offset));
      }
    }
  }
}

void Exchange::TakeEvents() {
  for (TcpEvent& e : std::exchange(raw_events_, {})) {
    if (e.kind == Kind::kAccepted || e.kind == Kind::kConnected) id_ = e.id;
    if (e.kind != Kind::kData) {
      Note("  " + EventName(e.kind, e.error));
      events_.push_back(std::move(e));
      continue;
    }
    Note(absl::StrCat("  data ", e.bytes.size()));
    const auto bytes = static_cast<uint32_t>(e.bytes.size());
    for (char b : e.bytes.ToString()) {
      if (b != ByteAt(received_++)) Fail(absl::StrCat("a wrong byte was delivered at ", received_));
    }
    if (setup_.reader == Reader::kPrompt) tcp_->Consumed(e.id, bytes, now_);
  }
}

}  // namespace meltemi::tcp::conformance
