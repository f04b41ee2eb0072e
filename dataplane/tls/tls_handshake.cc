#include <algorithm>
#include <utility>

#include "dataplane/tls/tls_impl.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

// Given to a handshake at once. What a peer sends behind its Finished may be in it: the rest of a
// big upload stays in our buffers, where TCP's window bounds it.
constexpr size_t kTripBytes = 32 * 1024;

bool IsPeersFault(TlsError error) {
  return error == TlsError::kPeerCertificateMissing ||
         error == TlsError::kPeerCertificateUnknownIssuer ||
         error == TlsError::kPeerCertificateExpired || error == TlsError::kPeerCertificateInvalid ||
         error == TlsError::kPeerIdentity;
}

}  // namespace

TlsId Tls::Impl::Begin(SslOptions options, std::string resumption_key, uint64_t cookie,
                       Duration timeout, Instant now) {
  const Role role = options.context->role;
  const bool resuming = options.session != nullptr;
  const TlsId id = in_flight_ < options_.handshakes_in_flight_max ? sessions_.Emplace() : TlsId{};
  if (!id.valid()) {
    ++counters_.refused_full;
    return id;
  }
  ++counters_.handshakes_started;
  ++in_flight_;
  Session& s = sessions_[id];
  s.role = role;
  s.cookie = cookie;
  s.negotiation = std::make_unique<Negotiation>(id);
  s.negotiation->resuming = resuming;
  s.negotiation->home = std::make_unique<Handshake>(id, std::move(options));
  s.negotiation->home->resumption_key = std::move(resumption_key);
  timers_->Schedule(&s.negotiation->timer, now + timeout);
  return id;
}

TlsId Tls::Impl::Connect(ContextRef context, ConnectRequest request, uint64_t cookie, Instant now) {
  const Duration timeout = request.timeout.zero()
                               ? options_.handshake_timeout
                               : std::min(request.timeout, options_.handshake_timeout);
  std::string key;
  SslSessionPtr session;
  if (context->resume) {
    key.assign(reinterpret_cast<const char*>(&context->id), sizeof(context->id));
    key += request.sni + '\0' + request.resumption_key;
    session = client_sessions_.Get(key);
  }
  const TlsId id = Begin({.context = std::move(context),
                          .sni = std::move(request.sni),
                          .alpn = std::move(request.alpn),
                          .peer = std::move(request.peer),
                          .session = std::move(session)},
                         std::move(key), cookie, timeout, now);
  if (Session* s = Find(id); s != nullptr) FeedHandshake(*s, now, id, nullptr);
  return id;
}

// Starts a trip when the handshake is at home and has something to do. `events` may be null when
// nothing is pending.
void Tls::Impl::FeedHandshake(Session& s, Instant now, TlsId id, Events* events) {
  Negotiation& n = *s.negotiation;
  const bool first = n.fresh && s.role == Role::kClient;
  if (n.home == nullptr || (s.pending.empty() && !first)) return;
  if (n.fed_bytes >= limits::kTlsHandshakeBytesMax) {
    CountFailure(TlsError::kHandshakeTooLong);
    return End(id, s, {.error = TlsError::kHandshakeTooLong, .detail = "handshake too long"},
               events);
  }
  n.fresh = false;
  const size_t size = std::min(s.pending.size(), kTripBytes);
  n.home->in.resize(size);
  s.pending.CopyTo(0, size, reinterpret_cast<uint8_t*>(n.home->in.data()));
  s.pending.RemovePrefix(size);
  n.fed_bytes += static_cast<uint32_t>(size);
  n.home->set_unix_seconds(wall_clock_.UnixNanos(now) / 1'000'000'000);
  SubmitOrWait(std::move(n.home));
}

void Tls::Impl::SubmitOrWait(std::unique_ptr<Handshake> handshake) {
  ++counters_.handshake_trips;
  if (waiting_.empty() && runner_->Submit(handshake)) return;
  ++counters_.handshake_waits;
  waiting_.push_back(std::move(handshake));
}

void Tls::Impl::Poll(Instant now, Events* events) {
  for (int i = 0; i < limits::kTlsHandshakesPerTurn; ++i) {
    std::unique_ptr<Handshake> handshake = runner_->Take();
    if (handshake == nullptr) break;
    OnTrip(std::move(handshake), now, events);
  }
  for (int i = 0; i < limits::kTlsHandshakesPerTurn && !waiting_.empty(); ++i) {
    // A session that has ended while its handshake waited needs no trip.
    if (Find(waiting_.front()->id()) == nullptr &&
        waiting_.front()->state() == Handshake::State::kRunning) {
      --in_flight_;
    } else if (!runner_->Submit(waiting_.front())) {
      break;
    }
    waiting_.pop_front();
  }
}

void Tls::Impl::OnTrip(std::unique_ptr<Handshake> handshake, Instant now, Events* events) {
  const TlsId id = handshake->id();
  Session* s = Find(id);
  const bool handshaking = s != nullptr && s->phase == Session::Phase::kHandshake;
  if (!handshaking) {  // its session has ended, or it has read tickets for one that goes on
    --in_flight_;
    if (handshake->state() == Handshake::State::kDone) KeepSession(handshake.get());
    return;
  }
  const bool sent = AddWrite(id, *s, handshake->out, events);
  handshake->out.clear();
  if (!sent) {
    --in_flight_;
    CountFailure(TlsError::kNoMemory);
    ++counters_.error_no_memory;
    return End(id, *s, {.error = TlsError::kNoMemory, .detail = "no buffers"}, events);
  }
  switch (handshake->state()) {
    case Handshake::State::kRunning:
      s->negotiation->home = std::move(handshake);
      if (s->pending.empty() && s->negotiation->eof) return OnEof(id, events);
      return FeedHandshake(*s, now, id, events);
    case Handshake::State::kFailed:
      --in_flight_;
      return OnFailed(*handshake, id, events);
    case Handshake::State::kDone:
    case Handshake::State::kTickets:
      --in_flight_;
      return Establish(std::move(handshake), *s, events);
  }
}

void Tls::Impl::CountCertificates(const Handshake& handshake) {
  counters_.certificates_parsed += handshake.certificates_parsed;
  counters_.certificates_verified += handshake.certificates_verified;
  counters_.certificates_known += handshake.certificates_known;
}

void Tls::Impl::OnFailed(const Handshake& handshake, TlsId id, Events* events) {
  Session& s = sessions_[id];
  CountFailure(handshake.failure().error);
  CountCertificates(handshake);
  // Whatever went wrong: the next one is a full handshake.
  if (s.negotiation->resuming) client_sessions_.Erase(handshake.resumption_key);
  if (handshake.alert.has_value()) WriteAlert(handshake, id, s, events);
  End(id, s, handshake.failure(), events);
}

void Tls::Impl::WriteAlert(const Handshake& handshake, TlsId id, Session& s, Events* events) {
  Traffic write;
  SetSecret(handshake.suite, {handshake.write_secret.data(), SecretBytes(handshake.suite)}, &write);
  write.sequence = handshake.write_sequence;
  const uint8_t fatal[2] = {2, static_cast<uint8_t>(*handshake.alert)};
  Chain record;
  // Out of buffers, the peer sees a truncated stream: all that can be done.
  if (!records_.SealBytes(ContentType::kAlert, fatal, &write, &record)) return;
  ++counters_.alerts_out;
  Add(TlsEvent::Kind::kWrite, id, s, events).bytes = std::move(record);
}

void Tls::Impl::Establish(std::unique_ptr<Handshake> handshake, Session& s, Events* events) {
  const TlsId id = handshake->id();
  const bool eof = s.negotiation->eof;
  timers_->Cancel(&s.negotiation->timer);
  s.negotiation.reset();
  ++counters_.handshakes_done;
  counters_.handshakes_resumed += handshake->info->resumed;
  CountCertificates(*handshake);
  Add(TlsEvent::Kind::kHandshakeDone, id, s, events).info = std::move(handshake->info);
  KeepSession(handshake.get());
  if (!handshake->own_records) {
    s.phase = Session::Phase::kOpenSsl;
    ++counters_.sessions_openssl_records;
    s.connection = std::move(handshake->connection);
    s.connection->resumption_key = std::move(handshake->resumption_key);
    ReceiveOpenSsl(id, s, events);
    if (eof) OnEof(id, events);
    return;
  }
  s.phase = Session::Phase::kOwnRecords;
  ++counters_.sessions_own_records;
  const size_t n = SecretBytes(handshake->suite);
  SetSecret(handshake->suite, {handshake->read_secret.data(), n}, &s.read);
  SetSecret(handshake->suite, {handshake->write_secret.data(), n}, &s.write);
  s.write.sequence = handshake->write_sequence;
  Chain received;
  if (!AppendCopy(pool_, handshake->leftover, &received)) {
    ++counters_.error_no_memory;
    return End(id, s, {.error = TlsError::kNoMemory, .detail = "no buffers"}, events);
  }
  received.Append(std::move(s.pending));
  s.pending = std::move(received);
  if (handshake->state() == Handshake::State::kTickets) {
    handshake->leftover.clear();
    s.tickets = std::make_unique<TicketWait>();
    s.tickets->handshake = std::move(handshake);
  }
  if (ReceiveOwn(id, s, events) && eof) OnEof(id, events);
}

void Tls::Impl::OnTimer(Timer& timer, Events* events) {
  const TlsId id = TlsId::FromBits(timer.subject);
  Session* s = Find(id);
  CHECK(s != nullptr && s->negotiation != nullptr);
  CountFailure(TlsError::kHandshakeTimeout);
  End(id, *s, {.error = TlsError::kHandshakeTimeout, .detail = "handshake not done in time"},
      events);
}

void Tls::Impl::CountFailure(TlsError error) {
  ++counters_.handshakes_failed;
  counters_.handshake_timeouts += error == TlsError::kHandshakeTimeout;
  counters_.handshake_rejected_peer += IsPeersFault(error);
  counters_.handshake_peer_alerts += error == TlsError::kPeerAlert;
  counters_.handshake_too_long += error == TlsError::kHandshakeTooLong;
}

void Tls::Impl::KeepSession(Handshake* handshake) {
  if (handshake->session == nullptr || handshake->resumption_key.empty()) return;
  client_sessions_.Put(handshake->resumption_key, std::move(handshake->session));
}

}  // namespace meltemi::tls
