// Script: exact packet exchanges with one Tcp on a virtual clock, readable as a trace:
//
//   Script t;
//   t.Peer(Syn());
//   t.Expect(SynAck());
//   t.Peer(Ack(1).At(1));
//   t.Wait(Duration::Millis(200));
//   t.Expect(Data(1, 1460));
//
// Sequence numbers are relative: 0 is the SYN of the side that sends them. A field that is not
// named in Expect is not compared; the flags always are. Whatever was sent and not expected fails
// the test. The peer is 10.0.0.2:40000 (or its IPv6 twin), we are 10.0.0.1:80.
#ifndef MELTEMI_DATAPLANE_TCP_TESTING_SCRIPT_H_
#define MELTEMI_DATAPLANE_TCP_TESTING_SCRIPT_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"

namespace meltemi::tcp::testing {

// One segment, by either side.
struct Seg {
  uint8_t flags = 0;
  std::optional<uint32_t> seq, ack;  // relative
  std::optional<uint32_t> text_bytes;
  std::optional<uint16_t> window;
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  std::optional<Timestamps> timestamps;
  std::optional<bool> sack_permitted;
  std::optional<std::vector<SeqRange>> sack;  // relative to the receiver's numbers
  std::optional<uint16_t> tso_segsz;          // Expect only
  std::optional<uint8_t> ecn;                 // of the IP header
  bool bad_checksum = false;

  Seg At(uint32_t v) && {
    seq = v;
    return *this;
  }
  Seg Acking(uint32_t v) && {
    ack = v;
    flags |= kAck;
    return *this;
  }
  Seg Text(uint32_t bytes) && {
    text_bytes = bytes;
    return *this;
  }
  Seg Window(uint16_t v) && {
    window = v;
    return *this;
  }
  Seg Mss(uint16_t v) && {
    mss = v;
    return *this;
  }
  Seg Scale(uint8_t v) && {
    window_scale = v;
    return *this;
  }
  Seg Ts(uint32_t value, uint32_t echo) && {
    timestamps = Timestamps{value, echo};
    return *this;
  }
  Seg SackOk() && {
    sack_permitted = true;
    return *this;
  }
  Seg Sack(std::vector<SeqRange> blocks) && {
    sack = std::move(blocks);
    return *this;
  }
  Seg With(uint8_t more_flags) && {
    flags |= more_flags;
    return *this;
  }
  Seg Segsz(uint16_t v) && {
    tso_segsz = v;
    return *this;
  }
  Seg Ecn(uint8_t v) && {
    ecn = v;
    return *this;
  }
  Seg BadChecksum() && {
    bad_checksum = true;
    return *this;
  }
  std::string ToString() const;
};

inline Seg Syn() { return {.flags = kSyn, .seq = 0}; }
inline Seg SynAck(uint32_t ack = 1) { return {.flags = kSyn | kAck, .seq = 0, .ack = ack}; }
inline Seg Ack(uint32_t ack) { return {.flags = kAck, .ack = ack, .text_bytes = 0}; }
inline Seg Data(uint32_t seq, uint32_t bytes) {
  return {.flags = kAck, .seq = seq, .text_bytes = bytes};
}
inline Seg Fin(uint32_t seq) { return {.flags = kFin | kAck, .seq = seq, .text_bytes = 0}; }
inline Seg Rst(uint32_t seq) { return {.flags = kRst, .seq = seq}; }

struct ScriptOptions {
  TcpOptions tcp{.conn_count_max = 256};
  Path path;
  bool ipv6 = false;
  bool listening = true;            // SYNs that match nothing are accepted, else rejected
  bool hostile = false;             // the peer sends nonsense: what we receive is not compared
  bool auto_consumed = true;        // kData is Consumed at once
  uint32_t peer_isn = 0x7fff'fc00;  // the signed boundary is crossed after 1 KB
};

class Script {
 public:
  explicit Script(ScriptOptions options = {});
  ~Script();

  // The peer sends. Seq and ack default to what the peer would say if it had received everything.
  void Peer(Seg seg);
  // Several in one burst.
  void PeerBurst(std::vector<Seg> segs);
  // The next packet we sent, in order.
  void Expect(Seg seg);
  void ExpectNothing();
  Seg PopSent();  // for fields that must be absent
  // Time passes; timers fire at their own instants.
  void Wait(Duration d);

  // Handshakes, run to the end. The options default to none, so that segments are bare.
  void Accept(Seg syn = Syn().Mss(1460).Window(65535));
  void Connect(Seg syn_ack = SynAck().Mss(1460).Window(65535));
  TcpId StartConnect(Instant deadline = Instant::Never());

  void Send(uint32_t bytes);
  void Finish() {
    tcp().Finish(id, now_);
    Flush();
  }
  void Release() {
    tcp().Release(id, now_);
    Flush();
  }
  void Reset() {
    tcp().Reset(id, now_);
    Flush();
  }
  void Abort() {
    tcp().Abort(id, now_);
    Flush();
  }
  void Consumed(uint32_t bytes) {
    tcp().Consumed(id, bytes, now_);
    Flush();
  }
  void Icmp(uint32_t seq, bool hard, uint32_t mtu);  // relative to our numbers
  void AbortAddress();

  // The next event; fails when there is none or of another kind.
  void ExpectEvent(TcpEvent::Kind kind, TcpError error = TcpError::kNone);
  void ExpectNoEvent();
  // All kData so far, checked against what the peer sent at each number; returns the count of
  // bytes.
  size_t received() const { return received_; }
  void IgnoreOutput() { sent_.clear(); }
  void IgnoreEvents() { events_.clear(); }
  void StartConnectIfFree() {
    if (!tcp_->InUse(tuple_)) StartConnect();
  }
  size_t sent_count() const { return sent_.size(); }

  Tcp& tcp() { return *tcp_; }
  const TcpCounters& counters() const { return tcp_->counters(); }
  Instant now() const { return now_; }
  const FourTuple& tuple() const { return tuple_; }
  packet::HeapPacketPool& pool() { return pool_; }
  uint32_t our_isn() const { return our_isn_; }

  TcpId id;  // of the last accepted or connected

 private:
  struct Sent {
    Seg seg;  // relative
  };
  SegmentIn Build(const Seg& seg);
  void Deliver(std::vector<SegmentIn> segments);
  void Flush();
  void TakeEvents();
  void CheckText(const packet::Packet* packet, uint32_t skip, uint32_t offset);
  void Capture(const SegmentOut& out);

  ScriptOptions options_;
  FourTuple tuple_;
  packet::HeapPacketPool pool_;
  Prng prng_{1};
  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_{now_};
  std::unique_ptr<Tcp> tcp_;
  std::deque<Sent> sent_;
  std::vector<TcpEvent> raw_events_;
  std::deque<TcpEvent> events_;
  size_t received_ = 0;
  uint32_t our_isn_ = 0;
  bool isn_known_ = false;
  uint32_t peer_nxt_ = 0;  // relative: what the peer sends next
  uint32_t our_nxt_ = 0;   // relative: the end of what we have sent
  uint32_t queued_ = 0;    // bytes given to Send
};

// The byte at `offset` of any stream in a script (offset 0: the first byte after the SYN).
inline char ByteAt(uint32_t offset) { return static_cast<char>('a' + offset % 23); }

}  // namespace meltemi::tcp::testing

#endif  // MELTEMI_DATAPLANE_TCP_TESTING_SCRIPT_H_
