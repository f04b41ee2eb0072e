// Tcp: all TCP connections of one worker. RFC 9293, in the order of its section 3.10.7.
//
// Owns: connections, their queues and timers, the flow table. Must not know: IP routing, ports, L7.
// Called by dataplane/worker on its thread, and by simulations. Nothing is called back: events are
// values, packets are pulled by Transmit. Bounds: limits.h "TCP", options below.
#ifndef MELTEMI_DATAPLANE_TCP_TCP_H_
#define MELTEMI_DATAPLANE_TCP_TCP_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/packet/packet_pool.h"
#include "dataplane/tcp/congestion_algorithm.h"
#include "dataplane/tcp/counters.h"
#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/limits.h"
#include "l7/base/prng.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::tcp {

// RFC 3168: kAccept when a peer asks, kAsk on active opens too.
enum class Ecn : uint8_t { kOff, kAccept, kAsk };

// RFC 9293 3.8.4: when a peer that is silent is asked whether it lives, and given up.
struct Keepalive {
  Duration idle;  // zero: off
  Duration interval = Duration::Seconds(75);
  uint8_t probes = 9;  // without an answer; 15 at most
  bool operator==(const Keepalive&) const = default;
};

struct TcpOptions {
  uint32_t conn_count_max = 65'536;
  uint32_t syn_queue_max = limits::kTcpSynQueueMax;        // half-open ones; SYN cookies above
  uint64_t memory_bytes_max = limits::kTcpMemoryBytesMax;  // of all queues: memory_budget.h
  // What a new connection may receive ahead of its reader; it grows (limits.h).
  uint32_t receive_window_bytes = limits::kTcpReceiveWindowBytes;
  std::array<uint8_t, 16> isn_key{};  // secret, from the kernel (RFC 6528)
  Duration time_wait = Duration::Seconds(60);
  Duration rto_min = Duration::Millis(200);
  Duration rto_initial = Duration::Seconds(1);
  Duration delayed_ack = Duration::Millis(40);
  Keepalive keepalive;  // of connections without their own
  CongestionAlgorithm congestion = CongestionAlgorithm::kCubic;
  Ecn ecn = Ecn::kAccept;
};

// A TCP packet as IP hands it over; data begins at the TCP header. Owned by TCP after Receive
// unless it comes back in `unmatched`.
struct SegmentIn {
  packet::Packet* packet = nullptr;
  SockAddr source, destination;
  uint8_t ecn = 0;
  bool checksum_trusted = false;
  uint16_t parts = 1;       // packets it came in, as far as they were counted
  uint16_t part_bytes = 0;  // text of each but the last when it was more than one; 0: one
  uint32_t tag = 0;         // the caller's, given back with unmatched segments
};

// The path a connection takes, as IP told the caller.
struct Path {
  uint16_t mtu = 1500;
  uint32_t super_frame_bytes_max = 0;  // 0: no segmentation offload
};

enum class TcpError : uint8_t {
  kNone,
  kRefused,
  kReset,
  kTimeout,
  kUnreachable,
  kNoResources,
  kOverload,  // ended to make room: rooms.cc
};

struct TcpEvent {
  enum class Kind : uint8_t {
    kAccepted,       // a passive connection is established (its first data may follow at once)
    kConnected,      // an active connection is established
    kConnectFailed,  // `error`; the id is dead
    kData,           // `bytes`, in order
    kEof,            // the peer's FIN, after all data
    kSendSpace,      // the send queue has drained below half of its limit after Send said full
    kClosed,  // the connection is gone; `error`: kNone when both sides ended in order. The id is
              // dead. TIME_WAIT is kept by TCP itself, after this event.
  };
  Kind kind = Kind::kClosed;
  TcpId id;
  uint64_t cookie = 0;  // the caller's
  Chain bytes;
  TcpError error = TcpError::kNone;
  // kData: the peer has more to send at once: it came in a full segment, not pushed. Whoever passes
  // it on may cork.
  bool more = false;
};

// A packet for IP::SendTcp.
struct SegmentOut {
  packet::Packet* packet = nullptr;
  IpAddr source, destination;
  uint8_t ecn = 0;
};

class Tcp {
 public:
  Tcp(const TcpOptions& options, packet::PacketPool* pool, TimerWheel* timers, Prng* prng,
      Instant now);
  ~Tcp();

  // Segments of known connections (and of TIME_WAIT) are processed, events appended. A segment
  // without a connection goes to `unmatched`, still owned by the caller, who decides: Accept,
  // Reject or forward it.
  void Receive(std::span<const SegmentIn> segments, Instant now, std::vector<TcpEvent>* events,
               std::vector<SegmentIn>* unmatched);
  // A segment from `unmatched` to an address we answer as. A SYN starts the handshake; kAccepted
  // follows. An ACK may bring back a SYN cookie: its kAccepted, and what came with it, go to the
  // events of the Receive that it came from. Any other is answered as RFC 9293 3.10.7.1 says for
  // CLOSED. Uses up the packet.
  void Accept(const SegmentIn& syn, const Path& path, Instant now);
  // RST as for a closed port (3.10.7.1). Uses up the packet.
  void Reject(const SegmentIn& segment, Instant now);

  // Active open. kConnected or kConnectFailed follows. Invalid when full or the tuple is in use.
  // `deadline`: give up then with kTimeout.
  TcpId Connect(const FourTuple& tuple, const Path& path, uint64_t cookie, Instant deadline,
                Instant now);
  // True when a connection (or its TIME_WAIT) has this tuple: source port selection asks.
  bool InUse(const FourTuple& tuple) const;

  void SetCookie(TcpId id, uint64_t cookie);
  // From when it is established. Of kTcpKeepaliveCountMax different ones at most, then the options'
  // own stays, counted.
  void SetKeepalive(TcpId id, const Keepalive& keepalive);
  FourTuple tuple(TcpId id) const;      // of a dead id: an empty one
  const void* PlaceOf(TcpId id) const;  // where its state lies: for tests of that

  // Queues bytes; returns false when the queue is now above the connection's send limit (twice its
  // congestion window, within limits.h and the memory left): the caller stops until kSendSpace
  // (what was given is kept all the same).
  bool Send(TcpId id, Chain bytes, Instant now);
  // The same, and more follows at once: whole segments leave, the rest waits until Send, Uncork or
  // Finish, and no longer than 200 ms (Linux's TCP_CORK and MSG_MORE).
  bool SendCorked(TcpId id, Chain bytes, Instant now);
  void Uncork(TcpId id);               // nothing follows after all
  void Finish(TcpId id, Instant now);  // FIN after everything queued; receiving goes on
  // FIN after everything queued; what still comes in is thrown away; no more events; the id is
  // dead.
  void Release(TcpId id, Instant now);
  // The same for what its peer is not to take for an end in order: RST once all that was queued is
  // acknowledged.
  void Reset(TcpId id, Instant now);
  void Abort(TcpId id, Instant now);  // RST now; the id is dead, no event
  // `byte_count` bytes of kData events have been used up: the receive window may open.
  void Consumed(TcpId id, uint32_t byte_count, Instant now);

  // RFC 5461. `sequence` must lie in the send window.
  void OnIcmp(const SockAddr& local, const SockAddr& remote, uint32_t sequence, bool hard,
              uint32_t mtu_or_zero, Instant now, std::vector<TcpEvent>* events);

  // Ends every connection whose remote or local address is `address` (a pod's port went away).
  void AbortAddress(const IpAddr& address, Instant now, std::vector<TcpEvent>* events);

  void OnTimer(Timer& timer, Instant now, std::vector<TcpEvent>* events);

  // Packets that may be sent now, at most `room`; call again next turn for the rest.
  void Transmit(Instant now, int room, std::vector<SegmentOut>* out);
  bool transmit_pending() const;

  uint32_t conn_count() const;
  uint32_t half_open_count() const;
  uint64_t memory_bytes() const;  // in queues, as the budget counts them
  const TcpCounters& counters() const;
  // CHECKs what must hold between any two calls: for simulations and hostile tests.
  void CheckInvariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_TCP_H_
