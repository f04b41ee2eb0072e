// Certificates: PEM, the facts in them, and whether a chain leads to a root. Hostile input where
// they come from a peer. Any thread; the time is a parameter. Bounded by ca/limits.h.
#ifndef MELTEMI_CA_X509_CERTIFICATE_H_
#define MELTEMI_CA_X509_CERTIFICATE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca {

// All certificates of a PEM text, at least one. Text between the blocks is skipped as OpenSSL does;
// blocks of another kind are an error.
absl::StatusOr<std::vector<CertPtr>> CertificatesFromPem(std::string_view pem);
absl::StatusOr<CertPtr> CertificateFromPem(std::string_view pem);  // exactly one
std::string ToPem(const X509* certificate);
std::string ToPem(const std::vector<CertPtr>& certificates);

absl::Time NotBefore(const X509* certificate);
absl::Time NotAfter(const X509* certificate);
std::string SerialHex(const X509* certificate);
std::string CommonName(const X509* certificate);          // "" when there is not exactly one
std::string OrganizationalUnit(const X509* certificate);  // likewise
std::vector<std::string> UriNames(const X509* certificate);
std::vector<std::string> DnsNames(const X509* certificate);
// Of names as in certificates and requests.
std::vector<std::string> NamesOfType(const GENERAL_NAMES* names, int type);
bool SelfSigned(const X509* certificate);
bool IsKeyOf(const EVP_PKEY* key, const X509* certificate);

enum class ChainUse { kClient, kIssuer };

// Does `leaf` lead to one of the roots by way of `intermediates`, valid at `now` and made for that
// use? kIssuer: a CA certificate, looked at regardless of dates (they are a fact of its own).
absl::Status VerifyChain(X509* leaf, const std::vector<CertPtr>& intermediates,
                         const std::vector<CertPtr>& roots, ChainUse use, absl::Time now);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_X509_CERTIFICATE_H_
