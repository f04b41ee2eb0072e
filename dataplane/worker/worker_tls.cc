// Connections with TLS: what TCP brings goes through dataplane/tls to L7, and back. Nothing of this
// is touched by plain connections.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "dataplane/worker/worker.h"
#include "l7/base/limits.h"
#include "l7/base/stage.h"

namespace meltemi::worker {
namespace {

// To be offered by ALPN: the context's names (an empty list), but none of the version of HTTP that
// the connection does not speak, or its server might choose that.
std::vector<std::string> ProtocolsFor(const tls::ContextEntry& entry, std::string_view speaks) {
  std::vector<std::string> names;
  if (entry.alpn.empty()) {
    if (!speaks.empty()) names.emplace_back(speaks);
    return names;
  }
  for (const std::string& name : entry.alpn) {
    const bool http1 = name.find("http/1.") != std::string::npos;
    const bool http2 = name == "h2" || name == "istio-h2";
    if (speaks == "h2" ? !http1 : speaks != "http/1.1" || !http2) names.push_back(name);
  }
  if (names.size() == entry.alpn.size()) names.clear();
  return names;
}

telemetry::TlsResult ResultOf(tls::TlsError error) {
  using telemetry::TlsResult;
  using tls::TlsError;
  switch (error) {
    case TlsError::kPeerCertificateMissing:
      return TlsResult::kFailedNoCertificate;
    case TlsError::kPeerCertificateUnknownIssuer:
    case TlsError::kPeerCertificateExpired:
    case TlsError::kPeerCertificateInvalid:
      return TlsResult::kFailedUntrusted;
    case TlsError::kPeerIdentity:
      return TlsResult::kFailedName;
    case TlsError::kNone:
    case TlsError::kHandshakeTimeout:
    case TlsError::kHandshakeTooLong:
    case TlsError::kNotTls:
    case TlsError::kNoCommonParameters:
    case TlsError::kPeerAlert:
    case TlsError::kHandshakeFailed:
    case TlsError::kTruncated:
    case TlsError::kBadRecordMac:
    case TlsError::kRecordOverflow:
    case TlsError::kUnexpectedMessage:
    case TlsError::kIllegalParameter:
    case TlsError::kDecodeError:
    case TlsError::kRecordRefused:
    case TlsError::kNoMemory:
      return TlsResult::kFailed;
  }
  return TlsResult::kFailed;
}

engine::ConnectError ConnectErrorOf(telemetry::TlsResult result) {
  switch (result) {
    case telemetry::TlsResult::kFailedUntrusted:
      return engine::ConnectError::kTlsUntrusted;
    case telemetry::TlsResult::kFailedName:
      return engine::ConnectError::kTlsName;
    case telemetry::TlsResult::kFailedNoCertificate:
    case telemetry::TlsResult::kFailed:
    case telemetry::TlsResult::kDone:
      return engine::ConnectError::kTls;
  }
  return engine::ConnectError::kTls;
}

// Texts of a certificate go into headers, logs and metrics: what could end a line there is written
// as in a URI. No SPIFFE identity has such.
std::string Printable(std::string text) {
  const auto bad = [](char c) { return c <= ' ' || c >= 127; };
  if (std::none_of(text.begin(), text.end(), bad)) return text;
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (!bad(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    for (const char d : {'%', kDigits[byte >> 4], kDigits[byte & 15]}) out.push_back(d);
  }
  return out;
}

// Takes the texts. Nothing when the peer has shown no certificate.
std::optional<telemetry::PeerIdentity> PeerOf(tls::HandshakeInfo* info) {
  if (!info->peer.certificate_given) return std::nullopt;
  auto certificate = std::make_unique<telemetry::PeerCertificate>();
  for (std::string& uri : info->peer.uri_sans) {
    certificate->uris.push_back(Printable(std::move(uri)));
  }
  for (std::string& name : info->peer.dns_sans) {
    certificate->dns_names.push_back(Printable(std::move(name)));
  }
  certificate->subject = std::move(info->peer.subject);
  certificate->issuer = std::move(info->peer.issuer);
  certificate->serial = std::move(info->peer.serial);
  certificate->sha256 = absl::BytesToHexString(
      {reinterpret_cast<const char*>(info->peer.sha256.data()), info->peer.sha256.size()});
  certificate->not_before = info->peer.not_before;
  certificate->not_after = info->peer.not_after;
  const bool named = info->peer.verified && !certificate->uris.empty();
  telemetry::PeerIdentity peer =
      telemetry::MakePeerIdentity(named ? certificate->uris.front() : std::string_view());
  for (std::string& uri : info->local_uri_sans) peer.local.push_back(Printable(std::move(uri)));
  peer.certificate = std::move(certificate);
  return peer;
}

telemetry::TlsSession SessionOf(const tls::HandshakeInfo& info) {
  return {.version = static_cast<uint16_t>(info.version == tls::Version::kTls13 ? 0x0304 : 0x0303),
          .cipher_suite = info.cipher_suite};
}

}  // namespace

// L7 hears of a client when its handshake is done.
uint64_t Worker::AcceptTls(TcpId tcp, uint32_t settings, Instant now) {
  const tls::ContextEntry* entry = ContextOf(settings, "");
  if (entry == nullptr) {
    ++counters_.tls_not_ready;
    tcp_.Abort(tcp, now);
    return 0;
  }
  const tls::TlsId id = tls_->Accept(entry->context, 0, now);
  if (!id.valid()) return Refuse(tcp, now);
  TlsPipe& pipe = tls_pipes_.Add(id, tcp);
  pipe.tcp_connected = true;
  pipe.settings = settings;
  return id.bits() | kTlsCookie;
}

// The ClientHello is made while the SYN is on its way.
void Worker::ConnectTls(const engine::Action& action, TcpId tcp, Instant now) {
  const tls::ContextEntry* entry = ContextOf(action.tls, action.source);
  tls::TlsId id;
  if (entry != nullptr) {
    tls::ConnectRequest request{.sni = entry->sni,
                                .resumption_key = action.address.ToString(),
                                .timeout = action.connect_timeout};
    request.alpn = ProtocolsFor(*entry, action.alpn);
    id = tls_->Connect(entry->context, std::move(request), 0, now);
  }
  if (!id.valid()) {
    if (entry == nullptr) ++counters_.tls_not_ready;
    tcp_.Abort(tcp, now);
    return engine_.OnConnectFailed(
        action.conn,
        entry == nullptr ? engine::ConnectError::kTls : engine::ConnectError::kNoResources, now);
  }
  TlsPipe& pipe = tls_pipes_.Add(id, tcp);
  pipe.conn = action.conn;
  pipe.settings = action.tls;
  pipes_.Join(action.conn, id);
  tcp_.SetCookie(tcp, id.bits() | kTlsCookie);
}

const tls::ContextEntry* Worker::ContextOf(uint32_t settings, std::string_view source) const {
  return tls_ == nullptr || tls_contexts_ == nullptr ? nullptr
                                                     : tls_contexts_->Find(settings, source);
}

void Worker::TakeTlsContexts() {
  if (links_.tls_contexts == nullptr || links_.tls_contexts->version() == tls_version_) return;
  tls_version_ = links_.tls_contexts->version();
  tls_contexts_ = links_.tls_contexts->Get();
  busy_ = true;
}

// Handshakes that came back from their threads.
void Worker::PollTls(Instant now) {
  if (tls_ == nullptr || tls_->handshakes_in_flight() == 0) return;
  tls_->Poll(now, &tls_events_);
  DeliverTls(now);
}

void Worker::OnTlsTcpEvent(tcp::TcpEvent& event, Instant now) {
  const tls::TlsId id = tls::TlsId::FromBits(event.cookie & ~kTlsCookie);
  TlsPipe* pipe = tls_pipes_.Find(id);
  if (pipe == nullptr || pipe->tcp != event.id) return;  // we have let go of it
  switch (event.kind) {
    case tcp::TcpEvent::Kind::kAccepted:
      break;
    case tcp::TcpEvent::Kind::kConnected:
      pipe->tcp_connected = true;
      if (!pipe->early.empty()) SendTls(*pipe, std::exchange(pipe->early, Chain()), now);
      break;
    case tcp::TcpEvent::Kind::kData:
      pipe->unopened += event.bytes.size();
      {
        const StageScope scope(Stage::kTls);
        tls_->Receive(id, std::move(event.bytes), now, &tls_events_);
      }
      DeliverTls(now);
      if (TlsPipe* still = tls_pipes_.Find(id)) OpenWindow(*still, 0, now);
      break;
    case tcp::TcpEvent::Kind::kEof:
      tls_->OnEof(id, now, &tls_events_);
      DeliverTls(now);
      break;
    case tcp::TcpEvent::Kind::kSendSpace:
      if (pipe->established) engine_.OnSendQueue(pipe->conn, true, now);
      break;
    case tcp::TcpEvent::Kind::kConnectFailed:
    case tcp::TcpEvent::Kind::kClosed: {
      const TlsPipe gone = ForgetTls(*pipe);
      if (gone.established) {
        engine_.OnClosed(gone.conn, CloseReasonOf(event.error), now);
      } else if (gone.conn.valid()) {
        engine_.OnConnectFailed(
            gone.conn,
            gone.tcp_connected ? engine::ConnectError::kTls : ConnectErrorOf(event.error), now);
      }
      break;
    }
  }
}

void Worker::DeliverTls(Instant now) {
  busy_ |= !tls_events_.empty();
  for (tls::TlsEvent& event : tls_events_) OnTlsEvent(event, now);
  for (const tls::TlsEvent& event : tls_events_) {
    if (TlsPipe* pipe = tls_pipes_.Find(event.id)) OpenWindow(*pipe, 0, now);
  }
  tls_events_.clear();
  RunActions(now);
}

void Worker::OnTlsEvent(tls::TlsEvent& event, Instant now) {
  TlsPipe* const pipe = tls_pipes_.Find(event.id);
  if (pipe == nullptr) return;  // what came before has ended it
  switch (event.kind) {
    case tls::TlsEvent::Kind::kWrite:
      return SendTls(*pipe, std::move(event.bytes), now);
    case tls::TlsEvent::Kind::kHandshakeDone:
      return OnHandshakeDone(event, now);
    case tls::TlsEvent::Kind::kPlain:
      pipe->with_l7 += event.bytes.size();
      return engine_.OnBytes(pipe->conn, std::move(event.bytes), now);
    case tls::TlsEvent::Kind::kCloseNotify:
      return engine_.OnEof(pipe->conn, engine::Ending::kOrderly, now);
    case tls::TlsEvent::Kind::kTruncated:
      return engine_.OnEof(pipe->conn, engine::Ending::kCut, now);
    case tls::TlsEvent::Kind::kError:
      return OnTlsError(event, now);
  }
}

void Worker::OnHandshakeDone(const tls::TlsEvent& event, Instant now) {
  TlsPipe* pipe = tls_pipes_.Find(event.id);
  pipe->established = true;
  CountTls(*pipe, {.result = telemetry::TlsResult::kDone,
                   .resumed = event.info->resumed,
                   .peer_certificate = event.info->peer.certificate_given});
  if (pipe->conn.valid()) {
    const std::optional<telemetry::PeerIdentity> peer = PeerOf(event.info.get());
    return engine_.OnConnected(pipe->conn,
                               {.local = tcp_.tuple(pipe->tcp).local,
                                .tls = SessionOf(*event.info),
                                .peer = peer.has_value() ? &*peer : nullptr},
                               now);
  }
  // As in OnAccepted: what the engine wants of connections that are gone comes first.
  RunActions(now);
  const ConnId conn = AdmitTls(*pipe, event.info.get(), now);
  if (!conn.valid()) {
    tcp_.Abort(ForgetTls(*pipe).tcp, now);
    return;
  }
  pipe->conn = conn;
  pipes_.Join(conn, event.id);
}

// The configuration may have changed since: the peer must be one that today's would have let in.
ConnId Worker::AdmitTls(const TlsPipe& pipe, tls::HandshakeInfo* info, Instant now) {
  engine::Accepted accepted = AcceptedOf(pipe.tcp);
  if (accepted.listener == config::kNoIndex) return {};
  const std::string sni = absl::AsciiStrToLower(info->sni);
  const config::Listener& heard_by = snapshot_->listeners[accepted.listener];
  std::span<const std::string> protocols;
  for (const config::ListenerChain& chain : heard_by.chains) {
    for (const std::string& p : chain.match.protocols) {
      if (ProtocolTag(p) == pipe.protocol) protocols = {&p, 1};
    }
  }
  accepted.listener =
      ChooseChain(heard_by, accepted,
                  {.transport = config::Transport::kTls, .sni = sni, .protocols = protocols},
                  pipe.tcp)
          .listener;
  if (accepted.listener == config::kNoIndex ||
      snapshot_->listeners[accepted.listener].tls != pipe.settings) {
    ++counters_.tls_settings_changed;
    return {};
  }
  const std::optional<telemetry::PeerIdentity> peer = PeerOf(info);
  accepted.secure = true;
  accepted.sni = sni;
  accepted.tls = SessionOf(*info);
  accepted.peer = peer.has_value() ? &*peer : nullptr;
  accepted.peer_pem = info->peer.pem;
  accepted.peer_chain_pem = info->peer.chain_pem;
  accepted.alpn = info->alpn;
  const ConnId conn = Admit(accepted, now);
  ForgetProxied(pipe.tcp);
  counters_.refused_full += !conn.valid();
  return conn;
}

void Worker::CountTls(const TlsPipe& pipe, const telemetry::TlsOutcome& outcome) {
  if (pipe.conn.valid()) return engine_.CountUpstreamTls(pipe.conn, outcome);
  const uint32_t listener = AcceptedOf(pipe.tcp).listener;
  if (listener != config::kNoIndex) engine_.CountDownstreamTls(listener, outcome);
}

// The session is gone. An alert may still be on its way: TCP is ended in order.
void Worker::OnTlsError(const tls::TlsEvent& event, Instant now) {
  TlsPipe* const pipe = tls_pipes_.Find(event.id);
  const telemetry::TlsResult result = ResultOf(event.error);
  if (!pipe->established) CountTls(*pipe, {.result = result});
  const TlsPipe gone = ForgetTls(*pipe);
  if (gone.tcp_connected) {
    tcp_.Release(gone.tcp, now);
  } else {
    tcp_.Abort(gone.tcp, now);
  }
  if (gone.established) return engine_.OnClosed(gone.conn, engine::CloseReason::kPeerReset, now);
  if (gone.conn.valid()) engine_.OnConnectFailed(gone.conn, ConnectErrorOf(result), now);
}

TlsPipe Worker::ForgetTls(TlsPipe& pipe) {
  TlsPipe gone = std::exchange(pipe, TlsPipe{});
  ForgetProxied(gone.tcp);
  tls_->Release(gone.tls);
  if (gone.conn.valid()) pipes_.Part(gone.conn);
  return gone;
}

void Worker::RunTls(engine::Action& action, TlsPipe& pipe, Instant now) {
  switch (action.kind) {
    case engine::Action::Kind::kConnect:
      break;
    case engine::Action::Kind::kWrite:  // sealed together with what follows
      if (pipe.plain.empty()) to_seal_.push_back(pipe.tls);
      pipe.plain.Append(std::move(action.bytes));
      break;
    case engine::Action::Kind::kFinish:
      if (!SealPlain(pipe, now)) break;
      CloseTls(pipe, now);
      tcp_.Finish(pipe.tcp, now);
      break;
    case engine::Action::Kind::kReset:
      if (SealPlain(pipe, now)) tcp_.Reset(ForgetTls(pipe).tcp, now);
      break;
    case engine::Action::Kind::kAbort:
      tcp_.Abort(ForgetTls(pipe).tcp, now);
      break;
    case engine::Action::Kind::kRelease:
      if (!SealPlain(pipe, now)) break;
      CloseTls(pipe, now);
      tcp_.Release(ForgetTls(pipe).tcp, now);
      break;
    case engine::Action::Kind::kConsumed:
      OpenWindow(pipe, action.byte_count, now);
      break;
  }
}

// What L7 has written since, in as few records as it fits.
void Worker::SealWrites(Instant now) {
  for (const tls::TlsId id : to_seal_) {
    if (TlsPipe* pipe = tls_pipes_.Find(id)) (void)SealPlain(*pipe, now);
  }
  to_seal_.clear();
}

// False: out of buffers, and the connection is gone.
bool Worker::SealPlain(TlsPipe& pipe, Instant now) {
  if (pipe.plain.empty()) return true;
  const StageScope scope(Stage::kTls);
  Chain records;
  if (tls_->Seal(pipe.tls, std::exchange(pipe.plain, Chain()), &records)) {
    SendTls(pipe, std::move(records), now);
    return true;
  }
  const TlsPipe gone = ForgetTls(pipe);
  tcp_.Abort(gone.tcp, now);
  engine_.OnClosed(gone.conn, engine::CloseReason::kPeerReset, now);
  return false;
}

void Worker::CloseTls(TlsPipe& pipe, Instant now) {
  Chain records;
  tls_->Close(pipe.tls, &records);
  SendTls(pipe, std::move(records), now);
}

void Worker::SendTls(TlsPipe& pipe, Chain records, Instant now) {
  if (records.empty()) return;
  if (!pipe.tcp_connected) {
    pipe.early.Append(std::move(records));
    return;
  }
  if (!tcp_.Send(pipe.tcp, std::move(records), now) && pipe.established) {
    engine_.OnSendQueue(pipe.conn, false, now);
  }
}

void Worker::OpenWindow(TlsPipe& pipe, uint64_t consumed, Instant now) {
  const uint32_t n = pipe.TakeWindow(consumed);
  if (n > 0) tcp_.Consumed(pipe.tcp, n, now);
}

}  // namespace meltemi::worker
