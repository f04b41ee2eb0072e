#include "dataplane/tls/parsed_certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <thread>
#include <vector>

#include "dataplane/tls/openssl_ptr.h"
#include "dataplane/tls/testing/self_signed.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

// Of a new key each time.
std::string Der(size_t comment = 0) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  return SelfSigned(key.get(), EVP_sha256(), comment);
}

TEST(ParsedCertificates, TheSameBytesGiveTheSameObjectWhileTheScopeIsOpen) {
  const std::string a = Der(), b = Der();
  ParsedCertificates parsed;
  const X509Ptr before = ParseAsLibssl(a);
  EXPECT_EQ(parsed.parsed_count(), 0u);
  X509Ptr first, again;
  {
    const ParsedCertificates::Scope scope(&parsed);
    size_t used = 0;
    first = ParseAsLibssl(a);
    again = ParseAsLibssl(a, &used);
    EXPECT_EQ(used, a.size());
    EXPECT_NE(first, before);
    EXPECT_EQ(first, again);
    EXPECT_NE(ParseAsLibssl(b), first);
    EXPECT_EQ(parsed.parsed_count(), 2u);
    EXPECT_EQ(parsed.found_count(), 1u);
    // Another thread has a scope of its own, or none.
    std::thread([&] { EXPECT_NE(ParseAsLibssl(a), first); }).join();
  }
  EXPECT_NE(ParseAsLibssl(a), first);
  EXPECT_EQ(parsed.found_count(), 1u);
}

TEST(ParsedCertificates, ObjectsOutliveWhatHeldThem) {
  const std::string der = Der();
  X509Ptr kept;
  {
    ParsedCertificates parsed;
    const ParsedCertificates::Scope scope(&parsed);
    kept = ParseAsLibssl(der);
  }
  EXPECT_EQ(X509_get_version(kept.get()), X509_VERSION_3);
  EXPECT_NE(X509_get0_pubkey(kept.get()), nullptr);
}

TEST(ParsedCertificates, WhatIsNotAWholeCertificateIsNotKept) {
  const std::string der = Der();
  ParsedCertificates parsed;
  const ParsedCertificates::Scope scope(&parsed);
  size_t used = 0;
  EXPECT_NE(ParseAsLibssl(der + "more", &used), nullptr);
  EXPECT_EQ(used, der.size());
  EXPECT_EQ(ParseAsLibssl(der.substr(0, der.size() - 1)), nullptr);
  EXPECT_EQ(ParseAsLibssl("garbage"), nullptr);
  EXPECT_EQ(ParseAsLibssl(""), nullptr);
  EXPECT_EQ(parsed.parsed_count(), 0u);
  // Other ways to call it make an object of their own.
  EXPECT_NE(ParseAsLibssl(der), nullptr);
  const auto* at = reinterpret_cast<const uint8_t*>(der.data());
  const X509Ptr own(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  EXPECT_NE(own, nullptr);
  EXPECT_EQ(parsed.found_count(), 0u);
}

TEST(ParsedCertificates, LargeOnesAreParsedEachTime) {
  constexpr size_t kBound = limits::kTlsParsedCertificateBytes;
  // ECDSA signatures differ by a byte or two in length: drawn until the size is the one wanted.
  const auto of_size = [](size_t bytes) {
    size_t comment = bytes - Der(1000).size() + 1000;
    for (;;) {
      std::string der = Der(comment);
      if (der.size() == bytes) return der;
      comment = comment + bytes - der.size();
    }
  };
  ParsedCertificates parsed;
  const ParsedCertificates::Scope scope(&parsed);
  const std::string most = of_size(kBound), more = of_size(kBound + 1);
  EXPECT_EQ(ParseAsLibssl(most), ParseAsLibssl(most));
  EXPECT_EQ(parsed.parsed_count(), 1u);
  EXPECT_NE(ParseAsLibssl(more), ParseAsLibssl(more));
  EXPECT_EQ(parsed.parsed_count(), 1u);
}

TEST(ParsedCertificates, HoldsAsManyAsItHasPlaces) {
  ParsedCertificates parsed;
  const X509Ptr certificate = ParseAsLibssl(Der());
  // More names than places: each place holds one, the newest.
  std::vector<std::string> names;
  for (uint32_t i = 0; i < 3 * limits::kTlsParsedCertificates; ++i) {
    names.push_back(std::to_string(i));
    parsed.Add(names.back(), certificate.get());
    EXPECT_EQ(parsed.Find(names.back()), certificate.get());
  }
  uint32_t found = 0;
  for (const std::string& name : names) found += parsed.Find(name) != nullptr;
  EXPECT_LE(found, limits::kTlsParsedCertificates);
  EXPECT_GT(found, limits::kTlsParsedCertificates / 2);
}

}  // namespace
}  // namespace meltemi::tls
