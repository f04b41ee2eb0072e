// Exchange: exact packet exchanges with one Tcp on virtual time, after packetdrill:
//
//   Exchange t;
//   t.Accept();
//   t.Send(1460);
//   t.Expect(Data(1, 1460));
//   t.At(200_ms).Expect(Data(1, 1460));
//   t.Peer(Ack(1461));
//   t.ExpectNothing(10_s);
//
// Expect takes the next packet the stack sent and compares flags, sequence and acknowledgement
// number, length and SACK blocks always, the rest when named: a seq not named is the end of what
// was sent, an ack not named is the one sent last. The packet must have been sent at this instant
// (a millisecond late at most: timers have ticks). Whatever was sent, or happened, and was not
// expected fails the test, and a failure prints the whole exchange.
//
// The peer is 10.0.0.2:40000 (or its IPv6 twin), the stack 10.0.0.1:80. The clock begins at 0.
// The peer's packets name what they mean; a seq or ack not named is what a peer that has received
// everything would say, a window not named 65535.
//
// A script is one behaviour: FOLDER/behaviour.cc, FOLDER the RFC, its first line the clause and
// what it says; verbatim only in quotation marks.
#ifndef MELTEMI_TEST_CONFORMANCE_TCP_HARNESS_H_
#define MELTEMI_TEST_CONFORMANCE_TCP_HARNESS_H_

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/tcp.h"
#include "l7/base/limits.h"
#include "test/conformance/tcp/packet.h"

namespace meltemi::tcp::conformance {

constexpr Duration operator""_ms(unsigned long long n) {
  return Duration::Millis(static_cast<int64_t>(n));
}
constexpr Duration operator""_s(unsigned long long n) {
  return Duration::Seconds(static_cast<int64_t>(n));
}

enum class Reader : uint8_t { kPrompt, kIdle };  // are bytes Consumed when they arrive?

struct Setup {
  TcpOptions tcp{.conn_count_max = 64};
  Path path;
  bool ipv6 = false;
  bool listening = true;  // what matches no connection is accepted, else rejected
  Reader reader = Reader::kPrompt;
  uint32_t peer_isn = 0xffff'fc00;  // wraps after 1 KB
};

class Exchange {
 public:
  explicit Exchange(Setup setup = {});
  ~Exchange();

  // Runs the clock to `since_start`, or by `d`. Nothing may be sent before that and stay
  // unexpected.
  Exchange& At(Duration since_start);
  Exchange& After(Duration d);

  Exchange& Peer(Packet packet);
  // The peer sends text until our window is shut and we have said so; what we send meanwhile is
  // forgotten. For Reader::kIdle. Returns the peer's next number.
  uint32_t FillWindow();
  Exchange& PeerBurst(std::vector<Packet> packets);  // one call of Receive
  Exchange& Expect(Packet packet);
  Exchange& ExpectNothing();                      // up to now
  Exchange& ExpectNothing(Duration until_start);  // up to that time, which becomes now
  Exchange& Forget();                             // the packets sent so far and their count

  // Calls of the stack's user.
  TcpId Connect(Duration deadline = Duration::Max());
  void Send(uint32_t bytes);
  void SendCorked(uint32_t bytes);
  void Uncork();
  void SetKeepalive(const Keepalive& keepalive);
  void Finish();
  void Release();
  void Abort();
  void Consumed(uint32_t bytes);
  void Icmp(uint32_t seq, bool hard, uint32_t mtu_or_zero = 0);  // quoting our relative number

  Exchange& ExpectEvent(TcpEvent::Kind kind, TcpError error = TcpError::kNone);
  Exchange& ExpectNoEvent();
  // All bytes delivered so far, in order and as the peer sent them.
  Exchange& ExpectReceived(uint32_t bytes);
  Exchange& ExpectConnections(uint32_t count);

  // Handshakes to the end. The options default to an MSS of 1460 only, so that packets are bare.
  // `rtt`: what the first round trip takes.
  void Accept(Packet syn = Syn().Mss(1460), Duration rtt = Duration());
  void Open(Packet syn_ack = SynAck().Mss(1460), Duration rtt = Duration());
  // From now on the peer's packets carry timestamps unless they say NoTs() or their own: its clock
  // of milliseconds stands at `clock` when ours is at 0, and it echoes the latest of ours.
  void PeerHasTimestamps(uint32_t clock);

  Tcp& tcp() { return *tcp_; }
  const TcpCounters& counters() const { return tcp_->counters(); }
  size_t sent_count() const { return sent_.size(); }
  Packet Take();  // the next packet sent, to look at; the numbers expected next do not follow
  Duration now() const { return now_ - kStart; }
  uint32_t our_isn() const { return our_isn_; }
  uint32_t clock_offset() const { return clock_offset_; }
  const FourTuple& tuple() const { return tuple_; }

 private:
  static constexpr Instant kStart = Instant::FromNanos(1'000'000'000);
  struct Sent {
    Packet packet;
    Instant at;
  };

  SegmentIn Build(const Packet& packet);
  void Deliver(const std::vector<SegmentIn>& segments);
  Chain NextText(uint32_t bytes);
  void RunTo(Instant end);
  void Flush();
  void TakeEvents();
  void Capture(const SegmentOut& out);
  Packet Relative(const Segment& segment) const;
  void CheckText(const packet::Packet* packet, uint32_t skip, uint32_t offset);
  void Note(const std::string& line);
  void Fail(const std::string& why);

  const Setup setup_;
  FourTuple tuple_;
  packet::HeapPacketPool pool_;
  Prng prng_{1};
  Instant now_ = kStart;
  TimerWheel timers_{now_};
  std::unique_ptr<Tcp> tcp_;
  TcpId id_;
  std::deque<Sent> sent_;
  std::vector<TcpEvent> raw_events_;
  std::deque<TcpEvent> events_;
  std::string trace_;
  bool failed_ = false;
  bool isn_known_ = false;
  uint32_t our_isn_ = 0;
  uint32_t clock_offset_ = 0;  // our timestamp at the start
  std::optional<uint32_t> peer_clock_;
  uint32_t our_ts_ = 0;    // relative: the latest
  uint32_t peer_nxt_ = 0;  // relative: what the peer says next
  uint32_t our_nxt_ = 0;   // relative: the end of what we sent
  uint32_t our_ack_ = 0;   // relative: what we acknowledged last
  uint32_t our_edge_ = 0;  // relative: the right edge of the window we offered
  uint8_t our_scale_ = 0;
  uint32_t expected_nxt_ = 0;  // as our_nxt_, of what was expected
  uint32_t expected_ack_ = 0;
  uint32_t queued_ = 0;    // bytes given to Send
  uint32_t received_ = 0;  // bytes of kData
};

// The byte at `offset` of either stream; 0 is the first after the SYN.
inline char ByteAt(uint32_t offset) { return static_cast<char>('a' + offset % 23); }

using Kind = TcpEvent::Kind;

std::string EventName(TcpEvent::Kind kind, TcpError error);

}  // namespace meltemi::tcp::conformance

#endif  // MELTEMI_TEST_CONFORMANCE_TCP_HARNESS_H_
