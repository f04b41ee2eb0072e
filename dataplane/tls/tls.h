// Tls: all TLS sessions of one worker. TLS 1.3 (RFC 8446) with AES-GCM on our own record layer;
// TLS 1.2 and ChaCha20 inside OpenSSL, behind the same interface.
//
// Owns: sessions, their keys, the expanded keys in use, the client's sessions for resumption. Must
// not know: IP, TCP, L7. Called by dataplane/worker on its thread, and by simulations. Nothing is
// called back: events are values. Handshakes are computed by the HandshakeRunner, on other threads.
// Bounds: limits.h "TLS", options below.
//
// How a worker drives it, between one TCP connection and one L7 connection (a pipe):
//
//   TCP accepted, listener has TLS   id = Accept(context, cookie, now)
//   TCP connected, cluster has TLS   id = Connect(context, request, cookie, now); the ClientHello
//                                    comes as kWrite from Poll
//   TCP kData                        Receive(id, bytes, now, &events)
//   TCP kEof                         OnEof(id, now, &events)
//   every turn                       Poll(now, &events): handshakes that came back
//   timer of TimerOwner::kTls        OnTimer(timer, now, &events)
//   L7 action kWrite                 Seal(id, bytes, &records), then tcp.Send(records)
//   L7 action kFinish                Close(id, &records), tcp.Send(records), tcp.Finish
//   L7 actions kAbort, kReset, kRelease; TCP kClosed    Release(id)
//
//   event kWrite         -> tcp.Send
//   event kHandshakeDone -> engine.OnAccept / OnConnected, with the peer's identity
//   event kPlain         -> engine.OnBytes. TCP's Consumed is told ciphertext bytes at Receive
//   (this
//                           layer holds less than one record of them), L7's plaintext bytes are the
//                           worker's to add up: it tells TCP what Receive took, when L7 has
//                           consumed as much.
//   event kCloseNotify, kTruncated   -> engine.OnEof, which is told which of them it was
//   event kError         -> before kHandshakeDone: the connect failed (or the accept never was);
//                           after it: engine.OnClosed. Then tcp.Release, so that an alert written
//                           before still goes out.
//
// Opening and sealing are done record by record: AES-GCM has no multi-buffer form and batches cost
// more (reference: 142 cycles for 64 bytes direct, 155 as a job). What batches save elsewhere,
// Receive and Seal have: they take all bytes there are.
#ifndef MELTEMI_DATAPLANE_TLS_TLS_H_
#define MELTEMI_DATAPLANE_TLS_TLS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/tls/alert.h"
#include "dataplane/tls/context.h"
#include "dataplane/tls/counters.h"
#include "dataplane/tls/handshake_info.h"
#include "dataplane/tls/handshake_runner.h"
#include "l7/base/handle.h"
#include "l7/base/limits.h"
#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::tls {

using TlsId = Handle<struct TlsTag>;

enum class AeadKind : uint8_t { kIpsecMb, kOpenSsl };

struct TlsOptions {
  uint32_t session_count_max = limits::kTlsSessionCountMax;
  uint32_t handshakes_in_flight_max = limits::kTlsHandshakesInFlight;
  uint32_t expanded_key_count_max = limits::kTlsExpandedKeys;  // 1 KB each, of the busy sessions
  uint32_t client_session_count_max = limits::kTlsClientSessions;
  Duration handshake_timeout = limits::kTlsHandshakeTimeout;
  uint64_t records_per_key_max = limits::kTlsRecordsPerKey;  // then KeyUpdate
  AeadKind aead = AeadKind::kIpsecMb;
  WallClock wall_clock;  // certificates have dates
};

struct ConnectRequest {
  std::string sni;                // empty: none sent
  std::vector<std::string> alpn;  // empty: the context's
  // Sessions are resumed among connections of one context, one SNI and one of these: the peer's
  // address, since another node knows nothing of our session.
  std::string resumption_key;
  // When set, used instead of the context's PeerRule (secure naming is per destination).
  std::unique_ptr<PeerRule> peer;
  Duration timeout;  // of the handshake, when it is shorter than the options'; zero: theirs
};

struct TlsEvent {
  enum class Kind : uint8_t {
    kWrite,          // `bytes` to send to the peer, in this order with what Seal returns
    kHandshakeDone,  // `info`; Seal may be used
    kPlain,          // `bytes` of the peer
    kCloseNotify,    // the peer has ended its direction; ours goes on
    kTruncated,      // the stream ended without close_notify (RFC 8446 6.1: maybe cut by somebody)
    kError,          // `error`, `alert`, `detail`; the id is dead
  };
  Kind kind = Kind::kError;
  TlsId id;
  uint64_t cookie = 0;  // the caller's
  Chain bytes;
  std::unique_ptr<HandshakeInfo> info;
  TlsError error = TlsError::kNone;
  Alert alert = Alert::kCloseNotify;  // kPeerAlert: the peer's
  std::string detail;                 // for logs; failed handshakes only
};

class Tls {
 public:
  // `pool`, `timers` and `runner` are borrowed and outlive this.
  Tls(const TlsOptions& options, BufferPool* pool, TimerWheel* timers, HandshakeRunner* runner,
      Instant now);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // Begin. Invalid when there are too many sessions or handshakes.
  TlsId Accept(ContextRef context, uint64_t cookie, Instant now);
  TlsId Connect(ContextRef context, ConnectRequest request, uint64_t cookie, Instant now);

  // Bytes of the peer, in order. Opened in place where nobody else views their buffers. An id that
  // is dead: the bytes are dropped (as everywhere below).
  void Receive(TlsId id, Chain ciphertext, Instant now, std::vector<TlsEvent>* events);
  // The peer's stream has ended.
  void OnEof(TlsId id, Instant now, std::vector<TlsEvent>* events);

  // Plaintext becomes records, appended to `records`, after kHandshakeDone and before Close. False
  // when out of buffers: the session is unusable then and must be Released and its TCP aborted.
  // Sealed in place where the buffer is exclusively the chain's and has room around the bytes.
  [[nodiscard]] bool Seal(TlsId id, Chain plain, Chain* records);
  // close_notify: the last of our direction. Appends nothing when there is no handshake yet.
  void Close(TlsId id, Chain* records);
  // Forgets the session and its keys; the id is dead, no event.
  void Release(TlsId id);

  void SetCookie(TlsId id, uint64_t cookie);

  // Once a turn: finished handshakes are taken, waiting ones handed over; at most
  // limits::kTlsHandshakesPerTurn each.
  void Poll(Instant now, std::vector<TlsEvent>* events);
  void OnTimer(Timer& timer, Instant now, std::vector<TlsEvent>* events);

  // Changes our sending key, and asks for a change of the peer's (RFC 8446 4.6.3). For tests and
  // operators; by itself it happens at records_per_key_max.
  enum class RequestPeer : uint8_t { kNo, kYes };
  void UpdateKeys(TlsId id, RequestPeer request, Chain* records);

  // The time of day was set: for what is verified from now on.
  void SetWallClock(WallClock clock);

  uint32_t session_count() const;
  uint32_t handshakes_in_flight() const;
  const TlsCounters& counters() const;
  // Bytes of an established session of our own record layer, its slot included; the expanded keys
  // are shared by the busy ones and not counted.
  static uint32_t SessionBytes();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TLS_H_
