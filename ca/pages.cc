#include "ca/pages.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

double Days(absl::Duration time) { return absl::ToDoubleHours(time) / 24; }

void Gauge(const std::string& name, const std::string& help, int64_t value, std::string* out) {
  AppendTo(out, "# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n", name, " ", value, "\n");
}

std::string Subject(const X509* certificate) {
  const std::string name = CommonName(certificate);
  return name.empty() ? "(no common name)" : name;
}

void Describe(std::string_view role, const SigningCa& ca, uint64_t number, absl::Time now,
              std::string* out) {
  AppendTo(out, role, ": generation ", number, ", \"", Subject(ca.certificate()), "\", ends ",
           Date(ca.not_after()), " (", absl::StrFormat("%.1f", Days(ca.not_after() - now)),
           " days)\n");
}

}  // namespace

std::string ExpiryMetrics(const Signers& signers, absl::Time leaf_not_after, absl::Time now) {
  const absl::Time root = signers.active->root_not_after();
  const absl::Time issuer = signers.active->issuer_not_after();
  std::string out;
  Gauge("citadel_server_root_cert_expiry_timestamp", "When the root certificate ends, Unix time.",
        absl::ToUnixSeconds(root), &out);
  Gauge("citadel_server_root_cert_expiry_seconds", "Seconds until the root certificate ends.",
        absl::ToInt64Seconds(root - now), &out);
  Gauge("citadel_server_cert_chain_expiry_timestamp", "When the CA certificate ends, Unix time.",
        absl::ToUnixSeconds(issuer), &out);
  Gauge("citadel_server_cert_chain_expiry_seconds", "Seconds until the CA certificate ends.",
        absl::ToInt64Seconds(issuer - now), &out);
  out +=
      "# HELP meltemi_ca_days_to_expiry Days until a certificate ends: root, issuer, and leaf, the "
      "listener's own.\n# TYPE meltemi_ca_days_to_expiry gauge\n";
  const auto days = [&](std::string_view what, absl::Time end) {
    AppendTo(&out, "meltemi_ca_days_to_expiry{certificate=\"", what, "\"} ",
             absl::StrFormat("%.3f", Days(end - now)), "\n");
  };
  days("root", root);
  days("issuer", issuer);
  days("leaf", leaf_not_after);
  out +=
      "# HELP meltemi_ca_rotation_phase 1 for the phase in force.\n"
      "# TYPE meltemi_ca_rotation_phase gauge\n";
  for (const Phase phase : {Phase::kSteady, Phase::kDistributing, Phase::kSwitched}) {
    AppendTo(&out, "meltemi_ca_rotation_phase{phase=\"", PhaseName(phase), "\"} ",
             signers.state.phase == phase ? 1 : 0, "\n");
  }
  Gauge("meltemi_ca_rotation_overdue", "1 when a step is due that needs the operator.",
        !signers.next_is_ours && now >= signers.next.due ? 1 : 0, &out);
  return out;
}

std::string StatusText(const Signers& signers, absl::Time now) {
  std::string out =
      Cat("phase: ", PhaseName(signers.state.phase), " since ", Date(signers.state.since), "\n");
  Describe("signs", *signers.active, signers.state.active, now, &out);
  if (signers.other != nullptr) {
    Describe(signers.state.phase == Phase::kDistributing ? "next" : "old", *signers.other,
             signers.state.other, now, &out);
  }
  AppendTo(&out, "trusted roots: ", signers.trusted.size(), "\n");
  AppendTo(&out, "next step: ", StepName(signers.next.step),
           signers.next_is_ours ? ", by itself at " : ", by the operator before ",
           Date(signers.next.due), "\n");
  return out;
}

}  // namespace meltemi::ca
