// TlsContexts: from the TLS settings of the configuration in force and the secrets they name to the
// contexts that workers begin handshakes with. A secret that is not there yet has no context, and
// its listeners and clusters wait for it; one that changes for the worse (a broken certificate, a
// key that does not fit, a file that is gone) leaves the old context in force and says why.
//
// Secrets may be in files of their own (TlsSettings::secret_files), which are read again too.
//
// Settings that leave the certificate to the connection (TlsSettings::by_source) have one context
// for each identity among the secrets: "spiffe://...".
//
// Owns: settings, secrets and contexts. Must not know: ADS, threads, files' watching. Thread: the
// agent's. Bounds: the configuration's own; files are at most kSecretFileBytesMax.
#ifndef MELTEMI_DATAPLANE_AGENT_TLS_CONTEXTS_H_
#define MELTEMI_DATAPLANE_AGENT_TLS_CONTEXTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/tls/context_table.h"
#include "l7/config/snapshot.h"

namespace meltemi::agent {

inline constexpr size_t kSecretFileBytesMax = 1024 * 1024;

using TlsSecrets = std::map<std::string, config::TlsSecret>;

struct TlsContextStatus {
  uint32_t id = 0;
  std::string source;  // as in tls::ContextEntry
  config::TlsRole role = config::TlsRole::kServer;
  bool ready = false;
  int64_t not_after = 0;  // seconds since 1970, of its own certificates; 0: has none
  std::string secrets;    // the names it waits for or uses, for people
  std::string error;      // why the newest secrets are not in force
};

class TlsContexts {
 public:
  using ReadFile = std::function<absl::StatusOr<std::string>(const std::string& path)>;
  // The secrets in the text of a file (secret_file.h).
  using ParseSecrets = std::function<absl::StatusOr<TlsSecrets>(std::string_view text)>;
  TlsContexts(ReadFile read, ParseSecrets parse)
      : read_(std::move(read)), parse_(std::move(parse)) {}

  // Reads a file of at most kSecretFileBytesMax.
  static absl::StatusOr<std::string> FromDisk(const std::string& path);

  // Those of the snapshot that is about to be published. What only older ones name is forgotten.
  void SetSettings(const std::vector<config::TlsSettings>& settings);
  void SetSecrets(TlsSecrets secrets) { secrets_ = std::move(secrets); }

  // Reads files again and makes what has changed. Null: nothing has.
  tls::ContextTableRef Update();

  std::vector<TlsContextStatus> Status() const;
  // Grows with every error that was not there before.
  uint64_t failures() const { return failures_; }

 private:
  // Settings with everything in place: what a context is made of.
  struct Material {
    std::vector<tls::Certificate> certificates;
    std::string trusted_pem;
    bool operator==(const Material&) const;
  };
  struct Entry {
    config::TlsSettings settings;
    Material material;  // of `context`, or of the last failure
    tls::ContextRef context;
    std::string error;       // why the newest secrets are not in force
    std::string made_error;  // of `material`
    bool tried = false;
  };
  // A file of secrets: what it has, or what is wrong with it.
  struct SecretFile {
    std::optional<std::string> text;  // none: it could not be read
    TlsSecrets secrets;
    absl::Status status;
  };
  void ReadSecretFiles();
  absl::StatusOr<const config::TlsSecret*> FindSecret(const config::TlsSettings& settings,
                                                      const std::string& name) const;
  absl::StatusOr<std::string> Text(const config::DataSource& source) const;
  absl::StatusOr<tls::Certificate> CertificateOf(const config::TlsCertificateSource& source) const;
  absl::StatusOr<Material> Gather(const config::TlsSettings& settings) const;
  bool UpdateEntry(Entry* entry);
  void ChooseEntries();
  void Fail(const absl::Status& why, Entry* entry);

  const ReadFile read_;
  const ParseSecrets parse_;
  std::vector<config::TlsSettings> settings_;
  std::map<std::pair<uint32_t, std::string>, Entry> entries_;  // by id and source
  TlsSecrets secrets_;
  std::map<std::string, SecretFile> files_;  // by path
  bool changed_ = true;                      // the first table is one even if it is empty
  uint64_t failures_ = 0;
};

// For config::CompilerOptions::check_tls: what is inline must be usable, so that a mistake is a
// NACK and not a listener that never gets ready.
absl::Status CheckInlineTls(const config::TlsSettings& settings);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_TLS_CONTEXTS_H_
