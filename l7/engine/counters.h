// What the engine counts for itself, as a table (l7/base/counter.h).
// Written by the engine on its worker's thread; copies leave by mail.
#ifndef MELTEMI_L7_ENGINE_COUNTERS_H_
#define MELTEMI_L7_ENGINE_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::engine {

#define MELTEMI_ENGINE_COUNTERS(C)                                                                 \
  C(downstream_accepted, "connections", "Downstream connections taken")                            \
  C(downstream_refused, "connections", "Downstream connections refused: no slot left")             \
  C(downstream_overflow, "connections", "Downstream connections refused: the node has all it may") \
  C(downstream_rejected, "connections", "Downstream connections refused by the overload manager")  \
  C(downstream_worn, "connections", "Downstream connections ended: their last request allowed")    \
  C(downstream_protocol_errors, "requests", "Requests refused by the parser or by validation")     \
  C(requests, "requests", "Requests whose head was complete and valid")                            \
  C(requests_shed, "requests", "Requests answered with 503 by the overload manager")               \
  C(keepalive_disabled, "connections",                                                             \
    "Downstream connections that end after a request: the overload manager says so")               \
  C(exchange_refused, "requests", "Requests whose connection was reset: no exchange slot left")    \
  C(local_replies, "responses", "Responses made by the engine itself")                             \
  C(upstream_opened, "connections", "Upstream connections asked for")                              \
  C(upstream_refused, "connections", "Upstream connections not asked for: no slot left")           \
  C(upstream_protocol_errors, "responses", "Responses refused by the parser or validation")        \
  C(upstream_surprises, "connections",                                                             \
    "Idle upstream connections closed: bytes without a request")                                   \
  C(identities_refused, "connections", "Clients whose identity had no place in the table")         \
  C(principals_refused, "connections", "Peers whose principal is not told apart in metrics")       \
  C(retries, "requests", "Attempts repeated by a retry policy")                                    \
  C(reuse_races, "requests", "Attempts repeated: the pooled connection was closing")               \
  C(faults_delayed, "requests", "Requests delayed by fault injection")                             \
  C(faults_aborted, "requests", "Requests aborted by fault injection")                             \
  C(mirrors_sent, "requests", "Copies of requests sent to a mirror")                               \
  C(mirrors_dropped, "requests", "Copies not sent or given up: a bound was reached")               \
  C(cors_origin_valid, "requests", "Cross-origin requests of an origin that is allowed")           \
  C(cors_origin_invalid, "requests", "Cross-origin requests of an origin that is not")             \
  C(http2_downstream, "connections", "Downstream connections that speak HTTP/2")                   \
  C(http2_upstream, "connections", "Upstream connections that speak HTTP/2")                       \
  C(http2_connection_errors, "connections", "HTTP/2 connections ended for a violation")            \
  C(http2_streams_reset, "streams", "HTTP/2 streams reset by the peer, or for a violation")        \
  C(tcp_proxied, "connections", "Connections taken by a TCP proxy")                                \
  C(upgrades, "requests", "Upgrades: requests that became tunnels")                                \
  C(upgrades_refused, "requests", "Upgrades refused: their protocol is not allowed there")         \
  C(tcp_denied_later, "connections", "Opaque connections ended: rules that came later deny them")  \
  C(tcp_listener_gone, "connections", "Opaque connections ended: their filter chain was removed")  \
  C(buffers_exhausted, "events", "Writes given up because the buffer pool was empty")              \
  C(snapshots, "snapshots", "Configurations taken into use")                                       \
  C(series_refused, "series", "Metric series not made: their bound was reached")

MELTEMI_COUNTER_TABLE(EngineCounters, "meltemi_engine", MELTEMI_ENGINE_COUNTERS)

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_COUNTERS_H_
