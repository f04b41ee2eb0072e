// Sessions: who talks with whom through a UDP service. A client's first datagram to a service
// begins one; it holds the endpoint chosen and the plane's own address and port towards it:
//
//   client -> service    becomes    local -> endpoint      (Find by the first pair)
//   service -> client    comes from endpoint -> local      (FindReply by the second)
//
// Envoy's udp_proxy: a session ends after its listener's idle_timeout, and when its endpoint
// leaves. Pure state: no packets, no clock. Owned by a worker, which owns both directions: the
// local port is chosen so that replies hash to it. Bound: `count_max` sessions; beyond it the one
// that has been silent longest makes room. Memory: what has grown stays.
#ifndef MELTEMI_DATAPLANE_UDP_SESSIONS_H_
#define MELTEMI_DATAPLANE_UDP_SESSIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "dataplane/udp/counters.h"
#include "l7/base/handle.h"
#include "l7/base/ip_addr.h"
#include "l7/base/slot_map.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"
#include "l7/telemetry/sample.h"

namespace meltemi::udp {

using SessionId = Handle<struct UdpSessionTag>;

// Envoy's udp.<stat_prefix>.* statistics.
struct ListenerStats {
  std::string prefix;
  uint64_t sess_total = 0, sess_active = 0, idle_timeout = 0;
  uint64_t rx_datagrams = 0, rx_bytes = 0;  // from clients
  uint64_t tx_datagrams = 0, tx_bytes = 0;  // to them
  uint64_t sess_no_route = 0;
};

struct SessionSpec {
  SockAddr client, service;  // as the client's datagrams say
  SockAddr local, endpoint;  // as those to the endpoint say
  Duration idle_timeout;
  uint32_t stats = 0;     // StatsOf
  uint64_t snapshot = 0;  // the sequence under which listener and endpoint were seen last
};

struct Session : SessionSpec {
  explicit Session(const SessionSpec& spec) : SessionSpec(spec), timer(TimerOwner::kUdp, 0) {}

  SessionId id;
  Instant last_used;
  Timer timer;
  Session* older = nullptr;  // by last_used
  Session* newer = nullptr;
};

class Sessions {
 public:
  Sessions(uint32_t count_max, TimerWheel* timers);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  Session* Find(const SockAddr& client, const SockAddr& service);
  Session* FindReply(const SockAddr& local, const SockAddr& endpoint);
  // Neither pair has a session.
  Session* Open(const SessionSpec& spec, Instant now);
  // Something has passed, in either direction.
  void Touch(Session* session, Instant now);
  void Close(Session* session);
  void OnTimer(Timer& timer, Instant now);

  // The place of a listener's statistics; they outlive it.
  uint32_t StatsOf(std::string_view prefix);
  ListenerStats& stats(uint32_t index) { return stats_[index]; }
  void AppendSamples(std::vector<telemetry::Sample>* out) const;

  uint32_t count() const { return slots_.size(); }
  UdpCounters& counters() { return counters_; }
  const UdpCounters& counters() const { return counters_; }

 private:
  using Pair = std::pair<SockAddr, SockAddr>;

  void Append(Session* session);
  void Unlink(Session* session);

  TimerWheel* const timers_;
  SlotMap<Session, SessionId> slots_;
  absl::flat_hash_map<Pair, SessionId> by_client_;    // client, service
  absl::flat_hash_map<Pair, SessionId> by_endpoint_;  // local, endpoint
  Session* oldest_ = nullptr;
  Session* newest_ = nullptr;
  std::vector<ListenerStats> stats_;
  UdpCounters counters_;
};

}  // namespace meltemi::udp

#endif  // MELTEMI_DATAPLANE_UDP_SESSIONS_H_
