// Counters of the worker's turn. Packets dropped here are dropped for want of room between the
// layers; every other drop is named in the layer that decides it.
#ifndef MELTEMI_DATAPLANE_WORKER_COUNTERS_H_
#define MELTEMI_DATAPLANE_WORKER_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::worker {

#define MELTEMI_WORKER_COUNTERS(C)                                                                \
  C(turns, "turns", "rounds of the worker's loop")                                                \
  C(busy_turns, "turns", "rounds that received, sent, fired a timer or ran an action")            \
  C(cycles, "cycles", "time stamp counter cycles spent in turns")                                 \
  C(busy_cycles, "cycles", "cycles spent in turns that did something")                            \
  C(sleeps, "sleeps", "times the worker slept because nothing was to do")                         \
  C(mail_read, "messages", "messages read from other threads")                                    \
  C(segments_handed_over, "packets", "TCP packets handed to the worker that owns them")           \
  C(segments_merged, "packets", "TCP packets joined to the one before them (ip/merge.h)")         \
  C(drop_peer_full, "packets", "TCP packets dropped because the owner's queue was full")          \
  C(drop_overload, "packets", "SYNs dropped: the overload manager stopped accepting connections") \
  C(drop_no_port, "packets", "packets dropped because their port was gone")                       \
  C(drop_port_full, "packets", "packets dropped because a port's transmit queue was full")        \
  C(refused_full, "connections", "connections reset because L7 had no slot for them")             \
  C(tls_not_ready, "connections", "connections refused: their TLS secrets are not there")         \
  C(tls_local, "connections", "mesh connections to pods of this node, which need no TLS")         \
  C(tls_local_refused, "connections", "of them, to a pod that its service's accounts lack")       \
  C(tls_settings_changed, "connections", "handshakes done under settings no longer in force")     \
  C(no_filter_chain, "connections", "connections whose first bytes no filter chain takes")        \
  C(proxy_protocol_v1, "connections", "connections with a PROXY header of version 1")             \
  C(proxy_protocol_v2, "connections", "connections with a PROXY header of version 2")             \
  C(proxy_protocol_absent, "connections", "connections taken without a PROXY header")             \
  C(proxy_protocol_refused, "connections", "connections let go: a bad PROXY header, or none")     \
  C(sniff_timeouts, "connections", "connections let go: their first bytes did not come")          \
  C(sniff_continued, "connections", "connections taken as plain: their first bytes did not come") \
  C(connect_no_route, "connections", "upstream connections refused for want of a route")          \
  C(connect_no_port, "connections", "upstream connections refused for want of a source port")     \
  C(records_lost, "records", "access log records dropped because the log thread was behind")      \
  C(snapshots_taken, "snapshots", "configurations this worker has picked up")
MELTEMI_COUNTER_TABLE(WorkerCounters, "meltemi_worker", MELTEMI_WORKER_COUNTERS)

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_COUNTERS_H_
