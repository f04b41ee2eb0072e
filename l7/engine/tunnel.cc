// Upgrades (RFC 9110 7.8): a request asks for another protocol, which configuration allows by name;
// until the upstream has answered 101 it is a request like any other, and what its client sends
// after it waits. From then on two connections and the bytes between them, as in tcp_proxy.cc: a
// FIN goes through as a FIN, a reset as a reset, and bytes wait in Conn::in while the other side
// cannot take them. Over HTTP/2 it is extended CONNECT (RFC 8441), which a client's session makes
// such a request, and a server's makes of one; END_STREAM is the FIN. CONNECT (RFC 9110 9.3.6) is
// the same with a 2xx for the 101: of the upstream, to which it is passed on, or our own, when its
// bytes are meant for the upstream (connect_config). Of all timeouts the one for idle streams is
// left. Any other answer is an ordinary response, and ends the connection: what follows on it may
// be meant for the tunnel.
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "l7/engine/impl.h"
#include "l7/http/reject.h"
#include "l7/http/validate.h"
#include "l7/http/websocket.h"
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
  const std::string_view protocol = x.head.connect ? "connect" : http::UpgradeOf(x.head.headers);
  if (protocol.empty()) return false;
  if (x.forward != nullptr) {
    if (const auto enabled = Find(x.forward->upgrades, protocol)) return *enabled;
  }
  return Find(x.manager->upgrades, protocol).value_or(false);
}

void Engine::Impl::RefuseUpgrade(Exchange& x, Instant now) {
  if (x.head.connect) return RefuseConnect(x, now);
  ++counters_.upgrades_refused;
  Reply(x, {.status = 403, .details = "upgrade_failed"}, now);
}

// Envoy would answer 404 or 403; here it is as before there were tunnels.
void Engine::Impl::RefuseConnect(Exchange& x, Instant now) {
  ++counters_.downstream_protocol_errors;
  ++counters_.upgrades_refused;
  Reply(x,
        {.status = http::StatusOf(http::Reject::kConnectRefused),
         .details = http::DetailsOf(http::Reject::kConnectRefused),
         .flags = telemetry::kDownstreamProtocolError},
        now);
}

std::string_view Engine::Impl::AskedProtocol(const Exchange& x) {
  return x.head.upgrade && !x.head.connect ? http::UpgradeOf(x.head.headers) : std::string_view();
}

// A 2xx to CONNECT (RFC 9110 9.3.6) of either kind (RFC 8441 5). A 101 must switch to what was
// asked for, after the whole request.
bool Engine::Impl::BecomesTunnel(const Exchange& x, const Conn& up,
                                 const http::ResponseHead& head) {
  if (!x.head.upgrade || !x.request_complete) return false;
  if (x.head.connect || up.is_stream()) return head.status / 100 == 2;
  return head.status == 101 &&
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

// As the answer goes downstream. A server of HTTP/2 proves no key, and a client of HTTP/1.1 wants
// the proof of its own (RFC 6455 4.2.2).
bool Engine::Impl::AnswerUpgrade(const Exchange& x, const Conn& down, std::string_view protocol,
                                 http::HeaderBlock* headers) {
  constexpr std::string_view kAccept = "sec-websocket-accept";
  if (x.head.connect) return true;
  if (down.is_stream()) {
    headers->Remove(kAccept);
    return true;
  }
  if (protocol.empty()) protocol = AskedProtocol(x);
  bool ok = headers->Add(Known::kConnection, "upgrade") && headers->Add(Known::kUpgrade, protocol);
  const std::string_view key = x.head.headers.Get("sec-websocket-key");
  const bool proven = headers->Get(kAccept).data() != nullptr;
  if (!proven && text::EqualsIgnoreCase(protocol, "websocket") && key.data() != nullptr) {
    ok = ok && headers->Set(kAccept, http::WebSocketAccept(key));
  }
  return ok;
}

// The connection stands: that is the answer, and all that follows is the client's and the server's.
void Engine::Impl::AnswerConnect(Exchange& x, Instant now) {
  http::ResponseHead head(pool_);
  head.status = 200;
  head.reason = http::ReasonPhrase(200);
  x.service_time = now - x.attempt_started;
  x.head_written = true;
  if (!NoteServer(x, conns_[x.up])) {
    ++counters_.buffers_exhausted;
    DropUpstream(x, now);
    return Reply(x, {.status = 503, .details = "overload", .flags = telemetry::kOverloadManager},
                 now);
  }
  if (BeginTunnel(x, std::move(head), now)) ready_.push_back(x.down);  // what came behind the head
}

bool Engine::Impl::BeginTunnel(Exchange& x, http::ResponseHead head, Instant now) {
  ++counters_.upgrades;
  for (Timer* timer : {&x.response_timer, &x.try_timer, &x.request_timer}) timers_->Cancel(timer);
  x.tunnel = true;
  x.replay.Clear();
  x.replay_whole = false;
  if (!x.head.connect) head.status = 101;  // as it is told to HTTP/1.1, and written down
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
  const Conn* const up = conns_.Find(x.up);
  if (up == nullptr || !up->is_stream()) ++x.cluster->stats.cx_destroy_remote;
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
