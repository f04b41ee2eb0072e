// Reassembly: fragments of datagrams for the plane, held until the rest has come (RFC 791 3.2, RFC
// 8200 4.5; what overlaps is refused whole, RFC 5722).
//
// Owns no packet: Ip gives fragments in, takes them out, drops and answers by the verdicts; on its
// worker's thread. Bounds (limits.h): datagrams, fragments of one, memory of one source and of all.
// Memory is the rooms that packets occupy and not what they say: the smallest fragment holds one.
#ifndef MELTEMI_DATAPLANE_IP_REASSEMBLY_H_
#define MELTEMI_DATAPLANE_IP_REASSEMBLY_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/ip/ip.h"
#include "l7/base/handle.h"
#include "l7/base/limits.h"
#include "l7/base/slot_map.h"

namespace meltemi::ip {

using DatagramId = Handle<struct DatagramTag>;
inline constexpr uint8_t kReassemblyTimer = 1;  // Timer::kind; a neighbour's is 0

struct DatagramKey {
  IpAddr source, destination;
  uint32_t id = 0;
  uint8_t protocol = 0;   // IPv4 only: RFC 8200 4.5 does not tell by it
  PortId port = kNoPort;  // of link-local addresses: they are another one's on every link

  bool operator==(const DatagramKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const DatagramKey& k) {
    return H::combine(std::move(h), k.source, k.destination, k.id, k.protocol, k.port);
  }
};

struct HeldFragment {
  packet::Packet* packet = nullptr;  // begins at its IP header
  uint16_t offset = 0;               // of its payload in the datagram's
  uint16_t bytes = 0;                // of payload
  uint16_t header_bytes = 0;         // in front of it: in one piece

  uint32_t end() const { return uint32_t{offset} + bytes; }
};

struct Datagram {
  Datagram(const DatagramKey& key_in, PortId port_in)
      : key(key_in), port(port_in), timer(TimerOwner::kIp, kReassemblyTimer) {}

  DatagramKey key;
  PortId port;           // where its first fragment came in
  bool refused = false;  // holds nothing, and what still comes of it is dropped (RFC 5722 4)
  uint8_t ecn_seen = 0;  // bit n: a fragment had ECN field n
  uint16_t count = 0;
  uint32_t total_bytes = 0;    // of the payload; 0: its end has not come
  uint32_t payload_bytes = 0;  // that are here
  uint32_t charged_bytes = 0;
  Datagram* older = nullptr;
  Datagram* newer = nullptr;
  Timer timer;
  std::array<HeldFragment, limits::kReassemblyFragmentsMax> fragments;  // by offset

  bool complete() const { return total_bytes != 0 && payload_bytes == total_bytes; }
};

class Reassembly {
 public:
  // What a datagram is charged for being there, refused or not.
  static constexpr uint32_t kDatagramCharge = 2048;

  explicit Reassembly(TimerWheel* timers);
  ~Reassembly();

  Datagram* Find(const DatagramKey& key);
  Datagram* FromTimer(const Timer& timer);  // null: stale
  // The caller has made room: fewer than kReassemblyDatagramsMax are there.
  Datagram* Create(const DatagramKey& key, PortId port);
  // The datagram holds nothing.
  void Erase(Datagram* datagram);

  enum class Fits : uint8_t { kYes, kDuplicate, kOverlap, kTooMany };
  // Whether the fragment can join what is there. `more`: its More Fragments flag.
  static Fits Judge(const Datagram& datagram, const HeldFragment& fragment, bool more);
  // After Judge has said yes, and room was made.
  void Add(Datagram* datagram, const HeldFragment& fragment, bool more);
  // Forgets the fragments; their packets were taken.
  void Release(Datagram* datagram);

  static uint32_t RoomBytes(const packet::Packet* packet);
  uint32_t charged_to(const IpAddr& source) const;
  // The one that began first, of all or of one source, but not `except`; null when there is none.
  Datagram* Oldest(const Datagram* except);
  Datagram* OldestOf(const IpAddr& source, const Datagram* except);
  std::vector<Datagram*> OfPort(PortId port);  // for its removal

  uint32_t datagram_count() const { return slots_.size(); }
  uint32_t fragment_count() const { return fragment_count_; }
  uint32_t charged_bytes() const { return charged_bytes_; }

 private:
  void Charge(Datagram* datagram, int64_t bytes);

  TimerWheel* const timers_;
  SlotMap<Datagram, DatagramId> slots_{limits::kReassemblyDatagramsMax};
  absl::flat_hash_map<DatagramKey, DatagramId> index_;
  absl::flat_hash_map<IpAddr, uint32_t> sources_;  // charged; those with a datagram
  Datagram* oldest_ = nullptr;
  Datagram* newest_ = nullptr;
  uint32_t fragment_count_ = 0;
  uint32_t charged_bytes_ = 0;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_REASSEMBLY_H_
