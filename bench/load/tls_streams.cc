#include "bench/load/tls_streams.h"

#include <utility>

namespace meltemi::load {
namespace {

using Kind = tcp::TcpEvent::Kind;

tls::TlsOptions OptionsOf(const WallClock& wall_clock) {
  tls::TlsOptions options;
  options.wall_clock = wall_clock;
  return options;
}

}  // namespace

TlsStreams::TlsStreams(const WallClock& wall_clock, tls::HandshakeRunner* runner, BufferPool* pool,
                       TimerWheel* timers, tcp::Tcp* tcp, Instant now)
    : tcp_(tcp), runner_(runner), tls_(OptionsOf(wall_clock), pool, timers, runner, now) {}

void TlsStreams::Translate(Instant now, std::vector<tcp::TcpEvent>* events) {
  std::vector<tcp::TcpEvent> out = std::exchange(ended_, {});
  for (tcp::TcpEvent& event : *events) Take(event, now, &out);
  if (tls_.handshakes_in_flight() > 0) tls_.Poll(now, &tls_events_);
  TakeTls(now, &out);
  *events = std::move(out);
}

void TlsStreams::Take(tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out) {
  const bool begins = (event.kind == Kind::kAccepted && server_ != nullptr) ||
                      (event.kind == Kind::kConnected && client_.context != nullptr);
  if (begins) return Begin(event, now, out);
  Conn* const conn = Find(event.id);
  if (conn == nullptr) {
    out->push_back(std::move(event));
    return;
  }
  switch (event.kind) {
    case Kind::kData:
      conn->unopened += static_cast<int64_t>(event.bytes.size());
      tls_.Receive(conn->tls, std::move(event.bytes), now, &tls_events_);
      return TakeTls(now, out);
    case Kind::kEof:
      tls_.OnEof(conn->tls, now, &tls_events_);
      return TakeTls(now, out);
    case Kind::kClosed:
    case Kind::kConnectFailed:
      event.cookie = conn->cookie;
      Forget(conn);
      break;
    case Kind::kAccepted:
    case Kind::kConnected:
      break;
    case Kind::kSendSpace:
      event.cookie = conn->cookie;
      break;
  }
  out->push_back(std::move(event));
}

void TlsStreams::Begin(const tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out) {
  if (event.id.slot >= conns_.size()) conns_.resize(event.id.slot + 1);
  Conn& conn = conns_[event.id.slot];
  conn = {.tcp = event.id, .cookie = event.cookie, .client = event.kind == Kind::kConnected};
  if (conn.client) {
    tls::ConnectRequest request{.sni = client_.sni,
                                .resumption_key = tcp_->tuple(event.id).remote.ToString(),
                                .timeout = client_.timeout};
    if (client_.check_name) {
      request.peer = std::make_unique<tls::PeerRule>(tls::PeerRule{.dns_names = {client_.sni}});
    }
    conn.tls = tls_.Connect(client_.context, std::move(request), event.id.bits(), now);
  } else {
    conn.tls = tls_.Accept(server_, event.id.bits(), now);
  }
  if (conn.tls.valid()) return;
  tcp_->Abort(event.id, now);  // too many sessions or handshakes
  if (conn.client) {
    out->push_back({.kind = Kind::kClosed,
                    .id = event.id,
                    .cookie = event.cookie,
                    .error = tcp::TcpError::kNoResources});
  }
  conn = Conn{};
}

void TlsStreams::TakeTls(Instant now, std::vector<tcp::TcpEvent>* out) {
  handling_.swap(tls_events_);
  for (tls::TlsEvent& event : handling_) TakeTls(event, now, out);
  handling_.clear();
}

void TlsStreams::TakeTls(tls::TlsEvent& event, Instant now, std::vector<tcp::TcpEvent>* out) {
  Conn* const conn = Find(TcpId::FromBits(event.cookie));
  if (conn == nullptr || conn->tls != event.id) return;
  tcp::TcpEvent made{.id = conn->tcp, .cookie = conn->cookie};
  switch (event.kind) {
    case tls::TlsEvent::Kind::kWrite:
      tcp_->Send(conn->tcp, std::move(event.bytes), now);
      return;
    case tls::TlsEvent::Kind::kHandshakeDone:
      conn->established = true;
      agreed_ = std::move(event.info);
      made.kind = conn->client ? Kind::kConnected : Kind::kAccepted;
      break;
    case tls::TlsEvent::Kind::kPlain:
      conn->unopened -= static_cast<int64_t>(event.bytes.size());
      made.kind = Kind::kData;
      made.bytes = std::move(event.bytes);
      break;
    case tls::TlsEvent::Kind::kCloseNotify:
    case tls::TlsEvent::Kind::kTruncated:
      made.kind = Kind::kEof;
      break;
    case tls::TlsEvent::Kind::kError:
      made.kind = Kind::kClosed;
      made.error = tcp::TcpError::kReset;
      tcp_->Release(conn->tcp, now);  // after the alert, if there is one
      // Of a client that never was accepted the application has not heard.
      if (conn->client || conn->established) out->push_back(std::move(made));
      *conn = Conn{};
      return;
  }
  // The application tells TCP of plaintext; the rest of what came is ours to tell.
  if (conn->unopened > 0) {
    tcp_->Consumed(conn->tcp, static_cast<uint32_t>(std::exchange(conn->unopened, 0)), now);
  }
  out->push_back(std::move(made));
}

bool TlsStreams::Send(TcpId tcp, Chain plain, Instant now) {
  Conn* const conn = Find(tcp);
  Chain records;
  if (tls_.Seal(conn->tls, std::move(plain), &records)) {
    return tcp_->Send(tcp, std::move(records), now);
  }
  // Out of buffers: the session cannot go on.
  ended_.push_back({.kind = Kind::kClosed,
                    .id = tcp,
                    .cookie = conn->cookie,
                    .error = tcp::TcpError::kNoResources});
  Forget(conn);
  tcp_->Abort(tcp, now);
  return true;
}

bool TlsStreams::Finish(TcpId tcp, Instant now) {
  const Conn* const conn = Find(tcp);
  if (conn == nullptr) return false;
  SendCloseNotify(*conn, now);
  tcp_->Finish(tcp, now);
  return true;
}

bool TlsStreams::Release(TcpId tcp, Instant now) {
  Conn* const conn = Find(tcp);
  if (conn == nullptr) return false;
  SendCloseNotify(*conn, now);
  Forget(conn);
  tcp_->Release(tcp, now);
  return true;
}

bool TlsStreams::Abort(TcpId tcp, Instant now) {
  Conn* const conn = Find(tcp);
  if (conn == nullptr) return false;
  Forget(conn);
  tcp_->Abort(tcp, now);
  return true;
}

void TlsStreams::SendCloseNotify(const Conn& conn, Instant now) {
  Chain records;
  tls_.Close(conn.tls, &records);
  if (!records.empty()) tcp_->Send(conn.tcp, std::move(records), now);
}

void TlsStreams::Forget(Conn* conn) {
  tls_.Release(conn->tls);
  *conn = Conn{};
}

}  // namespace meltemi::load
