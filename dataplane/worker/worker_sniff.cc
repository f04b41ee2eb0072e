// Connections to listeners with filter chains that addresses alone do not tell apart, or the PROXY
// protocol: their first bytes are looked at before anything is decided (a header says who the
// client is; a TLS ClientHello names the server; what is no TLS is plain), then they are like any
// other connection of the chain that takes them.
#include <utility>

#include "dataplane/tls/client_hello.h"
#include "dataplane/worker/worker.h"
#include "l7/base/limits.h"
#include "l7/proxy_protocol/proxy_header.h"

namespace meltemi::worker {

// The cookie for TCP; 0: refused.
uint64_t Worker::BeginSniff(TcpId tcp, const config::Listener& listener, Instant now) {
  const SniffId id = sniffs_.Emplace(tcp);
  if (!id.valid()) return Refuse(tcp, now);
  Sniff& sniff = sniffs_[id];
  sniff.header = listener.proxy_protocol.has_value();
  sniff.timer.subject = id.bits();
  timers_.Schedule(&sniff.timer, now + listener.sniff_timeout);
  return id.bits() | kSniffCookie;
}

void Worker::OnSniffTcpEvent(tcp::TcpEvent& event, Instant now) {
  const SniffId id = SniffId::FromBits(event.cookie & ~kSniffCookie);
  Sniff* const sniff = sniffs_.Find(id);
  if (sniff == nullptr || sniff->tcp != event.id) return;  // decided, or let go
  switch (event.kind) {
    case tcp::TcpEvent::Kind::kData:
      // TCP is told of nothing used up: its window bounds what waits here.
      sniff->bytes.Append(std::move(event.bytes));
      if (TakeProxyHeader(id, now)) LookAtFirstBytes(id, now);
      return;
    case tcp::TcpEvent::Kind::kEof: {  // before it has said anything
      const TcpId tcp = sniff->tcp;
      (void)ForgetSniff(id);
      ForgetProxied(tcp);
      return tcp_.Release(tcp, now);
    }
    case tcp::TcpEvent::Kind::kClosed:
    case tcp::TcpEvent::Kind::kConnectFailed:
      ForgetProxied(sniff->tcp);
      (void)ForgetSniff(id);
      return;
    case tcp::TcpEvent::Kind::kAccepted:
    case tcp::TcpEvent::Kind::kConnected:
    case tcp::TcpEvent::Kind::kSendSpace:
      return;
  }
}

void Worker::LookAtFirstBytes(SniffId id, Instant now) {
  const Sniff& sniff = sniffs_[id];
  const uint32_t listener = AcceptedOf(sniff.tcp).listener;
  // Nothing to choose: as where no first bytes are waited for.
  const bool chooses =
      listener == config::kNoIndex || snapshot_->listeners[listener].chooses_by_bytes();
  if (!chooses) return EndSniff(id, {}, now);
  tls::ClientHello hello;
  switch (tls::PeekClientHello(sniff.bytes, &hello)) {
    case tls::Peek::kNeedMore:
      return;
    case tls::Peek::kNotTls:
      return EndSniff(id, {.transport = config::Transport::kPlain}, now);
    case tls::Peek::kClientHello:
    case tls::Peek::kMalformed:
      return EndSniff(
          id, {.transport = config::Transport::kTls, .sni = hello.sni, .protocols = hello.alpn},
          now);
  }
}

bool Worker::TakeProxyHeader(SniffId id, Instant now) {
  Sniff& sniff = sniffs_[id];
  if (!sniff.header) return true;
  const TcpId tcp = sniff.tcp;
  proxy_protocol::Header header;
  const proxy_protocol::Peek peek = proxy_protocol::PeekHeader(sniff.bytes, &header);
  if (peek == proxy_protocol::Peek::kNeedMore) return false;
  const uint32_t listener = AcceptedOf(tcp).listener;
  // It may have gone, or been changed, since.
  const auto& wanted =
      listener == config::kNoIndex ? std::nullopt : snapshot_->listeners[listener].proxy_protocol;
  const bool v1 = header.version == proxy_protocol::Version::kV1;
  const bool taken = wanted.has_value() &&
                     (peek == proxy_protocol::Peek::kNone ? !wanted->required
                                                          : peek == proxy_protocol::Peek::kHeader &&
                                                                (v1 ? wanted->v1 : wanted->v2));
  if (!taken) {
    ++counters_.proxy_protocol_refused;
    (void)ForgetSniff(id);
    tcp_.Abort(tcp, now);
    return false;
  }
  sniff.header = false;
  if (peek == proxy_protocol::Peek::kNone) {
    ++counters_.proxy_protocol_absent;
    return true;
  }
  ++(v1 ? counters_.proxy_protocol_v1 : counters_.proxy_protocol_v2);
  sniff.bytes.RemovePrefix(header.size);
  tcp_.Consumed(tcp, static_cast<uint32_t>(header.size), now);
  if (header.addresses.has_value()) proxied_[tcp.bits()] = *header.addresses;
  return true;
}

void Worker::ApplyProxied(TcpId tcp, engine::Accepted* accepted) const {
  const auto found = proxied_.find(tcp.bits());
  if (found == proxied_.end()) return;
  accepted->remote = found->second.source;
  accepted->local = found->second.destination;
}

void Worker::ForgetProxied(TcpId tcp) {
  if (!proxied_.empty()) proxied_.erase(tcp.bits());
}

// The client waits for the server, as clients of servers that speak first do, or it is slow.
void Worker::OnSniffTimer(Timer& timer, Instant now) {
  const SniffId id = SniffId::FromBits(timer.subject);
  const TcpId tcp = sniffs_[id].tcp;
  const uint32_t listener = AcceptedOf(tcp).listener;
  const config::Listener* of =
      listener == config::kNoIndex ? nullptr : &snapshot_->listeners[listener];
  const bool misses_header = sniffs_[id].header && of != nullptr &&
                             of->proxy_protocol.has_value() && of->proxy_protocol->required;
  if (of != nullptr && of->plain_after_timeout && !misses_header) {
    ++counters_.sniff_continued;
    return EndSniff(id, {.transport = config::Transport::kPlain}, now);
  }
  ++counters_.sniff_timeouts;
  (void)ForgetSniff(id);
  ForgetProxied(tcp);
  tcp_.Abort(tcp, now);
}

void Worker::EndSniff(SniffId id, const config::Heard& heard, Instant now) {
  const TcpId tcp = sniffs_[id].tcp;
  Chain bytes = ForgetSniff(id);
  engine::Accepted accepted = AcceptedOf(tcp);
  accepted.sni = heard.sni;
  std::string_view protocol;
  bool own_pod = false;
  if (accepted.listener != config::kNoIndex) {  // it may have gone since
    const config::ChainChoice choice =
        ChooseChain(snapshot_->listeners[accepted.listener], accepted, heard, tcp);
    accepted.listener = choice.listener;
    // When the handshake is done the configuration may tell chains by it that did not before.
    protocol = choice.protocol.empty() && !heard.protocols.empty() ? heard.protocols.front()
                                                                   : choice.protocol;
    // A pod of this node needs no TLS to prove who it is: its port does.
    const uint32_t guard = snapshot_->FindGuard(tcp_.tuple(tcp).local);
    own_pod = choice.listener == config::kNoIndex && guard != config::kNoIndex &&
              heard.transport == config::Transport::kPlain && accepted.source != nullptr &&
              !accepted.source->identity.empty();
    if (own_pod) accepted.listener = guard;
  }
  if (accepted.listener == config::kNoIndex) return NoFilterChain(tcp, now);
  const uint64_t cookie = own_pod ? BeginPlain(tcp, accepted, now) : Begin(tcp, accepted, now);
  if (cookie == 0) return;
  if (!protocol.empty() && (cookie & kTlsCookie) != 0) {
    tls_pipes_.Find(tls::TlsId::FromBits(cookie & ~kTlsCookie))->protocol = ProtocolTag(protocol);
  }
  SetTcpCookie(tcp, cookie);
  RunActions(now);
  if (bytes.empty()) return;  // the time for them is over
  tcp::TcpEvent event;
  event.kind = tcp::TcpEvent::Kind::kData;
  event.id = tcp;
  event.cookie = cookie;
  event.bytes = std::move(bytes);
  OnTcpEvent(event, now);
}

Chain Worker::ForgetSniff(SniffId id) {
  Sniff& sniff = sniffs_[id];
  timers_.Cancel(&sniff.timer);
  Chain bytes = std::move(sniff.bytes);
  sniffs_.Erase(id);
  return bytes;
}

}  // namespace meltemi::worker
