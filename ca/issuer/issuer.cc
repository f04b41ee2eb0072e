#include "ca/issuer/issuer.h"

#include <openssl/err.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "ca/x509/certificate.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

// 127 bits: positive, and shorter than the 20 octets of RFC 5280 4.1.2.2.
bool SetSerial(X509* certificate, const Entropy& entropy) {
  uint8_t bytes[16];
  entropy(absl::MakeSpan(bytes));
  bytes[0] &= 0x7f;
  bytes[0] |= 0x40;  // never zero, always as long
  const BnPtr number(BN_bin2bn(bytes, sizeof(bytes), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetDates(X509* certificate, absl::Time not_before, absl::Time not_after) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(not_before)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(not_after)) != nullptr;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, text.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool AddName(GENERAL_NAMES* names, int type, const std::string& text) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1) {
    GENERAL_NAME_free(name);
    ASN1_IA5STRING_free(value);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

// Built as a structure, never by OpenSSL's text form, in which a comma begins another name.
bool AddAlternativeNames(X509* certificate, const LeafOptions& options) {
  const NamesPtr names(GENERAL_NAMES_new());
  if (names == nullptr || !AddName(names.get(), GEN_URI, options.identity.Uri())) return false;
  for (const std::string& dns : options.dns_names) {
    if (!AddName(names.get(), GEN_DNS, dns)) return false;
  }
  const bool subject_empty = X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
  // RFC 5280 4.1.2.6: critical when the subject is empty.
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), subject_empty ? 1 : 0,
                           X509V3_ADD_DEFAULT) == 1;
}

// As it is: by its text forms OpenSSL would hold names to the 64 characters of RFC 5280 appendix A,
// which names of nodes and trust domains may exceed, and which nobody checks.
bool AddToName(X509_NAME* name, int nid, const std::string& text) {
  return X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING,
                                    reinterpret_cast<const uint8_t*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

const EVP_MD* DigestFor(const EVP_PKEY* key) {
  return DescribeKey(key) == "ECDSA P-384" ? EVP_sha384() : EVP_sha256();
}

bool SetSubject(X509* certificate, const LeafOptions& options) {
  if (options.node.empty()) return true;
  X509_NAME* name = X509_get_subject_name(certificate);
  return AddToName(name, NID_organizationName, options.identity.trust_domain) &&
         AddToName(name, NID_organizationalUnitName, kNodeUnit) &&
         AddToName(name, NID_commonName, options.node);
}

bool AddLeafExtensions(X509* certificate, X509* issuer, const EVP_PKEY* key,
                       const LeafOptions& options) {
  const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  return AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(
             certificate, issuer, NID_key_usage,
             rsa ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature") &&
         AddExtension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
         AddExtension(certificate, issuer, NID_subject_key_identifier, "hash") &&
         AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
         AddAlternativeNames(certificate, options);
}

}  // namespace

absl::StatusOr<absl::Duration> ChooseTtl(absl::Duration requested, const TtlPolicy& policy) {
  if (requested < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("a negative validity was asked for");
  }
  if (requested == absl::ZeroDuration()) return std::min(policy.standard, policy.max);
  if (requested > policy.max) {
    return absl::InvalidArgumentError(Cat("a validity of ", absl::FormatDuration(requested),
                                          " was asked for; at most ",
                                          absl::FormatDuration(policy.max), " is allowed"));
  }
  if (requested < policy.min) {
    return absl::InvalidArgumentError(Cat("a validity of ", absl::FormatDuration(requested),
                                          " was asked for; at least ",
                                          absl::FormatDuration(policy.min), " is needed"));
  }
  return requested;
}

absl::StatusOr<Leaf> IssueLeaf(const SigningCa& ca, EVP_PKEY* key, const LeafOptions& options,
                               absl::Time now, const Entropy& entropy) {
  if (now >= ca.not_after()) {
    return absl::FailedPreconditionError(
        Cat("the CA's own certificate ended at ",
            absl::FormatTime(absl::RFC3339_sec, ca.not_after(), absl::UTCTimeZone())));
  }
  Leaf leaf;
  // Certificates count whole seconds.
  leaf.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(now - options.backdate));
  leaf.not_after =
      std::min(absl::FromUnixSeconds(absl::ToUnixSeconds(now + options.ttl)), ca.not_after());
  const CertPtr certificate(X509_new());
  const bool made =
      certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
      SetSerial(certificate.get(), entropy) &&
      SetDates(certificate.get(), leaf.not_before, leaf.not_after) &&
      SetSubject(certificate.get(), options) &&
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.certificate())) == 1 &&
      X509_set_pubkey(certificate.get(), key) == 1 &&
      AddLeafExtensions(certificate.get(), ca.certificate(), key, options) &&
      X509_sign(certificate.get(), ca.key(), DigestFor(ca.key())) > 0;
  if (!made) return OpenSslError("making a certificate");
  leaf.pem = ToPem(certificate.get());
  leaf.serial = SerialHex(certificate.get());
  return leaf;
}

absl::StatusOr<CaMaterial> MakeSelfSignedRoot(const RootOptions& options, absl::Time now,
                                              const Entropy& entropy) {
  absl::StatusOr<KeyPtr> key = MakeKey(options.key_kind);
  if (!key.ok()) return key.status();
  uint8_t name_bytes[4];
  entropy(absl::MakeSpan(name_bytes));
  // Each root has a name of its own: two of one name confuse those who look for an issuer by it.
  const std::string common_name =
      Cat("meltemi root ",
          absl::BytesToHexString({reinterpret_cast<char*>(name_bytes), sizeof(name_bytes)}));
  const CertPtr root(X509_new());
  X509* c = root.get();
  const bool made =
      c != nullptr && X509_set_version(c, X509_VERSION_3) == 1 && SetSerial(c, entropy) &&
      SetDates(c, now - absl::Minutes(2), now + options.ttl) &&
      AddToName(X509_get_subject_name(c), NID_organizationName, options.trust_domain) &&
      AddToName(X509_get_subject_name(c), NID_commonName, common_name) &&
      X509_set_issuer_name(c, X509_get_subject_name(c)) == 1 &&
      X509_set_pubkey(c, key->get()) == 1 &&
      AddExtension(c, c, NID_basic_constraints, "critical,CA:TRUE") &&
      AddExtension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      AddExtension(c, c, NID_subject_key_identifier, "hash") &&
      AddExtension(c, c, NID_authority_key_identifier, "keyid:always") &&
      X509_sign(c, key->get(), DigestFor(key->get())) > 0;
  if (!made) return OpenSslError("making a root certificate");
  absl::StatusOr<std::string> key_pem = PrivateKeyToPem(key->get(), options.passphrase);
  if (!key_pem.ok()) return key_pem.status();
  const std::string pem = ToPem(c);
  return CaMaterial{.ca_cert = pem, .ca_key = *key_pem, .root_cert = pem, .cert_chain = pem};
}

}  // namespace meltemi::ca
