#include "bench/load/tls_setup.h"

#include "absl/status/status.h"

namespace meltemi::load {
namespace {

tls::ContextOptions CommonOf(const TlsTexts& texts) {
  tls::ContextOptions common;
  common.version_min = common.version_max = tls::Version::kTls13;
  common.cipher_suites_13 = texts.suites;
  common.alpn = {"http/1.1"};
  common.verify = tls::VerifyPeer::kNo;
  return common;
}

}  // namespace

absl::StatusOr<TlsContexts> MakeTlsContexts(const TlsTexts& texts) {
  TlsContexts contexts;
  tls::ClientOptions client{.common = CommonOf(texts), .certificate = texts.certificate};
  if (!texts.ca.empty()) {
    client.common.verify = tls::VerifyPeer::kRequired;
    client.common.trust = {{.trust_domain = "", .pem = texts.ca}};
  }
  for (const bool resume : {false, true}) {
    client.resume = resume;
    auto made = tls::MakeClientContext(client);
    if (!made.ok()) return made.status();
    (resume ? contexts.resume : contexts.full) = *std::move(made);
  }
  if (texts.certificate.chain_pem.empty()) return contexts;
  tls::ServerOptions server{
      .common = CommonOf(texts),
      .certificates = {{.server_names = {}, .certificate = texts.certificate}}};
  auto made = tls::MakeServerContext(server);
  if (!made.ok()) return made.status();
  contexts.server = *std::move(made);
  return contexts;
}

TlsClient ClientOf(const RunOptions& run, const TlsContexts& contexts) {
  TlsClient client{.sni = run.sni, .check_name = !run.sni.empty(), .timeout = run.connect_timeout};
  switch (run.tls) {
    case ClientTls::kOff:
      break;
    case ClientTls::kFull:
      client.context = contexts.full;
      break;
    case ClientTls::kResume:
      client.context = contexts.resume;
      break;
  }
  return client;
}

}  // namespace meltemi::load
