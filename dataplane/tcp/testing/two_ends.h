// TwoEnds: two Tcp instances joined by a simulated wire that loses, reorders, duplicates and
// corrupts packets by a seed, on a virtual clock. Every run of a seed is the same run.
#ifndef MELTEMI_DATAPLANE_TCP_TESTING_TWO_ENDS_H_
#define MELTEMI_DATAPLANE_TCP_TESTING_TWO_ENDS_H_

#include <memory>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/tcp.h"

namespace meltemi::tcp::testing {

struct WireOptions {
  int loss_per_mille = 0, duplicate_per_mille = 0, corrupt_per_mille = 0, reorder_per_mille = 0;
  Duration delay = Duration::Millis(5);
  Duration reorder_delay = Duration::Millis(3);
  uint16_t mtu = 1500;
  uint32_t super_frame_bytes_max = 0;
};

// One side: a Tcp, the bytes it has received, the bytes it wants to send.
struct End {
  End(packet::PacketPool* pool, uint64_t seed, Instant now);
  TimerWheel timers;
  Prng prng;
  Tcp tcp;
  std::vector<TcpEvent> events;
  std::vector<SegmentIn> unmatched;
  TcpId id;
  bool connected = false, eof = false, closed = false, finish_sent = false, writable = true;
  TcpError error = TcpError::kNone;
  std::string received, to_send;
};

class TwoEnds {
  std::unique_ptr<packet::HeapPacketPool> pool_;  // first: it outlives the ends

 public:
  TwoEnds(const WireOptions& wire, uint64_t seed);
  ~TwoEnds();

  // Client connects to server; each sends its text, then finishes. Runs until both are closed or
  // `limit` has passed on the virtual clock. True: both ended in order.
  bool Run(const std::string& to_server, const std::string& to_client, Duration limit);

  End client, server;
  Instant now;
  uint64_t trace_hash = 0;  // of every packet sent, with its time
  uint64_t packets = 0;
  packet::HeapPacketPool* pool() { return pool_.get(); }

 private:
  struct InFlight {
    Instant at;
    uint64_t order;
    bool to_server;
    packet::Packet* packet;
    SockAddr source, destination;
  };
  void Step(End* from, bool to_server);
  void Handle(End* end);
  void Put(packet::Packet* p, bool to_server);
  void Deliver();
  Instant NextAt();

  TwoEnds(const WireOptions& wire, uint64_t seed, std::unique_ptr<packet::HeapPacketPool> pool);

  WireOptions wire_;
  Prng prng_;
  std::vector<InFlight> flying_;
  uint64_t order_ = 0;
};

}  // namespace meltemi::tcp::testing

#endif  // MELTEMI_DATAPLANE_TCP_TESTING_TWO_ENDS_H_
