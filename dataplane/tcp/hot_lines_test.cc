// How many cache lines of a connection a request and its reply touch, at either end: counted by
// closing the connections' pages (testing/line_watch.h), not by reading conn.h. What other
// connections' share with theirs is not counted: what that is, conn.h says at kConnLines.
#include <bit>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/conn.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/testing/line_watch.h"
#include "gtest/gtest.h"

namespace meltemi::tcp {
namespace {

using testing::LineWatch;

constexpr int kConns = 16;
static_assert(kConnLines == 2);  // what receive.cc fetches ahead

// One end: a Tcp whose owner answers as it is told.
struct End {
  End(packet::PacketPool* pool, uint64_t seed, Instant now, size_t reply_bytes)
      : timers(now),
        prng(seed),
        tcp(TcpOptions{.conn_count_max = kConns}, pool, &timers, &prng, now),
        reply_bytes(reply_bytes) {}
  TimerWheel timers;
  Prng prng;
  Tcp tcp;
  const size_t reply_bytes;  // for each event with text; 0: none
  std::vector<TcpId> ids;
  std::vector<TcpEvent> events;
  std::vector<SegmentIn> in, unmatched;
  std::vector<SegmentOut> out;
};

// A client and a server, kConns connections between them, and a wire of 5 ms.
class Exchange {
 public:
  Exchange(bool ipv6, size_t reply_bytes)
      : client_(&pool_, 1, now_, 0), server_(&pool_, 2, now_, reply_bytes) {
    const char* const ours = ipv6 ? "fd00::1" : "10.0.0.1";
    const char* const theirs = ipv6 ? "fd00::2" : "10.0.0.2";
    for (uint16_t i = 0; i < kConns; ++i) {
      const FourTuple tuple{{*IpAddr::Parse(ours), static_cast<uint16_t>(40'000 + i)},
                            {*IpAddr::Parse(theirs), 80}};
      client_.ids.push_back(client_.tcp.Connect(tuple, {}, 0, Instant::Never(), now_));
    }
    Settle();
    CHECK(server_.ids.size() == kConns);
  }

  // On each connection a request, its reply and the ACK of that (with the next request).
  void Requests(size_t bytes) {
    for (const TcpId id : client_.ids) Send(&client_, id, bytes);
    Settle();
  }
  std::vector<const void*> Conns() const {
    std::vector<const void*> conns;
    for (const End* e : {&client_, &server_}) {
      for (const TcpId id : e->ids) conns.push_back(e->tcp.PlaceOf(id));
    }
    return conns;
  }
  const TcpCounters& client_counters() const { return client_.tcp.counters(); }
  const TcpCounters& server_counters() const { return server_.tcp.counters(); }

 private:
  void Send(End* end, TcpId id, size_t bytes) {
    Chain text;
    CHECK(AppendCopy(&pool_, std::string(bytes, 'x'), &text));
    end->tcp.Send(id, std::move(text), now_);
  }
  void Settle() {
    for (int quiet = 0; quiet < 2;) {
      const bool asked = Turn(&client_, &server_);
      const bool answered = Turn(&server_, &client_);
      quiet = asked || answered ? 0 : quiet + 1;
      now_ = now_ + Duration::Micros(50);
    }
  }
  // What `e` has received becomes events, those become replies, and what may leave goes to `peer`.
  bool Turn(End* e, End* peer) {
    e->tcp.Receive(e->in, now_, &e->events, &e->unmatched);
    e->in.clear();
    for (const SegmentIn& syn : e->unmatched) e->tcp.Accept(syn, {}, now_);
    e->unmatched.clear();
    e->timers.Advance(now_, [&](Timer& t) { e->tcp.OnTimer(t, now_, &e->events); });
    for (TcpEvent& event : e->events) {
      if (event.kind == TcpEvent::Kind::kAccepted) e->ids.push_back(event.id);
      if (event.kind != TcpEvent::Kind::kData) continue;
      e->tcp.Consumed(event.id, static_cast<uint32_t>(event.bytes.size()), now_);
      if (e->reply_bytes > 0) Send(e, event.id, e->reply_bytes);
    }
    e->events.clear();
    e->tcp.Transmit(now_, 256, &e->out);
    const bool moved = !e->out.empty();
    for (const SegmentOut& o : e->out) {
      const uint8_t* ports = packet::Data(o.packet);
      const auto port = [&](int at) {
        return static_cast<uint16_t>(ports[at] << 8 | ports[at + 1]);
      };
      packet::Packet* copy = pool_.CopyLinear(o.packet);
      pool_.Free(o.packet);
      peer->in.push_back({.packet = copy,
                          .source = {o.source, port(0)},
                          .destination = {o.destination, port(2)},
                          .checksum_trusted = true});
    }
    e->out.clear();
    return moved;
  }

  packet::HeapPacketPool pool_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  End client_, server_;
};

// The lines that a warm request touches, of any connection of either end.
uint64_t LinesOf(Exchange* exchange, size_t request_bytes) {
  for (int i = 0; i < 20; ++i) exchange->Requests(request_bytes);  // quick ACKs end, timers pend
  LineWatch watch(exchange->Conns(), sizeof(Conn));
  watch.Start();
  exchange->Requests(request_bytes);
  watch.Stop();
  uint64_t lines = 0;
  for (size_t i = 0; i < 2 * kConns; ++i) lines |= watch.lines(i);
  return lines;
}

TEST(HotLines, WatchSeesEachLineOnce) {
  alignas(4096) static uint8_t memory[2 * 4096];
  LineWatch watch({memory, memory + 4096}, 4096);
  watch.Start();
  memory[0] = 1;
  memory[130] = memory[4096 + 64 * 63] = memory[200];
  watch.Stop();
  memory[64] = 1;
  EXPECT_EQ(watch.lines(0), 0b1101u);
  EXPECT_EQ(watch.lines(1), uint64_t{1} << 63);
  watch.Forget();
  EXPECT_EQ(watch.lines(0), 0u);
}

TEST(HotLines, ARequestAndItsReplyTouchTheHotOnesOnly) {
  // Of one segment, and of seven, of which every second is acknowledged.
  for (const size_t reply_bytes : {200, 10'000}) {
    for (const bool ipv6 : {false, true}) {
      Exchange exchange(ipv6, reply_bytes);
      const uint64_t lines = LinesOf(&exchange, 60);
      EXPECT_EQ(lines, 0b11u) << reply_bytes << " ipv6 " << ipv6;
      EXPECT_EQ(exchange.server_counters().retransmits, 0u);
      EXPECT_EQ(exchange.client_counters().delayed_acks, 0u);
    }
  }
}

}  // namespace
}  // namespace meltemi::tcp
