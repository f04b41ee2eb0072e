// Neighbours: link addresses by (port, IP address), with their states and the packets that wait.
//
// Owned by Ip, which sends what the states ask for; its worker's thread. The states are those of
// RFC 4861 7.3.2 without DELAY (a stale neighbour in use is probed at once), for ARP as for ND.
// Bounds: limits::kNeighbourCountMax; full: the least recently used of kEvictionLook is forgotten.
#ifndef MELTEMI_DATAPLANE_IP_NEIGHBOURS_H_
#define MELTEMI_DATAPLANE_IP_NEIGHBOURS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "l7/base/handle.h"
#include "l7/base/limits.h"
#include "l7/base/slot_map.h"

namespace meltemi::ip {

using NeighbourId = Handle<struct NeighbourTag>;

enum class NeighbourState : uint8_t {
  kIncomplete,  // asked, no answer yet: packets wait
  kReachable,   // confirmed lately
  kStale,       // not confirmed lately, not used since
  kProbe,       // stale and used: asked by unicast, packets go on meanwhile
  kFailed,      // no answer: packets are dropped until the timer forgets it
};

struct PendingPacket {
  packet::Packet* packet = nullptr;  // data begins at the IP header
  PortId ingress = kNoPort;          // kNoPort: made by us
};

struct NeighbourEntry {
  NeighbourEntry(PortId port_in, const IpAddr& address_in)
      : port(port_in), address(address_in), timer(TimerOwner::kIp, 0) {}

  PortId port;
  IpAddr address;
  NeighbourState state = NeighbourState::kIncomplete;
  MacAddr mac{};
  uint8_t probe_count = 0;
  uint8_t pending_count = 0;
  Instant used;
  Timer timer;
  std::array<PendingPacket, limits::kNeighbourPendingPackets> pending;
};

class Neighbours {
 public:
  explicit Neighbours(TimerWheel* timers);
  ~Neighbours();

  NeighbourEntry* Find(PortId port, const IpAddr& address);
  NeighbourEntry* FromTimer(const Timer& timer);  // null: stale
  // Null when full and nothing was evictable. A victim has nothing pending. `evicted` says whether
  // one had to go.
  NeighbourEntry* Create(PortId port, const IpAddr& address, bool* evicted);
  // The neighbour has nothing pending.
  void Erase(NeighbourEntry* neighbour);
  // All neighbours of a port, for its removal.
  std::vector<NeighbourEntry*> OfPort(PortId port);
  uint32_t size() const { return slots_.size(); }

 private:
  static constexpr int kEvictionLook = 32;
  struct Key {
    PortId port;
    IpAddr address;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.port, k.address);
    }
  };
  bool EvictOne();

  TimerWheel* const timers_;
  SlotMap<NeighbourEntry, NeighbourId> slots_{limits::kNeighbourCountMax};
  absl::flat_hash_map<Key, NeighbourId> index_;
  std::vector<NeighbourId>
      order_;  // for the eviction's clock hand: one per slot in use, by creation
  size_t hand_ = 0;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_NEIGHBOURS_H_
