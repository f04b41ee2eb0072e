#include "control/pilot/node_auth/node_auth.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_split.h"
#include "ca/authn/caller.h"
#include "ca/limits.h"
#include "ca/x509/certificate.h"
#include "ca/x509/key.h"
#include "control/common/log.h"
#include "l7/base/text.h"

namespace meltemi::control::pilot::node_auth {
namespace {

using common::Level;
using common::Log;

absl::Status In(const std::string& path, const absl::Status& status) {
  return {status.code(), Cat(path, ": ", status.message())};
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeAuth>> NodeAuth::Open(Options options, ca::Files* files,
                                                         Clock clock) {
  std::unique_ptr<NodeAuth> auth(new NodeAuth(std::move(options), files, std::move(clock)));
  absl::StatusOr<Serving> serving = auth->Read();
  if (!serving.ok()) return serving.status();
  const absl::MutexLock lock(&auth->mutex_);
  const absl::Status used = auth->Use(*std::move(serving));
  if (!used.ok()) return used;
  return auth;
}

absl::StatusOr<Serving> NodeAuth::Read() const {
  Serving out;
  const std::tuple<const std::string&, ca::Files::Secrecy, std::string*> wanted[] = {
      {options_.cert_path, ca::Files::Secrecy::kPublic, &out.chain},
      {options_.key_path, ca::Files::Secrecy::kSecret, &out.key},
      {options_.roots_path, ca::Files::Secrecy::kPublic, &out.roots},
  };
  for (const auto& [path, secrecy, text] : wanted) {
    absl::StatusOr<std::string> read = files_->Read(path, ca::limits::kPemBytesMax, secrecy);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  return out;
}

absl::Status NodeAuth::Use(Serving serving) {
  if (serving.key == serving_.key && serving.chain == serving_.chain &&
      serving.roots == serving_.roots) {
    return absl::OkStatus();
  }
  const auto chain = ca::CertificatesFromPem(serving.chain);
  if (!chain.ok()) return In(options_.cert_path, chain.status());
  const auto key = ca::PrivateKeyFromPem(serving.key, "");
  if (!key.ok()) return In(options_.key_path, key.status());
  if (!ca::IsKeyOf(key->get(), chain->front().get())) {
    return absl::InvalidArgumentError(
        Cat(options_.key_path, ": is not the key of ", options_.cert_path));
  }
  auto roots = ca::CertificatesFromPem(serving.roots);
  if (!roots.ok()) return In(options_.roots_path, roots.status());
  serving.version = serving_.version + 1;
  serving_ = std::move(serving);
  roots_ = std::make_shared<const std::vector<ca::CertPtr>>(*std::move(roots));
  return absl::OkStatus();
}

Serving NodeAuth::Get() {
  absl::StatusOr<Serving> read = Read();
  const absl::MutexLock lock(&mutex_);
  const absl::Status used = read.ok() ? Use(*std::move(read)) : read.status();
  if (!used.ok() && failure_ != used.message()) {
    Log(Level::kWarning, "TLS files not usable, keeping what was read before",
        {{"error", std::string(used.message())}});
  }
  failure_ = std::string(used.message());
  return serving_;
}

absl::StatusOr<ProvenNode> NodeAuth::Prove(const std::string& chain_pem) const {
  if (chain_pem.empty()) return absl::UnauthenticatedError("no client certificate was shown");
  std::shared_ptr<const std::vector<ca::CertPtr>> roots;
  {
    const absl::MutexLock lock(&mutex_);
    roots = roots_;
  }
  const absl::StatusOr<ca::Caller> caller =
      ca::CallerByCertificate(chain_pem, *roots, options_.domains, clock_());
  if (!caller.ok()) return caller.status();
  if (options_.node_accounts.count(caller->identity) == 0) {
    return absl::PermissionDeniedError(
        Cat(caller->identity.Uri(), " is no account of nodes; see --node-accounts"));
  }
  if (caller->node.empty()) {
    return absl::PermissionDeniedError("the client certificate names no node");
  }
  ProvenNode out{.name = caller->node, .not_after = absl::InfiniteFuture()};
  const auto chain = ca::CertificatesFromPem(chain_pem);
  if (!chain.ok()) return chain.status();
  for (const ca::CertPtr& certificate : *chain) {
    out.not_after = std::min(out.not_after, ca::NotAfter(certificate.get()));
  }
  return out;
}

absl::StatusOr<std::set<ca::Identity>> ParseNodeAccounts(const ca::TrustDomains& domains,
                                                         const std::string& text) {
  std::set<ca::Identity> out;
  for (const absl::string_view part : absl::StrSplit(Abs(text), ',', absl::SkipEmpty())) {
    const std::string name(part);
    auto identity = name.starts_with("spiffe://") ? ca::ParseSpiffe(name)
                                                  : ca::ParseAccount(domains.own(), name);
    if (identity.ok()) identity = domains.Canonical(*identity);
    if (!identity.ok()) return identity.status();
    out.insert(*std::move(identity));
  }
  return out;
}

}  // namespace meltemi::control::pilot::node_auth
