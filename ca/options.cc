#include "ca/options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

std::vector<std::string> List(const std::string& text) {
  return absl::StrSplit(text, ',', absl::SkipWhitespace());
}

absl::Status ParseTimes(const FlagValues& values, Options* out) {
  const auto root = ParseTime("root-ttl", values.root_ttl);
  const auto standard = ParseTime("workload-ttl", values.workload_ttl);
  const auto min = ParseTime("min-workload-ttl", values.min_workload_ttl);
  const auto max = ParseTime("max-workload-ttl", values.max_workload_ttl);
  for (const auto* time : {&root, &standard, &min, &max}) {
    if (!time->ok()) return time->status();
  }
  if (*standard > *max) {
    return absl::InvalidArgumentError("--workload-ttl is longer than --max-workload-ttl");
  }
  if (*standard < *min) {
    return absl::InvalidArgumentError("--workload-ttl is shorter than --min-workload-ttl");
  }
  out->authority.root.ttl = *root;
  out->ttl.standard = *standard;
  out->ttl.min = *min;
  out->ttl.max = *max;
  // Whoever holds a certificate asks again at half of its life, and then learns of a new root; all
  // certificates of an old one have ended after a whole life.
  const auto distribute = values.distribute_time.empty()
                              ? absl::StatusOr<absl::Duration>(*max / 2)
                              : ParseTime("distribute-time", values.distribute_time);
  const auto retire = values.retire_time.empty() ? absl::StatusOr<absl::Duration>(*max)
                                                 : ParseTime("retire-time", values.retire_time);
  if (!distribute.ok()) return distribute.status();
  if (!retire.ok()) return retire.status();
  out->authority.rotation.distribute = *distribute;
  out->authority.rotation.retire = *retire;
  return absl::OkStatus();
}

}  // namespace

std::vector<control::common::Flag> ServerFlags(FlagValues* v) {
  return {
      {"data-dir", "DIR", "the keystore: keys, state, join tokens, issuance log", &v->data_dir},
      {"cacerts", "DIR",
       "take the CA's certificate from ca-cert.pem ca-key.pem root-cert.pem cert-chain.pem there, "
       "and begin a rotation when a newer one appears; without it a root is made",
       &v->cacerts},
      {"passphrase-file", "FILE", "what private keys on disk are encrypted with",
       &v->passphrase_file},
      {"trust-domain", "NAME", "the domain of the identities", &v->trust_domain},
      {"trust-domain-aliases", "NAMES", "other names of it, comma separated",
       &v->trust_domain_aliases},
      {"key-type", "TYPE", "of roots made here: ecdsa-p256, ecdsa-p384, rsa-2048, -3072, -4096",
       &v->key_type},
      {"root-ttl", "TIME", "life of roots made here", &v->root_ttl},
      {"workload-ttl", "TIME", "life of certificates", &v->workload_ttl},
      {"min-workload-ttl", "TIME", "the shortest life that may be asked for", &v->min_workload_ttl},
      {"max-workload-ttl", "TIME", "the longest life that may be asked for", &v->max_workload_ttl},
      {"distribute-time", "TIME",
       "how long a new root is distributed before it signs; default: half of max-workload-ttl",
       &v->distribute_time},
      {"retire-time", "TIME",
       "how long an old root stays trusted after it signed; default: max-workload-ttl",
       &v->retire_time},
      {"grpc-addr", "ADDR", "where certificates are asked for, by TLS", &v->grpc_addr},
      {"http-addr", "ADDR", "/metrics, /healthz, /readyz, /trust-bundle, /status", &v->http_addr},
      {"server-names", "NAMES", "DNS names of the listener's certificate", &v->server_names},
      {"token-jwks", "FILE|URL",
       "keys of the issuer of service-account tokens: a file, or https://HOST[:PORT]/PATH",
       &v->token_jwks},
      {"token-jwks-ca", "FILE", "roots of that https server; empty: the system's",
       &v->token_jwks_ca},
      {"token-jwks-token", "FILE", "the token to ask it with; empty: none", &v->token_jwks_token},
      {"token-issuer", "NAME", "its name, the tokens' iss; empty: any", &v->token_issuer},
      {"token-audiences", "NAMES", "a token's aud must have one of them", &v->token_audiences},
      {"token-review", "URL", "ask this Kubernetes API server about tokens instead",
       &v->token_review},
      {"token-review-ca", "FILE", "roots of the API server", &v->token_review_ca},
      {"token-review-token", "FILE", "the token to ask it with", &v->token_review_token},
      {"registry-dir", "DIR",
       "Pilot's folder: its Pods say which service accounts run on which node", &v->registry_dir},
      {"node-accounts", "NAMES",
       "NAMESPACE/ACCOUNT of node planes, which may ask for what runs on their node",
       &v->node_accounts},
      {"log-sync", "WHEN", "the issuance log is synced to disk: always, second, never",
       &v->log_sync},
      {"config", "FILE", "lines of \"flag: value\"; the command line comes after it", &v->config},
      {"help", "", "print this and exit", &v->help},
      {"version", "", "print the version and exit", &v->version},
  };
}

std::vector<control::common::Flag> CommandFlags(FlagValues* v) {
  return {
      {"force", "", "switch or retire before it is due", &v->force},
      {"node", "NAME", "join-token: the node it is for", &v->node},
      {"account", "NAME", "join-token, certificate: NAMESPACE/ACCOUNT it proves", &v->account},
      {"ttl", "TIME",
       "join-token: how long it may be used, 1h; certificate: its life, as --workload-ttl",
       &v->ttl},
      {"dns-names", "NAMES", "certificate: names that clients call by, comma separated",
       &v->dns_names},
      {"out", "DIR", "certificate: gets cert.pem and key.pem, and roots.pem for its clients",
       &v->out},
  };
}

absl::StatusOr<std::vector<std::string>> ArgumentsOfFile(std::string_view text) {
  std::vector<std::string> out;
  int number = 0;
  for (const absl::string_view raw : absl::StrSplit(Abs(text), '\n')) {
    ++number;
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos || colon == 0) {
      return absl::InvalidArgumentError(Cat("line ", number, ": not \"flag: value\""));
    }
    const absl::string_view name = absl::StripAsciiWhitespace(line.substr(0, colon));
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (name == "config") return absl::InvalidArgumentError(Cat("line ", number, ": not here"));
    out.push_back(Cat("--", name, "=", value));
  }
  return out;
}

absl::StatusOr<absl::Duration> ParseTime(std::string_view flag, const std::string& text) {
  absl::Duration time;
  if (!absl::ParseDuration(text, &time) || time <= absl::ZeroDuration() ||
      time == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        Cat("--", flag, ": \"", text, "\" is no time such as 24h or 30m"));
  }
  return time;
}

absl::StatusOr<Options> ParseOptions(const FlagValues& values, const std::string& passphrase) {
  absl::StatusOr<TrustDomains> domains =
      TrustDomains::Make(values.trust_domain, List(values.trust_domain_aliases));
  if (!domains.ok()) return domains.status();
  Options out{.domains = *std::move(domains)};
  const auto kind = KeyKindByName(values.key_type);
  if (!kind.ok()) return kind.status();
  const auto sync = SyncPolicyByName(values.log_sync);
  if (!sync.ok()) return absl::InvalidArgumentError(Cat("--log-sync: ", sync.status().message()));
  out.log_sync = *sync;
  out.authority = {.folder = values.data_dir, .cacerts = values.cacerts, .passphrase = passphrase};
  out.authority.root.trust_domain = values.trust_domain;
  out.authority.root.key_kind = *kind;
  if (const absl::Status times = ParseTimes(values, &out); !times.ok()) return times;
  for (const std::string& account : List(values.node_accounts)) {
    const auto identity = ParseAccount(values.trust_domain, account);
    if (!identity.ok()) {
      return absl::InvalidArgumentError(Cat("--node-accounts: ", identity.status().message()));
    }
    out.node_accounts.insert(*identity);
  }
  out.server_names = List(values.server_names);
  out.token_audiences = List(values.token_audiences);
  if (!values.token_jwks.empty() && !values.token_review.empty()) {
    return absl::InvalidArgumentError("--token-jwks and --token-review exclude each other");
  }
  return out;
}

}  // namespace meltemi::ca
