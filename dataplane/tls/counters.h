// TlsCounters: one counter per verdict and event of dataplane/tls. A table: l7/base/counter.h.
#ifndef MELTEMI_DATAPLANE_TLS_COUNTERS_H_
#define MELTEMI_DATAPLANE_TLS_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::tls {

#define MELTEMI_TLS_COUNTERS(C)                                                                    \
  C(handshakes_started, "handshakes", "sessions begun, both roles")                                \
  C(handshakes_done, "handshakes", "handshakes that succeeded")                                    \
  C(handshakes_resumed, "handshakes", "of these: resumed, without certificates")                   \
  C(handshakes_failed, "handshakes", "handshakes that failed, for any reason")                     \
  C(handshake_timeouts, "handshakes", "of these: not done in time")                                \
  C(handshake_rejected_peer, "handshakes", "of these: the peer's certificate or identity")         \
  C(handshake_peer_alerts, "handshakes", "of these: the peer sent an alert")                       \
  C(handshake_too_long, "handshakes", "of these: more handshake bytes than allowed")               \
  C(refused_full, "sessions", "not begun: too many sessions, or handshakes in flight")             \
  C(handshake_trips, "trips", "times a handshake was handed to a thread")                          \
  C(handshake_waits, "trips", "of these: waited for a later turn, the thread's mailbox was full")  \
  C(certificates_parsed, "certificates", "certificates of peers parsed, not found parsed already") \
  C(certificates_verified, "certificates", "peer certificate chains verified in full")             \
  C(certificates_known, "certificates", "peer certificate chains found verified already")          \
  C(sessions_own_records, "sessions", "sessions of the plane's own record layer")                  \
  C(sessions_openssl_records, "sessions", "sessions that stayed in OpenSSL: 1.2, ChaCha20")        \
  C(records_in, "records", "records opened")                                                       \
  C(records_out, "records", "records sealed")                                                      \
  C(bytes_in, "bytes", "plaintext received")                                                       \
  C(bytes_out, "bytes", "plaintext sent")                                                          \
  C(opened_copied, "records", "records opened into new buffers: theirs were shared")               \
  C(sealed_in_place, "records", "records sealed where the plaintext lay")                          \
  C(error_bad_record_mac, "sessions", "ended: a record was altered, reordered or replayed")        \
  C(error_record_overflow, "sessions", "ended: a record longer than allowed")                      \
  C(error_unexpected_message, "sessions", "ended: a message or record out of place")               \
  C(error_decode, "sessions", "ended: a malformed message after the handshake")                    \
  C(error_no_memory, "sessions", "ended: no packet memory for a record")                           \
  C(error_openssl, "sessions", "ended: OpenSSL's record layer refused")                            \
  C(alerts_in, "alerts", "fatal alerts received after the handshake")                              \
  C(alerts_out, "alerts", "fatal alerts sent after the handshake")                                 \
  C(close_notify_in, "alerts", "orderly ends received")                                            \
  C(close_notify_out, "alerts", "orderly ends sent")                                               \
  C(truncated, "sessions", "the peer's stream ended without close_notify")                         \
  C(key_updates_in, "messages", "KeyUpdate received")                                              \
  C(key_updates_out, "messages", "KeyUpdate sent")                                                 \
  C(tickets_in, "messages", "session tickets received")                                            \
  C(keys_expanded, "keys", "AEAD keys expanded: new ones, and idle ones come back")                \
  C(bytes_after_close, "bytes", "bytes ignored after close_notify")

MELTEMI_COUNTER_TABLE(TlsCounters, "meltemi_tls", MELTEMI_TLS_COUNTERS)

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_COUNTERS_H_
