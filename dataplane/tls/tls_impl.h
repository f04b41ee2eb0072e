// Tls::Impl: the sessions of a worker. Parts: tls.cc (the door), tls_handshake.cc (begin, trips,
// done), tls_records.cc (our record layer's sessions), tls_openssl.cc (those that stay in OpenSSL).
#ifndef MELTEMI_DATAPLANE_TLS_TLS_IMPL_H_
#define MELTEMI_DATAPLANE_TLS_TLS_IMPL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/client_sessions.h"
#include "dataplane/tls/handshake.h"
#include "dataplane/tls/record_layer.h"
#include "dataplane/tls/tls.h"
#include "l7/base/slot_map.h"

namespace meltemi::tls {

// What a session needs only until its handshake is done.
struct Negotiation {
  explicit Negotiation(TlsId id) : timer(TimerOwner::kTls, 0, id.bits()) {}
  Timer timer;
  std::unique_ptr<Handshake> home;  // null: on a trip, or waiting for one
  uint32_t fed_bytes = 0;           // ciphertext given to it
  bool fresh = true;                // a client's first trip needs no input
  bool resuming = false;
  bool eof = false;  // of the peer, while on a trip
};

// What a client keeps until tickets have come, or something else has.
struct TicketWait {
  std::unique_ptr<Handshake> handshake;
  std::string records;  // as they came, for OpenSSL to read once more
  bool ticket_seen = false;
};

// About 330 bytes when idle: the layout is the budget (tls_test.cc, "idle").
struct Session {
  enum class Phase : uint8_t { kHandshake, kOwnRecords, kOpenSsl };
  Phase phase = Phase::kHandshake;
  Role role = Role::kServer;
  BufferUse pending_use = BufferUse::kInPlace;
  bool read_closed = false;       // close_notify or the end of the stream
  bool write_closed = false;      // our close_notify is out
  bool key_update_owed = false;   // the peer has asked for one
  bool key_update_asked = false;  // we have, and it has not come
  uint8_t empty_records = 0;      // in a row
  uint8_t key_updates = 0;        // without data between them
  uint64_t cookie = 0;
  Chain pending;  // ciphertext not used yet: less than a record once the handshake is done
  Traffic read, write;
  std::unique_ptr<Negotiation> negotiation;   // kHandshake
  std::unique_ptr<SslConnection> connection;  // kOpenSsl
  std::unique_ptr<TicketWait> tickets;        // kOwnRecords, clients
  std::unique_ptr<std::string> message;       // kOwnRecords: a part of a handshake message
};

class Tls::Impl {
 public:
  using Events = std::vector<TlsEvent>;

  Impl(const TlsOptions& options, BufferPool* pool, TimerWheel* timers, HandshakeRunner* runner);
  ~Impl();

  // tls_handshake.cc
  TlsId Begin(SslOptions options, std::string resumption_key, uint64_t cookie, Duration timeout,
              Instant now);
  TlsId BeginServer(ContextRef context, uint64_t cookie, Instant now) {
    return Begin({.context = std::move(context)}, "", cookie, options_.handshake_timeout, now);
  }
  TlsId Connect(ContextRef context, ConnectRequest request, uint64_t cookie, Instant now);
  void Poll(Instant now, Events* events);
  void OnTimer(Timer& timer, Events* events);
  void FeedHandshake(Session& s, Instant now, TlsId id, Events* events);

  // tls.cc
  void Receive(TlsId id, Chain&& ciphertext, Instant now, Events* events);
  void OnEof(TlsId id, Events* events);
  bool Seal(TlsId id, Chain&& plain, Chain* records);
  void Close(TlsId id, Chain* records);
  void Release(TlsId id);
  void UpdateKeys(TlsId id, RequestPeer request, Chain* records);
  Session* Find(TlsId id) { return sessions_.Find(id); }

  void SetWallClock(WallClock clock) { wall_clock_ = clock; }
  uint32_t session_count() const { return sessions_.size(); }
  uint32_t in_flight() const { return in_flight_; }
  const TlsCounters& counters() const { return counters_; }

 private:
  // tls_handshake.cc
  void SubmitOrWait(std::unique_ptr<Handshake> handshake);
  void OnTrip(std::unique_ptr<Handshake> handshake, Instant now, Events* events);
  void CountCertificates(const Handshake& handshake);
  void OnFailed(const Handshake& handshake, TlsId id, Events* events);
  void WriteAlert(const Handshake& handshake, TlsId id, Session& s, Events* events);
  void Establish(std::unique_ptr<Handshake> handshake, Session& s, Events* events);
  void CountFailure(TlsError error);
  void KeepSession(Handshake* handshake);

  static TlsEvent& Add(TlsEvent::Kind kind, TlsId id, const Session& s, Events* events) {
    TlsEvent& event = events->emplace_back();
    event.kind = kind;
    event.id = id;
    event.cookie = s.cookie;
    return event;
  }
  // One event for all bytes of a call.
  static void AddPlain(TlsId id, const Session& s, Chain&& bytes, Events* events) {
    const bool new_event =
        events->empty() || events->back().id != id || events->back().kind != TlsEvent::Kind::kPlain;
    TlsEvent& event = new_event ? Add(TlsEvent::Kind::kPlain, id, s, events) : events->back();
    event.bytes.Append(std::move(bytes));
  }
  // tls.cc
  // False when out of buffers.
  bool AddWrite(TlsId id, const Session& s, std::string_view bytes, Events* events);
  void End(TlsId id, Session& s, SslConnection::Failure failure, Events* events);
  void Erase(TlsId id, Session& s);

  // tls_records.cc. False: the session has ended.
  bool ReceiveOwn(TlsId id, Session& s, Events* events);
  bool OnRecord(TlsId id, Session& s, Opened&& opened, Events* events);
  bool OnData(TlsId id, Session& s, Chain&& content, Events* events);
  bool OnAlert(TlsId id, Session& s, const Chain& content, Events* events);
  bool OnMessageBytes(TlsId id, Session& s, const Chain& content, Events* events);
  bool OnMessage(TlsId id, Session& s, std::string_view message, bool last, Events* events);
  bool Refuse(TlsId id, Session& s, RecordLayer::Verdict verdict, Events* events);
  bool Refuse(TlsId id, Session& s, TlsError error, Events* events);
  bool AsksKeyUpdate(const Session& s) const {
    return s.read.sequence >= options_.records_per_key_max && !s.key_update_asked;
  }
  bool OwesKeyUpdate(const Session& s) const {
    return (s.key_update_owed || AsksKeyUpdate(s)) && !s.write_closed;
  }
  bool AnswerKeyUpdate(TlsId id, Session& s, Events* events);
  bool SealKeyUpdate(Session& s, RequestPeer request, Chain* records);
  void KeepRawRecord(Session& s);
  void WatchTickets(Session& s, ContentType type);
  void ReadTickets(Session& s);

  // tls_openssl.cc
  void ReceiveOpenSsl(TlsId id, Session& s, Events* events);
  bool SealOpenSsl(Session& s, const Chain& plain, Chain* records);
  bool TakeOutput(Session& s, Chain* records);

  const TlsOptions options_;
  WallClock wall_clock_;
  BufferPool* const pool_;
  TimerWheel* const timers_;
  HandshakeRunner* const runner_;
  TlsCounters counters_;
  RecordLayer records_;
  SlotMap<Session, TlsId> sessions_;
  ClientSessions client_sessions_;
  std::deque<std::unique_ptr<Handshake>> waiting_;  // for room at a thread
  uint32_t in_flight_ = 0;                          // handshakes, and tickets being read
  std::string scratch_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TLS_IMPL_H_
