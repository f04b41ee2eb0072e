#include "dataplane/agent/ads_credentials.h"

#include <utility>

#include "dataplane/agent/ads_state.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr char kCertificate[] = "-----BEGIN CERTIFICATE";

// Of the file, or, without one, of the CA.
absl::StatusOr<std::string> ReadRoots(const AdsTls& tls, const CaConfig* ca,
                                      const TlsSecrets& own) {
  const bool from_ca = tls.roots_path.empty() && ca != nullptr;
  const std::string& path = from_ca ? ca->roots_path : tls.roots_path;
  absl::StatusOr<std::string> roots = TlsContexts::FromDisk(path);
  if (!roots.ok()) return roots;
  if (const auto theirs = own.find(kOwnRoots); from_ca && theirs != own.end()) {
    roots = Cat(*roots, "\n", theirs->second.trusted_ca.text);
  }
  if (roots->find(kCertificate) != std::string::npos) return roots;
  return absl::InvalidArgumentError(Cat(path, ": no certificate in it"));
}

}  // namespace

absl::StatusOr<AdsPem> ReadAdsPem(const AdsTls& tls, const CaConfig* ca, const TlsSecrets& own) {
  absl::StatusOr<std::string> roots = ReadRoots(tls, ca, own);
  if (!roots.ok()) return roots.status();
  AdsPem out{.roots = *std::move(roots), .chain = "", .key = ""};
  if (tls.chain_path.empty()) {
    const auto node = ca == nullptr ? own.end() : own.find(NodeIdentity(*ca));
    if (node == own.end() || !node->second.certificate) {
      return absl::UnavailableError("the node has no certificate from its CA yet");
    }
    out.chain = node->second.certificate->chain.text;
    out.key = node->second.certificate->key.text;
    return out;
  }
  const std::pair<const std::string&, std::string*> files[] = {{tls.chain_path, &out.chain},
                                                               {tls.key_path, &out.key}};
  for (const auto& [path, text] : files) {
    absl::StatusOr<std::string> read = TlsContexts::FromDisk(path);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  return out;
}

}  // namespace meltemi::agent
