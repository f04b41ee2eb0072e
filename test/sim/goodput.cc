#include "test/sim/goodput.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "l7/base/check.h"

namespace meltemi::sim {
namespace {

const SockAddr kSender{*IpAddr::Parse("10.0.0.1"), 40'000};
const SockAddr kReceiver{*IpAddr::Parse("10.0.0.2"), 80};
constexpr size_t kWriteBytes = 16'000;
constexpr size_t kIpBytes = 20;
constexpr int kBurst = 64;
constexpr uint8_t kSyn = 2, kNop = 1, kSackPermitted = 4;

// Makes no-operations of SACK-permitted (RFC 2018 2): neither end sends SACK then.
void ForbidSack(packet::Packet* p) {
  uint8_t* tcp = packet::Data(p);
  if ((tcp[13] & kSyn) == 0) return;
  const size_t end = (tcp[12] >> 4) * 4u;
  for (size_t i = 20; i + 1 < end;) {
    if (tcp[i] == 0) return;
    if (tcp[i] == kSackPermitted) {
      tcp[i] = tcp[i + 1] = kNop;
      return;
    }
    i += tcp[i] == kNop ? 1 : std::max<size_t>(tcp[i + 1], 2);
  }
}

struct End {
  End(const tcp::TcpOptions& options, packet::PacketPool* pool, uint64_t seed, Instant now)
      : timers(now), prng(seed), tcp(options, pool, &timers, &prng, now) {}
  TimerWheel timers;
  Prng prng;
  tcp::Tcp tcp;
  std::vector<tcp::TcpEvent> events;
  std::vector<tcp::SegmentIn> in, unmatched;
};

class Transfer {
 public:
  explicit Transfer(const GoodputOptions& options)
      : options_(options),
        data_(options.path),
        sender_(options.tcp, &pool_, options.path.seed * 2 + 1, now_),
        receiver_(options.tcp, &pool_, options.path.seed * 2 + 2, now_) {}
  ~Transfer() {
    for (const Flying& f : flying_) pool_.Free(f.packet);
  }

  Goodput Run();

 private:
  struct Flying {
    Instant at;
    uint64_t order;
    bool data;
    packet::Packet* packet;
  };
  static bool Later(const Flying& a, const Flying& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
  void Deliver();
  void Handle(End* end);
  void Transmit(End* end);
  Instant NextAt();

  const GoodputOptions options_;
  packet::HeapPacketPool pool_;  // outlives the ends
  Instant now_;
  Bottleneck data_;
  End sender_, receiver_;
  std::vector<Flying> flying_;  // a heap, the next to arrive first
  uint64_t order_ = 0, received_ = 0;
  TcpId from_;
  bool writable_ = false;
  std::vector<tcp::SegmentOut> out_;
  const std::string text_ = std::string(kWriteBytes, 'x');
};

Goodput Transfer::Run() {
  const Instant end = now_ + options_.time;
  from_ = sender_.tcp.Connect({kSender, kReceiver}, {}, 0, Instant::Never(), now_);
  while (now_ < end) {
    Deliver();
    for (End* e : {&sender_, &receiver_}) {
      e->timers.Advance(now_, [&](Timer& t) { e->tcp.OnTimer(t, now_, &e->events); });
      Handle(e);
    }
    while (writable_) {
      Chain piece;
      CHECK(AppendCopy(&pool_, text_, &piece));
      writable_ = sender_.tcp.Send(from_, std::move(piece), now_);
    }
    Transmit(&sender_);
    Transmit(&receiver_);
    now_ = std::max(NextAt(), now_ + Duration::Nanos(100));
  }
  const tcp::TcpCounters& c = sender_.tcp.counters();
  return {.mbit_s = static_cast<double>(received_) * 8e-6 / options_.time.seconds(),
          .retransmits = c.retransmits,
          .timeouts = c.rto_expirations,
          .undos = c.undos,
          .lost = data_.lost(),
          .dropped = data_.dropped()};
}

void Transfer::Deliver() {
  while (!flying_.empty() && flying_.front().at <= now_) {
    std::pop_heap(flying_.begin(), flying_.end(), Later);
    const Flying f = flying_.back();
    flying_.pop_back();
    End& to = f.data ? receiver_ : sender_;
    to.in.push_back({.packet = f.packet,
                     .source = f.data ? kSender : kReceiver,
                     .destination = f.data ? kReceiver : kSender,
                     .checksum_trusted = true});
  }
  for (End* e : {&sender_, &receiver_}) {
    e->tcp.Receive(e->in, now_, &e->events, &e->unmatched);
    e->in.clear();
    for (const tcp::SegmentIn& in : e->unmatched) {
      if (e == &receiver_) {
        e->tcp.Accept(in, {}, now_);
      } else {
        e->tcp.Reject(in, now_);
      }
    }
    e->unmatched.clear();
  }
}

void Transfer::Handle(End* end) {
  std::vector<tcp::TcpEvent> events;
  events.swap(end->events);
  for (tcp::TcpEvent& event : events) {
    switch (event.kind) {
      case tcp::TcpEvent::Kind::kConnected:
      case tcp::TcpEvent::Kind::kSendSpace:
        writable_ = true;
        break;
      case tcp::TcpEvent::Kind::kData:
        received_ += event.bytes.size();
        end->tcp.Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now_);
        break;
      case tcp::TcpEvent::Kind::kAccepted:
      case tcp::TcpEvent::Kind::kEof:
        break;
      case tcp::TcpEvent::Kind::kConnectFailed:
      case tcp::TcpEvent::Kind::kClosed:
        CHECK(false);  // a path that delivers anything at all keeps a connection
    }
  }
}

void Transfer::Transmit(End* end) {
  end->tcp.Transmit(now_, kBurst, &out_);
  for (const tcp::SegmentOut& o : out_) {
    const bool data = end == &sender_;
    const size_t bytes = o.packet->pkt_len + kIpBytes;
    const std::optional<Instant> at = data ? data_.Offer(now_, bytes) : now_ + options_.path.delay;
    if (at) {
      packet::Packet* copy = pool_.CopyLinear(o.packet);
      CHECK(copy != nullptr);
      if (!options_.sack) ForbidSack(copy);
      flying_.push_back({*at, order_++, data, copy});
      std::push_heap(flying_.begin(), flying_.end(), Later);
    }
    pool_.Free(o.packet);
  }
  out_.clear();
}

Instant Transfer::NextAt() {
  if (sender_.tcp.transmit_pending() || receiver_.tcp.transmit_pending()) return now_;
  const Instant next = std::min(sender_.timers.NextDeadline(), receiver_.timers.NextDeadline());
  return flying_.empty() ? next : std::min(next, flying_.front().at);
}

}  // namespace

Goodput MeasureGoodput(const GoodputOptions& options) { return Transfer(options).Run(); }

}  // namespace meltemi::sim
