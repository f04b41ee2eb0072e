// What meltemi-ca is told by flags and by its file of flags. Pure but for reading that file.
#ifndef MELTEMI_CA_OPTIONS_H_
#define MELTEMI_CA_OPTIONS_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ca/authority/authority.h"
#include "ca/identity/identity.h"
#include "ca/issuer/issuer.h"
#include "ca/log/issuance_log.h"
#include "control/common/flags.h"

namespace meltemi::ca {

// As text, with their defaults; ParseOptions makes sense of them.
struct FlagValues {
  std::string data_dir = "/var/lib/meltemi-ca";
  std::string cacerts;
  std::string passphrase_file;
  std::string trust_domain = "cluster.local";
  std::string trust_domain_aliases;
  std::string key_type = "ecdsa-p256";
  std::string root_ttl = "87600h";
  std::string workload_ttl = "24h";
  std::string min_workload_ttl = "1m";
  std::string max_workload_ttl = "2160h";
  std::string distribute_time;
  std::string retire_time;
  std::string grpc_addr = "0.0.0.0:15012";
  std::string http_addr = "0.0.0.0:15014";
  std::string server_names = "meltemi-ca,istiod.istio-system.svc,istio-ca.istio-system.svc";
  std::string token_jwks;
  std::string token_jwks_ca;
  std::string token_jwks_token;
  std::string token_issuer;
  std::string token_audiences = "istio-ca";
  std::string token_review;
  std::string token_review_ca = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  std::string token_review_token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string registry_dir;
  std::string node_accounts = "meltemi-system/meltemi-node,istio-system/ztunnel";
  std::string log_sync = "always";
  std::string config;
  std::string help;
  std::string version;
  // Of commands.
  std::string force;
  std::string node;
  std::string account = "meltemi-system/meltemi-node";
  std::string ttl;
  std::string dns_names;
  std::string out;
};
std::vector<control::common::Flag> ServerFlags(FlagValues* values);
std::vector<control::common::Flag> CommandFlags(FlagValues* values);

// "name: value" lines of a file of flags, as arguments; "#" begins a comment.
absl::StatusOr<std::vector<std::string>> ArgumentsOfFile(std::string_view text);

struct Options {
  TrustDomains domains;
  AuthorityOptions authority;
  TtlPolicy ttl;
  std::vector<std::string> server_names;
  std::vector<std::string> token_audiences;
  std::set<Identity> node_accounts;
  SyncPolicy log_sync = SyncPolicy::kAlways;
};
// The passphrase is the content of its file, read by the caller.
absl::StatusOr<Options> ParseOptions(const FlagValues& values, const std::string& passphrase);

absl::StatusOr<absl::Duration> ParseTime(std::string_view flag, const std::string& text);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_OPTIONS_H_
