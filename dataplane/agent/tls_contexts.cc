#include "dataplane/agent/tls_contexts.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

using config::TlsRole;
using config::TlsSettings;
using config::TlsVersion;

tls::Version ToTls(TlsVersion version) {
  return version == TlsVersion::k12 ? tls::Version::kTls12 : tls::Version::kTls13;
}

tls::VerifyPeer VerifyOf(const TlsSettings& s) {
  if (!s.verifies()) return tls::VerifyPeer::kNo;
  if (s.role == TlsRole::kClient || s.require_peer_certificate) return tls::VerifyPeer::kRequired;
  return tls::VerifyPeer::kIfGiven;
}

tls::ContextOptions CommonOf(const TlsSettings& s, const std::string& trusted_pem) {
  tls::ContextOptions o;
  o.version_min = ToTls(s.version_min);
  o.version_max = ToTls(s.version_max);
  o.alpn = s.alpn;
  o.verify = VerifyOf(s);
  if (o.verify != tls::VerifyPeer::kNo) o.trust = {{.trust_domain = "", .pem = trusted_pem}};
  o.peer = {
      .uris = s.peer.uris, .trust_domains = s.peer.trust_domains, .dns_names = s.peer.dns_names};
  o.keep_peer_pem = s.keep_peer_pem;
  o.cipher_suites_12 = s.cipher_suites_12;
  return o;
}

// Of several certificates the client's SNI chooses, by the names they are for.
absl::StatusOr<tls::ContextRef> MakeServer(const TlsSettings& s,
                                           const std::vector<tls::Certificate>& certificates,
                                           const std::string& trusted_pem) {
  tls::ServerOptions o;
  o.common = CommonOf(s, trusted_pem);
  for (const tls::Certificate& certificate : certificates) {
    std::vector<std::string> names;
    if (certificates.size() > 1) {
      auto read = tls::DnsNamesOf(certificate);
      if (!read.ok()) return read.status();
      names = *std::move(read);
    }
    o.certificates.push_back({std::move(names), certificate});
  }
  if (!s.resume) o.session_count_max = 0;
  if (!s.session_lifetime.zero())
    o.session_lifetime_seconds = s.session_lifetime.micros() / 1'000'000;
  return tls::MakeServerContext(o);
}

absl::StatusOr<tls::ContextRef> Make(const TlsSettings& s,
                                     const std::vector<tls::Certificate>& certificates,
                                     const std::string& trusted_pem) {
  if (s.role == TlsRole::kServer) return MakeServer(s, certificates, trusted_pem);
  tls::ClientOptions o;
  o.common = CommonOf(s, trusted_pem);
  if (!certificates.empty()) o.certificate = certificates.front();
  o.resume = s.resume;
  return tls::MakeClientContext(o);
}

bool SameCertificate(const tls::Certificate& a, const tls::Certificate& b) {
  return a.chain_pem == b.chain_pem && a.key_pem == b.key_pem;
}

}  // namespace

absl::StatusOr<std::string> TlsContexts::FromDisk(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(Cat(path, ": cannot be read"));
  std::string text(kSecretFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kSecretFileBytesMax) {
    return absl::InvalidArgumentError(Cat(path, ": longer than ", kSecretFileBytesMax, " bytes"));
  }
  return text;
}

bool TlsContexts::Material::operator==(const Material& other) const {
  return trusted_pem == other.trusted_pem &&
         std::equal(certificates.begin(), certificates.end(), other.certificates.begin(),
                    other.certificates.end(), SameCertificate);
}

void TlsContexts::SetSettings(const std::vector<TlsSettings>& settings) { settings_ = settings; }

// Settings and identities come and go; what stays keeps its context.
void TlsContexts::ChooseEntries() {
  std::vector<std::string> identities;
  for (const auto& [name, secret] : secrets_) {
    if (name.starts_with("spiffe://") && secret.certificate.has_value()) identities.push_back(name);
  }
  std::map<std::pair<uint32_t, std::string>, Entry> next;
  const auto take = [&](const TlsSettings& s, const std::string& source) {
    const auto known = entries_.find({s.stable_id, source});
    Entry& entry = next[{s.stable_id, source}];
    if (known != entries_.end()) {
      entry = std::move(known->second);
      return;
    }
    entry.settings = s;
    if (!source.empty()) entry.settings.certificate_secrets = {source};
    changed_ = true;
  };
  for (const TlsSettings& s : settings_) {
    // Without identities the entry says what it waits for.
    if (!s.by_source() || identities.empty()) take(s, "");
    if (!s.by_source()) continue;
    for (const std::string& identity : identities) take(s, identity);
  }
  changed_ |= next.size() != entries_.size();
  entries_ = std::move(next);
}

absl::StatusOr<std::string> TlsContexts::Text(const config::DataSource& source) const {
  return source.filename.empty() ? absl::StatusOr<std::string>(source.text)
                                 : read_(source.filename);
}

absl::StatusOr<tls::Certificate> TlsContexts::CertificateOf(
    const config::TlsCertificateSource& source) const {
  const auto chain = Text(source.chain);
  if (!chain.ok()) return chain.status();
  const auto key = Text(source.key);
  if (!key.ok()) return key.status();
  return tls::Certificate{.chain_pem = *chain, .key_pem = *key};
}

// Each once, however many settings name it. What only older settings named is forgotten.
void TlsContexts::ReadSecretFiles() {
  std::map<std::string, SecretFile> next;
  for (const TlsSettings& s : settings_) {
    for (const auto& [name, where] : s.secret_files) {
      const auto [it, added] = next.try_emplace(where.path);
      if (!added) continue;
      SecretFile& file = it->second;
      if (const auto known = files_.find(where.path); known != files_.end()) {
        file = std::move(known->second);
      }
      auto text = read_(where.path);
      if (!text.ok()) {
        file.status = text.status();
        file.text.reset();
        continue;
      }
      if (*text == file.text) continue;
      file.text = *std::move(text);
      auto secrets = parse_(*file.text);
      file.status =
          secrets.ok()
              ? absl::OkStatus()
              : absl::InvalidArgumentError(Cat(where.path, ": ", Std(secrets.status().message())));
      if (secrets.ok()) file.secrets = *std::move(secrets);
    }
  }
  files_ = std::move(next);
}

absl::StatusOr<const config::TlsSecret*> TlsContexts::FindSecret(const TlsSettings& settings,
                                                                 const std::string& name) const {
  const auto in_file = settings.secret_files.find(name);
  if (in_file == settings.secret_files.end()) {
    const auto secret = secrets_.find(name);
    if (secret != secrets_.end()) return &secret->second;
    return absl::UnavailableError(Cat("secret \"", name, "\" has not come"));
  }
  const SecretFile& file = files_.at(in_file->second.path);
  if (!file.status.ok()) return file.status;
  const auto secret = file.secrets.find(in_file->second.name);
  if (secret != file.secrets.end()) return &secret->second;
  return absl::UnavailableError(
      Cat(in_file->second.path, ": has no secret \"", in_file->second.name, "\""));
}

absl::StatusOr<TlsContexts::Material> TlsContexts::Gather(const TlsSettings& settings) const {
  Material material;
  std::vector<const config::TlsCertificateSource*> certificates;
  for (const auto& source : settings.certificates) certificates.push_back(&source);
  for (const std::string& name : settings.certificate_secrets) {
    const auto secret = FindSecret(settings, name);
    if (!secret.ok()) return secret.status();
    if (!(*secret)->certificate.has_value()) {
      return absl::InvalidArgumentError(Cat("secret \"", name, "\" is no certificate"));
    }
    certificates.push_back(&*(*secret)->certificate);
  }
  for (const config::TlsCertificateSource* source : certificates) {
    auto certificate = CertificateOf(*source);
    if (!certificate.ok()) return certificate.status();
    material.certificates.push_back(*std::move(certificate));
  }
  if (!settings.verifies()) return material;
  config::DataSource trusted = settings.trusted_ca;
  if (!settings.trust_secret.empty()) {
    const auto secret = FindSecret(settings, settings.trust_secret);
    if (!secret.ok()) return secret.status();
    if ((*secret)->trusted_ca.empty()) {
      return absl::InvalidArgumentError(
          Cat("secret \"", settings.trust_secret, "\" has no trusted_ca"));
    }
    trusted = (*secret)->trusted_ca;
  }
  auto pem = Text(trusted);
  if (!pem.ok()) return pem.status();
  material.trusted_pem = *std::move(pem);
  return material;
}

void TlsContexts::Fail(const absl::Status& why, Entry* entry) {
  const std::string text(Std(why.message()));
  if (entry->error != text) ++failures_;
  entry->error = text;
}

// True: there is another context than before.
bool TlsContexts::UpdateEntry(Entry* entry) {
  auto material = Gather(entry->settings);
  if (!material.ok()) {
    Fail(material.status(), entry);
    return false;
  }
  if (entry->tried && entry->material == *material) {
    entry->error = entry->made_error;  // a file that was gone may have come back
    return false;
  }
  entry->tried = true;
  entry->material = *std::move(material);
  auto made = Make(entry->settings, entry->material.certificates, entry->material.trusted_pem);
  entry->made_error = made.ok() ? "" : std::string(Std(made.status().message()));
  if (!made.ok()) {
    Fail(made.status(), entry);
    return false;
  }
  entry->error.clear();
  entry->context = *std::move(made);
  return true;
}

tls::ContextTableRef TlsContexts::Update() {
  ChooseEntries();
  ReadSecretFiles();
  for (auto& [key, entry] : entries_) changed_ |= UpdateEntry(&entry);
  if (!std::exchange(changed_, false)) return nullptr;
  std::vector<tls::ContextEntry> ready;
  for (const auto& [key, entry] : entries_) {
    if (entry.context == nullptr) continue;
    ready.push_back({.id = key.first,
                     .source = key.second,
                     .context = entry.context,
                     .sni = entry.settings.sni,
                     .alpn = entry.settings.alpn});
  }
  return tls::MakeContextTable(std::move(ready));
}

std::vector<TlsContextStatus> TlsContexts::Status() const {
  std::vector<TlsContextStatus> all;
  for (const auto& [key, entry] : entries_) {
    TlsContextStatus s{.id = key.first,
                       .source = key.second,
                       .role = entry.settings.role,
                       .ready = entry.context != nullptr};
    if (s.ready) s.not_after = tls::NotAfter(*entry.context);
    for (const std::string& name : entry.settings.certificate_secrets) {
      AppendTo(&s.secrets, s.secrets.empty() ? "" : " ", name);
    }
    if (!entry.settings.trust_secret.empty()) {
      AppendTo(&s.secrets, s.secrets.empty() ? "" : " ", entry.settings.trust_secret);
    }
    s.error = entry.error;
    all.push_back(std::move(s));
  }
  return all;
}

absl::Status CheckInlineTls(const TlsSettings& s) {
  if (!s.certificate_secrets.empty() || !s.trust_secret.empty()) return absl::OkStatus();
  std::vector<tls::Certificate> certificates;
  for (const config::TlsCertificateSource& source : s.certificates) {
    if (!source.chain.filename.empty() || !source.key.filename.empty()) return absl::OkStatus();
    certificates.push_back({.chain_pem = source.chain.text, .key_pem = source.key.text});
  }
  if (!s.trusted_ca.filename.empty()) return absl::OkStatus();
  const absl::Status made = Make(s, certificates, s.trusted_ca.text).status();
  // As the compiler's own errors: a path, here of the context itself.
  return made.ok() ? made
                   : absl::InvalidArgumentError(Cat("common_tls_context: ", Std(made.message())));
}

}  // namespace meltemi::agent
