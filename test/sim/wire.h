// Wire: every link of a simulated network. Frames sent into a link arrive at its other stations
// after a delay drawn from a seed; some are lost, doubled, damaged or overtaken by later ones.
//
// Owns the frames in flight. A station is a MemoryPort with a MAC address; a link of two is a
// cable, of more a switch. Single thread. Bound: what is in flight is bounded by the stations'
// transmit rings, which a link of limited rate lets fill up.
#ifndef MELTEMI_TEST_SIM_WIRE_H_
#define MELTEMI_TEST_SIM_WIRE_H_

#include <cstdint>
#include <vector>

#include "dataplane/nic/port.h"
#include "dataplane/worker/testing/memory_port.h"
#include "l7/base/prng.h"
#include "l7/base/time.h"

namespace meltemi::sim {

struct LinkOptions {
  int loss_per_mille = 0;
  int duplicate_per_mille = 0;
  int corrupt_per_mille = 0;  // one byte of an IP packet; super-frames are left alone
  int reorder_per_mille = 0;
  Duration delay = Duration::Micros(50);
  Duration jitter;  // up to that much more, drawn for each frame; order is kept
  Duration reorder_delay = Duration::Micros(300);
  int64_t bytes_per_second = 1'250'000'000;  // 10 Gb/s, each direction
};

struct WireCounters {
  uint64_t frames = 0, bytes = 0, delivered = 0, lost = 0, duplicated = 0, corrupted = 0,
           reordered = 0, ring_full = 0, no_station = 0;
};

class Wire {
 public:
  explicit Wire(uint64_t seed) : prng_(seed) {}

  int AddLink(const LinkOptions& options);
  // A station of the link. The port is borrowed and outlives the wire.
  void Plug(int link, worker::MemoryPort* port, const nic::MacAddr& mac);
  void SetLink(int link, const LinkOptions& options) { links_[link].options = options; }
  const LinkOptions& link(int link) const { return links_[link].options; }

  // Takes what the ports have sent, as far as the links' rates allow.
  void Collect(Instant now);
  // Puts what has arrived into the ports' receive rings.
  void Deliver(Instant now);
  // When something arrives, or a waiting frame can be taken; Never() when nothing is under way.
  Instant NextAt() const;

  const WireCounters& counters() const { return counters_; }
  // Of every frame: when, where, its bytes, and what became of it.
  uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct Station {
    worker::MemoryPort* port;
    nic::MacAddr mac;
    int link;
    Instant free_at;     // its transmitter has finished the last frame
    Instant arrives_at;  // of the last frame in order
  };
  struct Link {
    LinkOptions options;
    std::vector<int> stations;
    int neighbour_frames = kNeighbourGap;  // of ARP and ND, since one was lost
  };
  // Three questions without an answer make a neighbour unreachable (RFC 4861 7.2.2), which ends
  // connections: of so many of them at most one is lost.
  static constexpr int kNeighbourGap = 8;
  struct Flying {
    Instant at;
    uint64_t order;
    int from;
    worker::FramePtr frame;
  };
  void Send(int from, worker::FramePtr frame, Instant now);
  bool Loses(Link* link, const std::string& bytes);
  void Fly(Instant at, int from, worker::FramePtr frame);
  void Arrive(const Flying& flying);
  void Trace(uint64_t value) { trace_hash_ = (trace_hash_ ^ value) * 0x100000001b3; }
  void TraceBytes(const std::string& bytes);

  Prng prng_;
  std::vector<Station> stations_;
  std::vector<Link> links_;
  std::vector<Flying> flying_;  // a heap, the next to arrive first
  uint64_t order_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325;
  WireCounters counters_;
};

// The receive queue of a frame on a port with `queues` of them: as a NIC's symmetric RSS would, by
// its own hash and not the workers' one.
int QueueOf(const std::string& frame, int queues);

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_WIRE_H_
