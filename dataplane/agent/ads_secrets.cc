// AdsState's part of secrets: they are no resources of a snapshot, each is checked by itself.
#include "dataplane/agent/ads_state.h"
#include "l7/base/text.h"
#include "l7/config/references.h"

namespace meltemi::agent {

using envoy::extensions::transport_sockets::tls::v3::Secret;

bool IsOwnSecret(const std::string& name) {
  return name.starts_with("spiffe://") || name == kOwnRoots || name == config::kSourceSecret;
}

absl::Status AdsState::CheckSecret(const Secret& secret) const {
  const absl::Status status = compiler_.CompileSecret(secret).status();
  return status.ok() ? status
                     : absl::InvalidArgumentError(
                           Cat("Secret \"", secret.name(), "\": ", status.message()));
}

absl::Status AdsState::CheckStaticSecrets() const {
  for (const Secret& m : options_.static_secrets) {
    if (absl::Status s = CheckSecret(m); !s.ok()) return s;
  }
  return absl::OkStatus();
}

std::set<std::string> AdsState::SecretNames() const {
  std::set<std::string> names;
  for (const Cluster& m : static_clusters_) config::AddSecretNames(m, &names);
  for (const Listener& m : static_listeners_) config::AddSecretNames(m, &names);
  for (const auto& [name, entry] : resources_.clusters)
    config::AddSecretNames(entry.message, &names);
  for (const auto& [name, entry] : lingering_) config::AddSecretNames(entry.message, &names);
  for (const auto& [name, entry] : resources_.listeners)
    config::AddSecretNames(entry.message, &names);
  if (options_.own_identities) std::erase_if(names, IsOwnSecret);
  return names;
}

std::map<std::string, config::TlsSecret> AdsState::Secrets() const {
  std::map<std::string, config::TlsSecret> secrets;
  for (const Secret& m : options_.static_secrets) {
    auto secret = compiler_.CompileSecret(m);
    if (secret.ok()) secrets.emplace(m.name(), *std::move(secret));  // TakeSnapshot has checked it
  }
  for (const auto& [name, entry] : resources_.secrets) {
    auto secret = compiler_.CompileSecret(entry.message);
    if (secret.ok()) secrets.emplace(name, *std::move(secret));  // it was checked when it came
  }
  return secrets;
}

}  // namespace meltemi::agent
