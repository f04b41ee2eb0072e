// Who is at the other end of a connection, and what upstreams are told of it:
// x-forwarded-client-cert, in Envoy's form.
#include <algorithm>
#include <utility>

#include "l7/base/text.h"
#include "l7/base/xx_hash.h"
#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

using http::Known;
using telemetry::PeerIdentity;

// What an element of the header is made of: the ends of one connection.
struct Ends {
  const PeerIdentity& client;
  const std::vector<std::string>& server;  // URIs
  std::string_view cert, chain;            // of the client, in the header's form
};

// PEM text, as Envoy encodes it; of a longer one nothing is told.
std::string UrlEncoded(std::string_view pem) {
  std::string to;
  if (pem.size() > limits::kClientCertPemBytesMax) return to;
  to.reserve(pem.size() + pem.size() / 8);
  for (const char c : pem) {
    switch (c) {  // PEM has no other bytes that a quoted value, or a URL, must not have
      case '\n':
        to += "%0A";
        break;
      case ' ':
        to += "%20";
        break;
      case '+':
        to += "%2B";
        break;
      case '/':
        to += "%2F";
        break;
      case '=':
        to += "%3D";
        break;
      default:
        to.push_back(c);
    }
  }
  return to;
}

// Quoted where it would look like several; Envoy takes it as it is.
void AppendPair(std::string_view key, std::string_view value, std::string* out) {
  AppendTo(out, out->empty() || out->back() == ',' ? "" : ";", key, "=");
  if (value.find_first_of(",;\"") == std::string_view::npos) return AppendTo(out, value);
  out->push_back('"');
  for (const char c : value) {
    if (c == '"') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

// One element: By, Hash, Cert, Chain, Subject, URI, DNS. Subject and URI are there also when they
// are empty.
void AppendElement(const config::ClientCertDetails& details, const Ends& ends, std::string* out) {
  const telemetry::PeerCertificate* certificate = ends.client.certificate.get();
  for (const std::string& uri : ends.server) AppendPair("By", uri, out);
  if (certificate != nullptr) AppendPair("Hash", certificate->sha256, out);
  const auto quoted = [out](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    AppendPair(key, "", out);
    AppendTo(out, "\"", value, "\"");
  };
  if (details.cert) quoted("Cert", ends.cert);
  if (details.chain) quoted("Chain", ends.chain);
  if (details.subject) {
    AppendPair("Subject", "", out);  // RFC 2253 has escaped what a quoted text must not have
    AppendTo(out, "\"", certificate != nullptr ? certificate->subject : std::string(), "\"");
  }
  if (details.uri) {
    if (certificate == nullptr) {
      AppendPair("URI", ends.client.principal, out);
    } else if (certificate->uris.empty()) {
      AppendPair("URI", "", out);
    } else {
      for (const std::string& uri : certificate->uris) AppendPair("URI", uri, out);
    }
  }
  if (details.dns && certificate != nullptr) {
    for (const std::string& name : certificate->dns_names) AppendPair("DNS", name, out);
  }
}

}  // namespace

const Conn& Engine::Impl::CarrierOf(const Conn& conn) const {
  const Conn* carrier = conn.is_stream() ? conns_.Find(conn.carrier) : nullptr;
  return carrier == nullptr ? conn : *carrier;
}

const PeerIdentity* Engine::Impl::PeerOf(const Conn& conn) const {
  const Conn& c = CarrierOf(conn);
  if (c.certified != nullptr) return &c.certified->peer;
  if (c.gateway) return nullptr;
  const uint32_t identity = c.host != nullptr ? c.server_identity : c.identity;
  return identity == 0 ? nullptr : &identities_[identity - 1]->peer;
}

const PeerIdentity* Engine::Impl::SourceOf(const Conn& down) const {
  return down.identity == 0 ? nullptr : &identities_[down.identity - 1]->peer;
}

// The id of the identity; 0: it has none, or the table is full.
uint32_t Engine::Impl::IdentityOf(const config::Workload& source) {
  if (source.identity.empty()) return 0;
  const auto found = identity_ids_.find(source.identity);
  if (found != identity_ids_.end()) return found->second.id;
  if (identities_.size() >= limits::kLocalIdentitiesMax) {
    ++counters_.identities_refused;
    return 0;
  }
  Identity& added = identity_ids_[source.identity];
  added.peer = telemetry::MakePeerIdentity(source.identity);
  added.principal = PrincipalOf(source.identity);
  identities_.push_back(&added);
  return added.id = static_cast<uint32_t>(identities_.size());
}

uint32_t Engine::Impl::PrincipalOf(const std::string& principal) {
  if (principal.empty()) return 0;
  const auto found = principal_ids_.find(principal);
  if (found != principal_ids_.end()) return found->second;
  if (principals_.size() >= limits::kPrincipalLabelsMax) {
    ++counters_.principals_refused;
    return static_cast<uint32_t>(limits::kPrincipalLabelsMax) + 1;
  }
  const auto added =
      principal_ids_.emplace(principal, static_cast<uint32_t>(principals_.size() + 1)).first;
  principals_.push_back(&added->first);
  return added->second;
}

std::string_view Engine::Impl::PrincipalText(uint32_t principal) const {
  if (principal == 0) return "unknown";
  return principal > principals_.size() ? "other" : std::string_view(*principals_[principal - 1]);
}

CertifiedPeer* Engine::Impl::Share(const PeerIdentity& peer, std::string_view pem,
                                   std::string_view chain_pem) {
  text_ = peer.principal;
  if (peer.certificate != nullptr) AppendTo(&text_, "|", peer.certificate->sha256);
  for (const std::string& local : peer.local) AppendTo(&text_, "|", local);
  if (!pem.empty()) AppendTo(&text_, "|", XxHash64(chain_pem));  // what came with it may differ
  CertifiedPeer& shared = certified_[text_];
  if (shared.uses++ == 0) {
    shared.peer = telemetry::CopyOf(peer);
    shared.cert = UrlEncoded(pem);
    shared.chain = UrlEncoded(chain_pem);
    shared.key = text_;
  }
  return &shared;
}

void Engine::Impl::Unshare(CertifiedPeer* certified) {
  if (--certified->uses > 0) return;
  const std::string key = certified->key;
  certified_.erase(key);
}

void Engine::Impl::LearnClient(Conn& conn, const Accepted& accepted) {
  conn.session = accepted.tls;
  conn.gateway = accepted.gateway;
  if (accepted.source != nullptr) {
    conn.source.Set(accepted.source->name + "." + accepted.source->ns);
    conn.identity = IdentityOf(*accepted.source);
    if (conn.identity != 0) conn.principal = identities_[conn.identity - 1]->principal;
  }
  if (accepted.peer == nullptr) {
    if (ListenerOf(conn).direction == config::Direction::kInbound) {
      conn.own_principal = PrincipalOf(snapshot_->MeshIdentityOf(accepted.local));
    }
    return;
  }
  conn.certified = Share(*accepted.peer, accepted.peer_pem, accepted.peer_chain_pem);
  if (conn.identity == 0) conn.principal = PrincipalOf(accepted.peer->principal);
  if (!accepted.peer->local.empty()) {
    conn.own_principal = PrincipalOf(accepted.peer->local.front());
  }
}

void Engine::Impl::LearnServer(Conn& up, const Connected& connected) {
  up.session = connected.tls;
  if (connected.peer != nullptr) {
    up.certified = Share(*connected.peer, {}, {});
    up.principal = PrincipalOf(connected.peer->principal);
  } else if (up.identity != 0 && connected.workload != nullptr) {
    up.server_identity = IdentityOf(*connected.workload);
    if (up.server_identity != 0) up.principal = identities_[up.server_identity - 1]->principal;
  }
}

// Of an upstream connection: mutual when it shows the client's certificate.
Security Engine::Impl::SecurityOf(const Conn& server) {
  if (server.server_identity != 0) return Security::kSameNode;
  return server.certified != nullptr && server.identity != 0 ? Security::kMutualTls
                                                             : Security::kNone;
}

void Engine::Impl::AsServer(const config::Listener& listener, const Conn& down,
                            RequestStats::Pair* pair) const {
  if (listener.direction != config::Direction::kInbound) return;
  pair->inbound = true;
  pair->destination_principal = {down.own_principal, PrincipalText(down.own_principal)};
  const bool certified = CarrierOf(down).certified != nullptr;
  pair->security = certified ? Security::kMutualTls : Security::kNone;
}

bool Engine::Impl::NoteServer(Exchange& x, const Conn& up) {
  const Conn& server = CarrierOf(up);
  x.server = server.principal;
  x.security = SecurityOf(server);
  if (x.manager->logs_peers && !x.mirror) {
    x.peers = PeersOf(conns_[x.down]);
    AddUpstream(server, PeerOf(server), &x.peers);
  }
  if (server.server_identity == 0 && !x.client_cert_changed) return true;
  return SetClientCertOfAttempt(x, server);
}

// As Envoy's ConnectionManagerUtility does: who has shown no certificate has nothing forwarded.
bool Engine::Impl::SetClientCert(Exchange& x) {
  http::HeaderBlock& headers = x.head.headers;
  const config::ClientCertHeader mode = x.manager->client_cert_header;
  if (mode == config::ClientCertHeader::kAlwaysForward || x.mirror) return true;
  const CertifiedPeer* certified = CarrierOf(conns_[x.down]).certified;
  if (mode == config::ClientCertHeader::kSanitize || certified == nullptr) {
    headers.Remove(Known::kForwardedClientCert);
    return true;
  }
  if (mode == config::ClientCertHeader::kForward) return true;
  text_.clear();
  if (mode == config::ClientCertHeader::kAppend && headers.Has(Known::kForwardedClientCert)) {
    AppendTo(&text_, *headers.Joined(http::Name(Known::kForwardedClientCert)), ",");
  }
  const PeerIdentity& client = certified->peer;
  AppendElement(x.manager->client_cert_details,
                {client, client.local, certified->cert, certified->chain}, &text_);
  return headers.Set(Known::kForwardedClientCert, text_);
}

// To a pod of this node: what the listener in front of its port would have said. Otherwise what was
// there before an attempt at such a pod.
bool Engine::Impl::SetClientCertOfAttempt(Exchange& x, const Conn& server) {
  http::HeaderBlock& headers = x.head.headers;
  if (!x.client_cert_changed) {
    const auto before = headers.Joined(http::Name(Known::kForwardedClientCert));
    x.client_cert = before.has_value() ? headers.Keep(*before) : std::string_view();
    if (before.has_value() && x.client_cert.data() == nullptr) return false;
    x.client_cert_changed = true;
  }
  const PeerIdentity* client = SourceOf(conns_[x.down]);
  const config::Listener* inbound = x.snapshot->FindMeshInbound(x.upstream_host);
  const auto* manager =
      inbound == nullptr ? nullptr : std::get_if<config::HttpManager>(&inbound->filter);
  text_ = x.client_cert;
  if (server.server_identity != 0 && manager != nullptr && client != nullptr) {
    switch (manager->client_cert_header) {
      case config::ClientCertHeader::kSanitize:
        text_.clear();
        break;
      case config::ClientCertHeader::kForward:
      case config::ClientCertHeader::kAlwaysForward:
        break;
      case config::ClientCertHeader::kSet:
        text_.clear();
        AppendElement(manager->client_cert_details, {*client, {PeerOf(server)->principal}, {}, {}},
                      &text_);
        break;
      case config::ClientCertHeader::kAppend:
        if (!text_.empty()) text_.push_back(',');
        AppendElement(manager->client_cert_details, {*client, {PeerOf(server)->principal}, {}, {}},
                      &text_);
        break;
    }
  }
  if (!text_.empty()) return headers.Set(Known::kForwardedClientCert, text_);
  headers.Remove(Known::kForwardedClientCert);
  return true;
}

// Null: there is nothing to say.
std::unique_ptr<telemetry::PeersRecord> Engine::Impl::PeersOf(const Conn& down) const {
  const Conn& client = CarrierOf(down);
  const PeerIdentity* peer = PeerOf(client);
  if (peer == nullptr && client.session.version == 0) return nullptr;
  auto record = std::make_unique<telemetry::PeersRecord>();
  if (peer != nullptr) record->downstream = telemetry::CopyOf(*peer);
  record->downstream_tls = client.session;
  return record;
}

void Engine::Impl::AddUpstream(const Conn& up, const PeerIdentity* peer,
                               std::unique_ptr<telemetry::PeersRecord>* record) {
  if (peer == nullptr && up.session.version == 0) return;
  if (*record == nullptr) *record = std::make_unique<telemetry::PeersRecord>();
  if (peer != nullptr) (*record)->upstream = telemetry::CopyOf(*peer);
  (*record)->upstream_tls = up.session;
}

}  // namespace meltemi::engine
