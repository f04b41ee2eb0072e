// Upgrades (RFC 9110 7.8): a request asks for another protocol, which configuration allows by name;
// until the upstream has answered 101 it is a request like any other, and what its client sends
// after it waits. From then on two connections and the bytes between them, as in tcp_proxy.cc: a
// FIN goes through as a FIN, a reset as a reset, and bytes wait in Conn::in while the other side
// cannot take them. Over HTTP/2 it is extended CONNECT (RFC 8441), which its session makes such a
// request, and END_STREAM is the FIN. Of all timeouts the one for idle streams is left. Any other
// answer is an ordinary response, and ends the connection: what follows on it may be meant for the
// tunnel.
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "l7/engine/impl.h"
#include "l7/http/validate.h"
#include "l7/route/text.h"

namespace meltemi::engine {
namespace {

using http::Known;

std::optional<bool> Find(const config::Upgrades& upgrades, std::string_view protocol) {
  for (const auto& [name, enabled] : upgrades) {
    if (text::EqualsIgnoreCase(name, protocol)) return enabled;
  }
  return std::nullopt;
}

// RFC 4648 4.
std::string Base64(std::span<const char> bytes) {
  std::string out;
  absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()), &out);
  return out;
}

}  // namespace

// As Envoy's createUpgradeFilterChain: the whole value is the name, and a route's word counts more.
bool Engine::Impl::AllowsUpgrade(const Exchange& x) {
  const std::string_view protocol = http::UpgradeOf(x.head.headers);
  if (protocol.empty()) return false;
  if (x.forward != nullptr) {
    if (const auto enabled = Find(x.forward->upgrades, protocol)) return *enabled;
  }
  return Find(x.manager->upgrades, protocol).value_or(false);
}

void Engine::Impl::RefuseUpgrade(Exchange& x, Instant now) {
  ++counters_.upgrades_refused;
  Reply(x, {.status = 403, .details = "upgrade_failed"}, now);
}

// Of a 101: it must switch to what was asked for, after the whole request.
bool Engine::Impl::SwitchesAsAsked(const Exchange& x, const http::ResponseHead& head) {
  return x.head.upgrade && x.request_complete &&
         text::EqualsIgnoreCase(http::UpgradeOf(head.headers), http::UpgradeOf(x.head.headers));
}

// As it goes upstream. A client of HTTP/2 has no key (RFC 8441 5), and a server wants one (RFC 6455
// 4.2.1): this one proves nothing to anybody.
bool Engine::Impl::AskUpgrade(const Conn& down, std::string_view protocol,
                              http::HeaderBlock* headers) {
  bool ok = headers->Add(Known::kConnection, "upgrade");
  ok &= headers->Add(Known::kUpgrade, protocol);
  if (!down.is_stream() || !text::EqualsIgnoreCase(protocol, "websocket")) return ok;
  char nonce[16];
  for (char& c : nonce) c = static_cast<char>(prng_->Below(256));
  return ok & headers->Set("sec-websocket-key", Base64(nonce));
}

// As the answer goes downstream.
bool Engine::Impl::AnswerUpgrade(const Conn& down, std::string_view protocol,
                                 http::HeaderBlock* headers) {
  if (down.is_stream()) {
    headers->Remove("sec-websocket-accept");
    return true;
  }
  return headers->Add(Known::kConnection, "upgrade") && headers->Add(Known::kUpgrade, protocol);
}

bool Engine::Impl::BeginTunnel(Exchange& x, http::ResponseHead head, Instant now) {
  ++counters_.upgrades;
  for (Timer* timer : {&x.response_timer, &x.try_timer, &x.request_timer}) timers_->Cancel(timer);
  x.tunnel = true;
  x.replay.Clear();
  x.replay_whole = false;
  return WriteResponse(x, std::move(head), now);
}

// Moves what has come from one side to the other, then its FIN. How many bytes.
size_t Engine::Impl::Relay(Conn& from, Conn& to) {
  if (!to.has_space) return 0;
  const size_t size = from.in.size();
  if (size > 0) {
    Consume(from, size);
    Write(to, std::move(from.in));
  }
  if (from.eof && !from.cut && !to.finished) {
    to.finished = true;
    if (to.is_stream()) {
      EndStreamBody(to, {});
    } else if (!from.finished && !to.gone) {
      Emit(Action::Kind::kFinish, to.id);
    }
  }
  return size;
}

void Engine::Impl::PumpTunnel(Exchange& x, Instant now) {
  Conn& down = conns_[x.down];
  Conn& up = conns_[x.up];
  const size_t sent = Relay(up, down);
  const size_t received = Relay(down, up);
  x.bytes_sent += sent;
  x.bytes_received += received;
  if (sent + received > 0) Touch(x, now);
  const Conn* const cut = up.cut && up.in.empty()       ? &up
                          : down.cut && down.in.empty() ? &down
                                                        : nullptr;
  if (cut != nullptr) return TunnelCut(x, *cut, now);
  if (down.finished && up.finished) EndTunnel(x, Action::Kind::kRelease, now);
}

// The connection has gone. In order: what it has sent goes to the other side first.
void Engine::Impl::TunnelGone(Conn& conn, CloseReason reason, Instant now) {
  Exchange& x = exchanges_[conn.exchange];
  conn.gone = true;
  if (reason == CloseReason::kFinished) {
    conn.eof = conn.finished = true;
    return PumpTunnel(x, now);
  }
  if (conn.id == x.down) {
    const ConnId id = conn.id;
    DownstreamGone(id, now);
    return ForgetConn(conns_[id]);
  }
  UpstreamLeftTunnel(x);
  EndTunnel(x, Action::Kind::kAbort, now);
}

// As TcpCut.
void Engine::Impl::TunnelCut(Exchange& x, const Conn& from, Instant now) {
  if (from.id == x.up) {
    UpstreamLeftTunnel(x);
  } else {
    x.flags |= telemetry::kDownstreamConnectionTermination;
    x.details.Set("downstream_remote_disconnect");
  }
  EndTunnel(x, Action::Kind::kReset, now);
}

void Engine::Impl::UpstreamLeftTunnel(Exchange& x) {
  ++x.cluster->stats.cx_destroy_remote;
  ++x.cluster->stats.rq_rx_reset;
  x.flags |= telemetry::kUpstreamConnectionTermination;
  x.details.Set("upstream_reset_after_response_started{connection_termination}");
}

void Engine::Impl::EndTunnel(Exchange& x, Action::Kind kind, Instant now) {
  Conn& up = conns_[x.up];
  cluster::Cluster* const cluster = x.cluster;
  cluster::Host* const host = x.host;
  EndAttempt(x);
  x.up = ConnId{};
  up.exchange = ExchangeId{};
  EndConn(up, kind);
  Conn& down = conns_[x.down];
  down.exchange = ExchangeId{};
  RetireExchange(x, down, now);
  EndConn(down, kind);
  ServeWaiter(cluster, host, now);
}

}  // namespace meltemi::engine
