#include "l7/telemetry/peer.h"

#include <cstdio>
#include <iterator>

namespace meltemi::telemetry {
namespace {

constexpr std::string_view kScheme = "spiffe://";

// Takes "/<name>/<value>" off the front; empty: it is not there.
std::string_view TakePart(std::string_view name, std::string_view* path) {
  if (path->size() < name.size() + 2 || path->front() != '/' ||
      path->substr(1, name.size()) != name || (*path)[name.size() + 1] != '/') {
    return {};
  }
  path->remove_prefix(name.size() + 2);
  const std::string_view value = path->substr(0, path->find('/'));
  path->remove_prefix(value.size());
  return value;
}

struct NamedSuite {
  uint16_t number;
  std::string_view name;
};
constexpr NamedSuite kSuites[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256"},        {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},  {0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"}, {0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"},
    {0xc030, "ECDHE-RSA-AES256-GCM-SHA384"},   {0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"},
    {0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

}  // namespace

PeerIdentity MakePeerIdentity(std::string_view principal) {
  PeerIdentity identity;
  identity.principal = principal;
  if (!principal.starts_with(kScheme)) return identity;
  std::string_view path = principal.substr(kScheme.size());
  const size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return identity;
  path.remove_prefix(slash);
  const std::string_view ns = TakePart("ns", &path);
  const std::string_view account = TakePart("sa", &path);
  if (ns.empty() || account.empty() || !path.empty()) return identity;
  identity.ns = ns;
  identity.service_account = account;
  return identity;
}

PeerIdentity CopyOf(const PeerIdentity& from) {
  PeerIdentity to;
  to.principal = from.principal;
  to.ns = from.ns;
  to.service_account = from.service_account;
  to.local = from.local;
  if (from.certificate != nullptr) {
    to.certificate = std::make_unique<const PeerCertificate>(*from.certificate);
  }
  return to;
}

std::string_view TlsVersionText(uint16_t version) {
  if (version == 0x0304) return "TLSv1.3";
  if (version == 0x0303) return "TLSv1.2";
  return "";
}

std::string CipherText(uint16_t cipher_suite) {
  if (cipher_suite == 0) return "";
  for (const NamedSuite& suite : kSuites) {
    if (suite.number == cipher_suite) return std::string(suite.name);
  }
  char text[8];
  std::snprintf(text, sizeof(text), "0x%04X", cipher_suite);
  return text;
}

}  // namespace meltemi::telemetry
