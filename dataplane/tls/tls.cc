#include "dataplane/tls/tls.h"

#include <utility>

#include "dataplane/tls/tls_impl.h"
#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

std::unique_ptr<Aead> MakeAead(AeadKind kind) {
  switch (kind) {
    case AeadKind::kIpsecMb:
      return MakeIpsecMbAead();
    case AeadKind::kOpenSsl:
      return MakeOpenSslAead();
  }
  return nullptr;
}

}  // namespace

Tls::Impl::Impl(const TlsOptions& options, BufferPool* pool, TimerWheel* timers,
                HandshakeRunner* runner)
    : options_(options),
      wall_clock_(options.wall_clock),
      pool_(pool),
      timers_(timers),
      runner_(runner),
      records_(MakeAead(options.aead), options.expanded_key_count_max, pool, &counters_),
      sessions_(options.session_count_max),
      client_sessions_(options.client_session_count_max) {}

Tls::Impl::~Impl() {
  sessions_.ForEach([this](TlsId id, Session& s) { Erase(id, s); });
}

void Tls::Impl::Receive(TlsId id, Chain&& ciphertext, Instant now, Events* events) {
  Session* s = Find(id);
  if (s == nullptr) return;
  if (s->read_closed) {
    counters_.bytes_after_close += ciphertext.size();
    return;
  }
  if (UseOf(ciphertext) == BufferUse::kCopy) s->pending_use = BufferUse::kCopy;
  s->pending.Append(std::move(ciphertext));
  switch (s->phase) {
    case Session::Phase::kHandshake:
      FeedHandshake(*s, now, id, events);
      break;
    case Session::Phase::kOwnRecords:
      ReceiveOwn(id, *s, events);
      break;
    case Session::Phase::kOpenSsl:
      ReceiveOpenSsl(id, *s, events);
      break;
  }
}

void Tls::Impl::OnEof(TlsId id, Events* events) {
  Session* s = Find(id);
  if (s == nullptr || s->read_closed) return;
  if (s->phase == Session::Phase::kHandshake) {
    s->negotiation->eof = true;
    if (s->negotiation->home != nullptr) {
      CountFailure(TlsError::kTruncated);
      End(id, *s, {.error = TlsError::kTruncated, .detail = "end of stream"}, events);
    }
    return;
  }
  s->read_closed = true;
  ++counters_.truncated;
  Add(TlsEvent::Kind::kTruncated, id, *s, events);
}

bool Tls::Impl::Seal(TlsId id, Chain&& plain, Chain* records) {
  Session* s = Find(id);
  if (s == nullptr || s->write_closed) return true;  // bytes for nobody
  CHECK(s->phase != Session::Phase::kHandshake);
  if (s->phase == Session::Phase::kOpenSsl) return SealOpenSsl(*s, plain, records);
  if (s->write.sequence >= options_.records_per_key_max &&
      !SealKeyUpdate(*s, RequestPeer::kNo, records)) {
    return false;
  }
  return records_.Seal(ContentType::kApplicationData, std::move(plain), &s->write, records);
}

void Tls::Impl::Close(TlsId id, Chain* records) {
  Session* s = Find(id);
  if (s == nullptr || s->write_closed || s->phase == Session::Phase::kHandshake) return;
  s->write_closed = true;
  ++counters_.close_notify_out;
  // Out of buffers, the peer sees a truncated stream: all that can be done.
  if (s->phase == Session::Phase::kOpenSsl) {
    s->connection->WriteCloseNotify();
    (void)TakeOutput(*s, records);
    return;
  }
  const uint8_t alert[2] = {1, static_cast<uint8_t>(Alert::kCloseNotify)};
  (void)records_.SealBytes(ContentType::kAlert, alert, &s->write, records);
}

void Tls::Impl::Release(TlsId id) {
  if (Session* s = Find(id); s != nullptr) Erase(id, *s);
}

void Tls::Impl::UpdateKeys(TlsId id, RequestPeer request, Chain* records) {
  Session* s = Find(id);
  if (s == nullptr || s->write_closed || s->phase == Session::Phase::kHandshake) return;
  if (s->phase == Session::Phase::kOwnRecords) {
    (void)SealKeyUpdate(*s, request, records);
    return;
  }
  // TLS 1.2 has none: OpenSSL refuses, nothing happens.
  if (s->connection->UpdateKeys(request == RequestPeer::kYes)) ++counters_.key_updates_out;
  (void)TakeOutput(*s, records);
}

bool Tls::Impl::AddWrite(TlsId id, const Session& s, std::string_view bytes, Events* events) {
  if (bytes.empty()) return true;
  Chain copy;
  if (!AppendCopy(pool_, bytes, &copy)) return false;
  Add(TlsEvent::Kind::kWrite, id, s, events).bytes = std::move(copy);
  return true;
}

void Tls::Impl::End(TlsId id, Session& s, SslConnection::Failure failure, Events* events) {
  TlsEvent& event = Add(TlsEvent::Kind::kError, id, s, events);
  event.error = failure.error;
  event.alert = failure.alert;
  event.detail = std::move(failure.detail);
  Erase(id, s);
}

void Tls::Impl::Erase(TlsId id, Session& s) {
  if (s.negotiation != nullptr) {
    timers_->Cancel(&s.negotiation->timer);
    if (s.negotiation->home != nullptr) --in_flight_;
  }
  if (s.phase == Session::Phase::kOwnRecords) {
    records_.Drop(&s.read);
    records_.Drop(&s.write);
  }
  sessions_.Erase(id);
}

Tls::Tls(const TlsOptions& options, BufferPool* pool, TimerWheel* timers, HandshakeRunner* runner,
         Instant now)
    : impl_(std::make_unique<Impl>(options, pool, timers, runner)) {
  (void)now;
}
Tls::~Tls() = default;

TlsId Tls::Accept(ContextRef context, uint64_t cookie, Instant now) {
  CHECK(context->role == Role::kServer);
  return impl_->BeginServer(std::move(context), cookie, now);
}
TlsId Tls::Connect(ContextRef context, ConnectRequest request, uint64_t cookie, Instant now) {
  CHECK(context->role == Role::kClient);
  return impl_->Connect(std::move(context), std::move(request), cookie, now);
}
void Tls::Receive(TlsId id, Chain ciphertext, Instant now, std::vector<TlsEvent>* events) {
  impl_->Receive(id, std::move(ciphertext), now, events);
}
void Tls::OnEof(TlsId id, Instant now, std::vector<TlsEvent>* events) {
  (void)now;
  impl_->OnEof(id, events);
}
bool Tls::Seal(TlsId id, Chain plain, Chain* records) {
  return impl_->Seal(id, std::move(plain), records);
}
void Tls::Close(TlsId id, Chain* records) { impl_->Close(id, records); }
void Tls::Release(TlsId id) { impl_->Release(id); }
void Tls::SetCookie(TlsId id, uint64_t cookie) {
  if (Session* s = impl_->Find(id); s != nullptr) s->cookie = cookie;
}
void Tls::Poll(Instant now, std::vector<TlsEvent>* events) { impl_->Poll(now, events); }
void Tls::OnTimer(Timer& timer, Instant now, std::vector<TlsEvent>* events) {
  (void)now;
  impl_->OnTimer(timer, events);
}
void Tls::UpdateKeys(TlsId id, RequestPeer request, Chain* records) {
  impl_->UpdateKeys(id, request, records);
}
void Tls::SetWallClock(WallClock clock) { impl_->SetWallClock(clock); }
uint32_t Tls::session_count() const { return impl_->session_count(); }
uint32_t Tls::handshakes_in_flight() const { return impl_->in_flight(); }
const TlsCounters& Tls::counters() const { return impl_->counters(); }
uint32_t Tls::SessionBytes() {
  return sizeof(Session) + 2 * sizeof(uint32_t);  // SlotMap: generation and free list
}

}  // namespace meltemi::tls
