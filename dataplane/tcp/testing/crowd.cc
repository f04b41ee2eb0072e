#include "dataplane/tcp/testing/crowd.h"

#include <algorithm>
#include <cstring>

#include "l7/base/check.h"

namespace meltemi::tcp::testing {
namespace {

const SockAddr kServer{IpAddr::V4(0x0a00'0001), 80};
constexpr size_t kBurst = 32;

}  // namespace

Crowd::Crowd(const TcpOptions& options, const packet::SegmentCounts& packets)
    : pool_(packets, nullptr), tcp_(options, &pool_, &timers_, &prng_, now_) {}

Crowd::~Crowd() {
  for (const auto& [id, bytes] : kept_) tcp_.Abort(id, now_);
  kept_.clear();
}

SegmentIn Crowd::Build(const SockAddr& peer, const Say& say) {
  packet::Packet* p = pool_.Alloc(say.text_bytes <= 1500 ? packet::kSmall : packet::kLarge);
  CHECK(p != nullptr);
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  const int option_bytes = EmitOptions(say.options, header + kHeaderBytes);
  packet::TrimTo(p, kHeaderBytes + option_bytes);
  if (say.text_bytes > 0) {
    std::memset(packet::Append(p, static_cast<uint16_t>(say.text_bytes)), fill, say.text_bytes);
  }
  WriteHeader({.tuple = {peer, kServer},
               .seq = say.seq,
               .ack = say.ack,
               .window = say.window,
               .flags = say.flags},
              option_bytes, p->pkt_len, header);
  return {.packet = p, .source = peer, .destination = kServer, .checksum_trusted = true};
}

void Crowd::From(const SockAddr& peer, const Say& say) { Deliver({Build(peer, say)}); }

void Crowd::FromAll(const std::vector<std::pair<SockAddr, Say>>& said) {
  for (size_t at = 0; at < said.size(); at += kBurst) {
    std::vector<SegmentIn> burst;
    for (size_t i = at; i < std::min(at + kBurst, said.size()); ++i) {
      burst.push_back(Build(said[i].first, said[i].second));
    }
    Deliver(burst);
  }
}

void Crowd::Deliver(const std::vector<SegmentIn>& segments) {
  std::vector<SegmentIn> unmatched;
  tcp_.Receive(segments, now_, &events_, &unmatched);
  for (const SegmentIn& s : unmatched) tcp_.Accept(s, {}, now_);
  Flush();
}

void Crowd::TakeEvents() {
  for (TcpEvent& e : std::exchange(events_, {})) {
    switch (e.kind) {
      case TcpEvent::Kind::kAccepted:
        accepted_[tcp_.tuple(e.id).remote] = e.id;
        break;
      case TcpEvent::Kind::kData:
        received_ += e.bytes.size();
        if (reading) {
          tcp_.Consumed(e.id, static_cast<uint32_t>(e.bytes.size()), now_);
        } else {
          kept_.emplace_back(e.id, std::move(e.bytes));
        }
        break;
      case TcpEvent::Kind::kClosed:
        ++closed_;
        break;
      case TcpEvent::Kind::kConnected:
      case TcpEvent::Kind::kConnectFailed:
      case TcpEvent::Kind::kEof:
      case TcpEvent::Kind::kSendSpace:
        break;
    }
  }
}

void Crowd::Read() {
  for (auto& [id, bytes] : std::exchange(kept_, {})) {
    tcp_.Consumed(id, static_cast<uint32_t>(bytes.size()), now_);
  }
  Flush();
}

std::string Crowd::KeptText() const {
  std::string text;
  for (const auto& [id, bytes] : kept_) text += bytes.ToString();
  return text;
}

void Crowd::Flush() {
  for (;;) {
    TakeEvents();
    if (!tcp_.transmit_pending()) return;
    std::vector<SegmentOut> out;
    tcp_.Transmit(now_, 256, &out);
    for (const SegmentOut& o : out) {
      Segment s;
      CHECK(ParseSegment(o.packet, {o.source, 0}, {o.destination, 0}, &s) == ParseResult::kOk);
      const uint8_t* header = packet::Data(o.packet);
      const auto port = static_cast<uint16_t>(header[2] << 8 | header[3]);
      heard_.push_back(
          {{o.destination, port}, s.flags, s.seq, s.ack, s.window, s.text_bytes, s.options});
      pool_.Free(o.packet);
    }
  }
}

void Crowd::Wait(Duration d) {
  Flush();  // what was called for since the last segment
  const Instant end = now_ + d;
  while (timers_.NextDeadline() <= end) {
    now_ = std::max(now_, timers_.NextDeadline());
    timers_.Advance(now_, [this](Timer& t) { tcp_.OnTimer(t, now_, &events_); });
    Flush();
  }
  now_ = end;
}

std::optional<Link> Crowd::Open(const SockAddr& peer, uint32_t isn, const Options& syn) {
  const std::vector<Heard> before = Take();
  From(peer, {.flags = kSyn, .seq = isn, .options = syn});
  std::optional<Heard> answer;
  for (const Heard& h : Take()) {
    if (h.to == peer && h.flags == (kSyn | kAck)) answer = h;
  }
  heard_ = before;
  if (!answer) return std::nullopt;
  Say third{.flags = kAck, .seq = isn + 1, .ack = answer->seq + 1};
  if (syn.timestamps) {
    third.options.timestamps = Timestamps{syn.timestamps->value, answer->options.timestamps->value};
  }
  From(peer, third);
  const auto found = accepted_.find(peer);
  if (found == accepted_.end()) return std::nullopt;
  return Link{peer, found->second, isn + 1, answer->seq + 1};
}

}  // namespace meltemi::tcp::testing
