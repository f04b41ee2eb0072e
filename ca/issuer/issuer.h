// Makes certificates: leaves for proven identities, and self-signed roots. What a caller asks for
// never gets into a certificate but its public key. Pure but for OpenSSL's signatures: time and
// chance are parameters. Any thread; a SigningCa does not change.
#ifndef MELTEMI_CA_ISSUER_ISSUER_H_
#define MELTEMI_CA_ISSUER_ISSUER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ca/identity/identity.h"
#include "ca/x509/key.h"
#include "ca/x509/openssl.h"

namespace meltemi::ca {

// Fills the bytes with what nobody can guess; in tests, with what the test wants.
using Entropy = std::function<void(absl::Span<uint8_t>)>;

// A CA certificate as files hold it: Istio's `cacerts`.
struct CaMaterial {
  std::string ca_cert;     // ca-cert.pem: who signs
  std::string ca_key;      // ca-key.pem: its private key, maybe under a passphrase
  std::string root_cert;   // root-cert.pem: what is to be trusted; more than one is fine
  std::string cert_chain;  // cert-chain.pem: from ca-cert towards the root; may be empty or hold it
};

// The same, read and found to fit together.
class SigningCa {
 public:
  // Refuses: a key of another certificate, one that may not sign certificates, a chain that does
  // not lead to a root. Dates are not looked at: the clock may be wrong now and right later.
  static absl::StatusOr<SigningCa> Load(const CaMaterial& material, const std::string& passphrase);

  X509* certificate() const { return certificate_.get(); }
  EVP_PKEY* key() const { return key_.get(); }
  const std::vector<CertPtr>& roots() const { return roots_; }
  // What goes between a leaf and the roots: nothing when a root signs itself.
  const std::vector<std::string>& intermediates_pem() const { return intermediates_pem_; }
  const std::vector<CertPtr>& intermediates() const { return intermediates_; }
  absl::Time not_before() const;        // of the certificate and the roots, the latest
  absl::Time not_after() const;         // the earliest
  absl::Time root_not_after() const;    // of the roots, the earliest
  absl::Time issuer_not_after() const;  // of ca-cert alone

 private:
  CertPtr certificate_;
  KeyPtr key_;
  std::vector<CertPtr> roots_;
  std::vector<CertPtr> intermediates_;
  std::vector<std::string> intermediates_pem_;
};

struct TtlPolicy {
  absl::Duration standard = absl::Hours(24);
  absl::Duration min = absl::Minutes(1);
  absl::Duration max = absl::Hours(24 * 90);
  // Certificates are valid from a little before now: clocks differ.
  absl::Duration backdate = absl::Minutes(2);
};
// The time to live for a request; zero asks for the standard. Longer than allowed is an error, not
// cut: who asked for a year shall not find out tomorrow.
absl::StatusOr<absl::Duration> ChooseTtl(absl::Duration requested, const TtlPolicy& policy);

struct LeafOptions {
  Identity identity;
  // Set for node planes: the node's name, as CN beside OU meltemi-node. It is how the CA knows a
  // node by its certificate. Without it the subject is empty.
  std::string node;
  std::vector<std::string> dns_names;  // of the CA's own listener
  absl::Duration ttl;
  absl::Duration backdate;
};
inline constexpr char kNodeUnit[] = "meltemi-node";

struct Leaf {
  std::string pem;
  std::string serial;  // hexadecimal
  absl::Time not_before;
  absl::Time not_after;
};

// A leaf ends no later than its issuer and the roots; FailedPrecondition when they have ended.
absl::StatusOr<Leaf> IssueLeaf(const SigningCa& ca, EVP_PKEY* key, const LeafOptions& options,
                               absl::Time now, const Entropy& entropy);

struct RootOptions {
  std::string trust_domain;
  KeyKind key_kind = KeyKind::kEcdsaP256;
  absl::Duration ttl = absl::Hours(24 * 3650);
  std::string passphrase;
};
// A new self-signed root that signs leaves itself.
absl::StatusOr<CaMaterial> MakeSelfSignedRoot(const RootOptions& options, absl::Time now,
                                              const Entropy& entropy);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_ISSUER_ISSUER_H_
