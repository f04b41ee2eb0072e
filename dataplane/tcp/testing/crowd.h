// Crowd: many peers against one Tcp that listens, on a virtual clock. Where Script compares every
// packet of one connection, Crowd counts: for floods, and for what thousands of connections hold.
#ifndef MELTEMI_DATAPLANE_TCP_TESTING_CROWD_H_
#define MELTEMI_DATAPLANE_TCP_TESTING_CROWD_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"

namespace meltemi::tcp::testing {

// One segment of a peer; numbers are absolute.
struct Say {
  uint8_t flags = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 65'535;
  uint32_t text_bytes = 0;
  Options options;
};

// One segment of ours.
struct Heard {
  SockAddr to;
  uint8_t flags = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint16_t window = 0;
  uint32_t text_bytes = 0;
  Options options;
};

// A connection as its peer sees it.
struct Link {
  SockAddr peer;
  TcpId id;
  uint32_t seq = 0;  // the peer sends next
  uint32_t ack = 0;  // and expects next
};

class Crowd {
 public:
  explicit Crowd(const TcpOptions& options,
                 const packet::SegmentCounts& packets = {UINT32_MAX, UINT32_MAX, UINT32_MAX});
  ~Crowd();

  static SockAddr Peer(uint32_t n) { return {IpAddr::V4(0x0b00'0000 + n), 40'000}; }

  void From(const SockAddr& peer, const Say& say);
  void FromAll(const std::vector<std::pair<SockAddr, Say>>& said);  // in bursts
  // What we have sent since the last call.
  std::vector<Heard> Take() { return std::exchange(heard_, {}); }
  void Wait(Duration d);
  // An honest handshake from the peer's number `isn` on; none when it was not answered or accepted.
  std::optional<Link> Open(const SockAddr& peer, uint32_t isn, const Options& syn = {});

  TcpId accepted(const SockAddr& peer) const { return accepted_.at(peer); }

  // Slow readers: while false, text is kept, and Read uses up what was kept.
  bool reading = true;
  void Read();
  std::string KeptText() const;
  char fill = 'x';  // what the peers' text is made of

  Tcp& tcp() { return tcp_; }
  const TcpCounters& counters() const { return tcp_.counters(); }
  Instant now() const { return now_; }
  packet::HeapPacketPool& pool() { return pool_; }
  uint64_t received() const { return received_; }  // bytes, by all
  uint32_t closed() const { return closed_; }      // connections that ended

 private:
  SegmentIn Build(const SockAddr& peer, const Say& say);
  void Deliver(const std::vector<SegmentIn>& segments);
  void Flush();
  void TakeEvents();

  packet::HeapPacketPool pool_;
  Prng prng_{1};
  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_{now_};
  Tcp tcp_;
  std::vector<TcpEvent> events_;
  std::vector<Heard> heard_;
  std::map<SockAddr, TcpId> accepted_;
  std::vector<std::pair<TcpId, Chain>> kept_;
  uint64_t received_ = 0;
  uint32_t closed_ = 0;
};

}  // namespace meltemi::tcp::testing

#endif  // MELTEMI_DATAPLANE_TCP_TESTING_CROWD_H_
