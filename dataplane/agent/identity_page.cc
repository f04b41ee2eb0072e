#include "dataplane/agent/identity_page.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/time/time.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::agent {
namespace {

constexpr int64_t kDaySeconds = 86'400;

std::string Date(UnixTime time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds),
                          absl::UTCTimeZone());
}

double Days(UnixTime end, UnixTime now) {
  return static_cast<double>(end.seconds - now.seconds) / kDaySeconds;
}

std::string NamesJson(const tls::CertificateFacts& facts) {
  std::string out;
  const auto add = [&](std::string_view kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      AppendTo(&out, out.empty() ? "" : ",", "{\"", kind, "\":", policy::JsonQuote(name), "}");
    }
  };
  add("uri", facts.uris);
  add("dns", facts.dns_names);
  return Cat("[", out, "]");
}

// envoy.admin.v3.CertificateDetails; a 64-bit number is a string in protobuf's JSON.
std::string DetailsJson(const tls::CertificateFacts& facts, UnixTime now) {
  const int64_t days = std::max<int64_t>(0, facts.not_after.seconds - now.seconds) / kDaySeconds;
  return Cat("{\"path\":\"<inline>\",\"serial_number\":\"", facts.serial,
             "\",\"subject_alt_names\":", NamesJson(facts), ",\"days_until_expiration\":\"", days,
             "\",\"valid_from\":\"", Date(facts.not_before), "\",\"expiration_time\":\"",
             Date(facts.not_after), "\"}");
}

std::string ListJson(std::string_view pem, UnixTime now) {
  std::string out;
  for (const tls::CertificateFacts& facts : tls::ReadCertificates(pem)) {
    AppendTo(&out, out.empty() ? "" : ",", DetailsJson(facts, now));
  }
  return Cat("[", out, "]");
}

}  // namespace

std::string CertificatesJson(const std::vector<IdentityCredentialPtr>& credentials, UnixTime now) {
  std::string out = "{\"certificates\":[";
  for (const IdentityCredentialPtr& credential : credentials) {
    AppendTo(&out, credential == credentials.front() ? "\n" : ",\n",
             "{\"ca_cert\":", ListJson(credential->chain.trusted_pem, now),
             ",\"cert_chain\":", ListJson(credential->chain.chain_pem, now), "}");
  }
  return out + "\n]}\n";
}

std::string IdentitiesJson(const std::vector<IdentityStatus>& identities, UnixTime now) {
  std::string out = "{\"identities\":[";
  std::string_view separator = "\n";
  for (const IdentityStatus& status : identities) {
    const bool has = !status.serial.empty();
    AppendTo(&out, separator, "{\"identity\":", policy::JsonQuote(status.identity), ",\"state\":\"",
             !has                     ? "missing"
             : now < status.not_after ? "ready"
                                      : "expired",
             "\"");
    separator = ",\n";
    if (has) {
      AppendTo(&out, ",\"serial_number\":\"", status.serial, "\",\"expiration_time\":\"",
               Date(status.not_after), "\",\"refresh_time\":\"", Date(status.refresh), "\"");
    }
    AppendTo(&out, ",\"asking\":", status.asking ? "true" : "false", ",\"issued\":", status.issued,
             ",\"failures_in_a_row\":", status.failures,
             ",\"failures_total\":", status.failures_total,
             ",\"last_failure\":", policy::JsonQuote(status.last_failure), "}");
  }
  return out + "\n]}\n";
}

std::vector<IdentityGauge> IdentityGauges(const std::vector<IdentityStatus>& identities,
                                          const std::vector<IdentityCredentialPtr>& credentials,
                                          UnixTime now) {
  std::vector<IdentityGauge> out;
  for (const IdentityStatus& status : identities) {
    const bool ready = !status.serial.empty() && now < status.not_after;
    out.push_back({"meltemi_identity_ready", status.identity, ready ? 1.0 : 0.0});
    out.push_back({"meltemi_identity_failures_in_a_row", status.identity,
                   static_cast<double>(status.failures)});
  }
  UnixTime first{INT64_MAX}, first_root{INT64_MAX}, first_issuer{INT64_MAX};
  const auto note = [](UnixTime* least, UnixTime end) { *least = std::min(*least, end); };
  for (const IdentityCredentialPtr& credential : credentials) {
    const UnixTime end = credential->chain.not_after;
    out.push_back({"meltemi_identity_days_to_expiry", credential->identity, Days(end, now)});
    note(&first, end);
    const auto roots = tls::ReadCertificates(credential->chain.trusted_pem);
    const auto chain = tls::ReadCertificates(credential->chain.chain_pem);
    for (const tls::CertificateFacts& root : roots) note(&first_root, root.not_after);
    for (size_t i = 1; i < chain.size(); ++i) note(&first_issuer, chain[i].not_after);
  }
  const auto add = [&](const char* name, UnixTime end) {
    if (end.seconds != INT64_MAX) out.push_back({name, "", Days(end, now)});
  };
  if (!credentials.empty()) {  // Envoy's own: whole days
    const UnixTime end = std::min({first, first_root, first_issuer});
    out.push_back({"envoy_server_days_until_first_cert_expiring", "",
                   std::max(0.0, std::floor(Days(end, now)))});
  }
  add("meltemi_identity_root_days_to_expiry", first_root);
  add("meltemi_identity_issuer_days_to_expiry", first_issuer);
  return out;
}

}  // namespace meltemi::agent
