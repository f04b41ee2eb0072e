#include "test/sim/host_tls.h"

#include <utility>

namespace meltemi::sim {
namespace {

using Kind = tcp::TcpEvent::Kind;

tls::TlsOptions OptionsOf(const HostTlsOptions& from) {
  tls::TlsOptions options;
  options.wall_clock = from.wall_clock;
  return options;
}

}  // namespace

HostTls::HostTls(const HostTlsOptions& options, BufferPool* pool, TimerWheel* timers, tcp::Tcp* tcp,
                 Instant now)
    : options_(options), tcp_(tcp), tls_(OptionsOf(options), pool, timers, &runner_, now) {}

void HostTls::Translate(Instant now, std::vector<tcp::TcpEvent>* events) {
  std::vector<tcp::TcpEvent> out;
  for (tcp::TcpEvent& event : *events) Take(event, now, &out);
  while (due()) {
    tls_.Poll(now, &tls_events_);
    TakeTls(now, &out);
  }
  *events = std::move(out);
}

void HostTls::Take(tcp::TcpEvent& event, Instant now, std::vector<tcp::TcpEvent>* out) {
  const uint64_t bits = event.id.bits();
  const bool begins = (event.kind == Kind::kAccepted && options_.server != nullptr) ||
                      (event.kind == Kind::kConnected && options_.client != nullptr);
  if (begins) {
    Conn& conn = conns_[bits];
    conn = {.tcp = event.id, .cookie = event.cookie, .client = event.kind == Kind::kConnected};
    conn.tls = conn.client ? tls_.Connect(options_.client, {}, bits, now)
                           : tls_.Accept(options_.server, bits, now);
    return;
  }
  const auto found = conns_.find(bits);
  if (found == conns_.end()) {
    out->push_back(std::move(event));
    return;
  }
  switch (event.kind) {
    case Kind::kData:
      found->second.unopened += static_cast<int64_t>(event.bytes.size());
      tls_.Receive(found->second.tls, std::move(event.bytes), now, &tls_events_);
      return TakeTls(now, out);
    case Kind::kEof:
      tls_.OnEof(found->second.tls, now, &tls_events_);
      return TakeTls(now, out);
    case Kind::kClosed:
    case Kind::kConnectFailed:
      event.cookie = found->second.cookie;
      tls_.Release(found->second.tls);
      conns_.erase(found);
      break;
    case Kind::kAccepted:
    case Kind::kConnected:
    case Kind::kSendSpace:
      break;
  }
  out->push_back(std::move(event));
}

void HostTls::TakeTls(Instant now, std::vector<tcp::TcpEvent>* out) {
  std::vector<tls::TlsEvent> events = std::exchange(tls_events_, {});
  for (tls::TlsEvent& event : events) TakeTls(event, now, out);
}

void HostTls::TakeTls(tls::TlsEvent& event, Instant now, std::vector<tcp::TcpEvent>* out) {
  const auto found = conns_.find(event.cookie);
  if (found == conns_.end() || found->second.tls != event.id) return;
  Conn& conn = found->second;
  tcp::TcpEvent made{.id = conn.tcp, .cookie = conn.cookie};
  switch (event.kind) {
    case tls::TlsEvent::Kind::kWrite:
      tcp_->Send(conn.tcp, std::move(event.bytes), now);
      return;
    case tls::TlsEvent::Kind::kHandshakeDone:
      conn.established = true;
      alpn_.push_back(event.info->alpn);
      if (!event.info->peer.uri_sans.empty()) peer_ = event.info->peer.uri_sans.front();
      made.kind = conn.client ? Kind::kConnected : Kind::kAccepted;
      break;
    case tls::TlsEvent::Kind::kPlain:
      conn.unopened -= static_cast<int64_t>(event.bytes.size());
      made.kind = Kind::kData;
      made.bytes = std::move(event.bytes);
      break;
    case tls::TlsEvent::Kind::kCloseNotify:
    case tls::TlsEvent::Kind::kTruncated:
      made.kind = Kind::kEof;
      break;
    case tls::TlsEvent::Kind::kError:
      made.kind = conn.client && !conn.established ? Kind::kConnectFailed : Kind::kClosed;
      made.error = tcp::TcpError::kReset;
      tcp_->Release(conn.tcp, now);
      if (conn.client || conn.established) out->push_back(std::move(made));
      conns_.erase(found);
      return;
  }
  // The application tells TCP of plaintext; the rest of what came is ours to tell.
  if (conn.unopened > 0) {
    tcp_->Consumed(conn.tcp, static_cast<uint32_t>(std::exchange(conn.unopened, 0)), now);
  }
  out->push_back(std::move(made));
}

bool HostTls::Send(TcpId tcp, Chain plain, Instant now) {
  Chain records;
  CHECK(tls_.Seal(conns_.at(tcp.bits()).tls, std::move(plain), &records));
  return tcp_->Send(tcp, std::move(records), now);
}

bool HostTls::Finish(TcpId tcp, Instant now) {
  const auto found = conns_.find(tcp.bits());
  if (found == conns_.end()) return false;
  Chain records;
  tls_.Close(found->second.tls, &records);
  if (!records.empty()) tcp_->Send(tcp, std::move(records), now);
  tcp_->Finish(tcp, now);
  return true;
}

bool HostTls::Abort(TcpId tcp, Instant now) {
  const auto found = conns_.find(tcp.bits());
  if (found == conns_.end()) return false;
  tls_.Release(found->second.tls);
  conns_.erase(found);
  tcp_->Abort(tcp, now);
  return true;
}

}  // namespace meltemi::sim
