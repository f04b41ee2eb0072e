// TlsSettings: what of a snapshot is TLS (l7/config/snapshot.h).
#ifndef MELTEMI_L7_CONFIG_TLS_SETTINGS_H_
#define MELTEMI_L7_CONFIG_TLS_SETTINGS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/time.h"

namespace meltemi::config {

// TLS. The snapshot says what a context is made of, dataplane/tls makes it: listeners and clusters
// name it by its stable id, and secrets change without a new snapshot.
inline constexpr uint32_t kNoTls = 0;
// The secret that means: the certificate of the workload whose connection or request it is.
inline constexpr std::string_view kSourceSecret = "source";

// envoy.config.core.v3.DataSource: a text, or the file that has it (the node reads it again).
struct DataSource {
  std::string filename, text;
  bool empty() const { return filename.empty() && text.empty(); }
};
struct TlsCertificateSource {
  DataSource chain, key;  // PEM, the leaf first
};
// envoy.extensions.transport_sockets.tls.v3.Secret
struct TlsSecret {
  std::optional<TlsCertificateSource> certificate;
  DataSource trusted_ca;  // validation_context
};
// A secret that a file has, with others maybe: sds_config.path_config_source.
struct TlsSecretFile {
  std::string path, name;
};
// Whom to accept of those whose certificate is good; one match is enough. All empty: everyone.
struct TlsPeerNames {
  std::vector<std::string> uris, trust_domains, dns_names;
  bool operator==(const TlsPeerNames&) const = default;
  // Of somebody whose identity is known without a certificate.
  bool Accept(std::string_view spiffe_id) const;
};

enum class TlsRole : uint8_t { kServer, kClient };
enum class TlsVersion : uint8_t { k12, k13 };

// DownstreamTlsContext (kServer) or UpstreamTlsContext (kClient).
struct TlsSettings {
  uint32_t stable_id = kNoTls;  // of all that follows: what is equal has the same
  TlsRole role = TlsRole::kServer;
  TlsVersion version_min = TlsVersion::k12;
  TlsVersion version_max = TlsVersion::k13;  // also of clients, where Envoy's default is 1.2
  std::string cipher_suites_12;              // OpenSSL's list; empty: the default
  std::vector<std::string> alpn;
  std::vector<TlsCertificateSource> certificates;
  std::vector<std::string> certificate_secrets;  // names: tls_certificate_sds_secret_configs
  // Those of these names, and trust_secret, that no control plane is asked for: "file:PATH#NAME".
  std::map<std::string, TlsSecretFile> secret_files;
  DataSource trusted_ca;     // neither this nor a name: nothing is verified
  std::string trust_secret;  // validation_context_sds_secret_config
  TlsPeerNames peer;
  bool require_peer_certificate = false;  // kServer: require_client_certificate
  std::string sni;                        // kClient
  bool keep_peer_pem = false;             // kServer: x-forwarded-client-cert has the certificate
  bool resume = true;
  Duration session_lifetime;  // kServer; zero: the default

  bool verifies() const { return !trusted_ca.empty() || !trust_secret.empty(); }
  // kClient: it has one context per identity of this node. Such connections are the mesh's own,
  // and one to a pod of this node needs no TLS: its packets never leave the process.
  bool by_source() const {
    return certificate_secrets.size() == 1 && certificate_secrets.front() == kSourceSecret;
  }
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_TLS_SETTINGS_H_
