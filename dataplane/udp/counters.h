// Counters of UDP services. What has a label (per statistics prefix) is in Sessions::AppendSamples.
#ifndef MELTEMI_DATAPLANE_UDP_COUNTERS_H_
#define MELTEMI_DATAPLANE_UDP_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::udp {

#define MELTEMI_UDP_COUNTERS(C)                                                          \
  C(sessions_opened, "sessions", "sessions begun by a client's first datagram")          \
  C(sessions_idle, "sessions", "sessions ended because nothing passed for idle_timeout") \
  C(sessions_evicted, "sessions", "sessions ended, the longest silent, to make room")    \
  C(sessions_endpoint_gone, "sessions", "sessions ended because their endpoint left")    \
  C(no_cluster, "datagrams", "datagrams refused: the listener's cluster is not there")   \
  C(no_healthy_upstream, "datagrams", "datagrams refused: no endpoint is healthy")       \
  C(no_route, "datagrams", "datagrams refused: no route to the endpoint, or no address") \
  C(no_port, "datagrams", "datagrams refused for want of a source port")                 \
  C(not_a_session, "datagrams", "datagrams to the plane's own addresses, of no session") \
  C(handed_over, "datagrams", "datagrams handed to the worker that owns their session")  \
  C(drop_peer_full, "datagrams", "datagrams dropped because the owner's queue was full") \
  C(errors_passed_on, "messages", "ICMP errors told to the client or endpoint they concern")
MELTEMI_COUNTER_TABLE(UdpCounters, "meltemi_udp", MELTEMI_UDP_COUNTERS)

}  // namespace meltemi::udp

#endif  // MELTEMI_DATAPLANE_UDP_COUNTERS_H_
