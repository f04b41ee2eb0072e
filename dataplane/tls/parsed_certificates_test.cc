#include "dataplane/tls/parsed_certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dataplane/tls/openssl_library.h"
#include "dataplane/tls/openssl_ptr.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

// Signed by itself, in DER, with that many letters of comment.
std::string Der(const char* name, size_t comment = 0) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const X509Ptr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const uint8_t*>(name), -1, -1, 0);
  if (comment > 0) {
    const std::string text(comment, 'c');
    const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, text.c_str()));
    X509_add_ext(made.get(), extension.get(), -1);
  }
  X509_set_pubkey(made.get(), key.get());
  EXPECT_GT(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  uint8_t* der = nullptr;
  const int n = i2d_X509(made.get(), &der);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(n));
  OPENSSL_free(der);
  return bytes;
}

// As libssl does it. `used`: how far it went.
X509Ptr Parse(std::string_view der, size_t* used = nullptr) {
  X509* certificate = X509_new_ex(TlsLibrary(), nullptr);
  const auto* const begin = reinterpret_cast<const uint8_t*>(der.data());
  const uint8_t* at = begin;
  if (d2i_X509(&certificate, &at, static_cast<long>(der.size())) == nullptr) {
    X509_free(certificate);
    certificate = nullptr;
  }
  if (used != nullptr) *used = static_cast<size_t>(at - begin);
  return X509Ptr(certificate);
}

TEST(ParsedCertificates, TheSameBytesGiveTheSameObjectWhileTheScopeIsOpen) {
  const std::string a = Der("a"), b = Der("b");
  ParsedCertificates parsed;
  const X509Ptr before = Parse(a);
  EXPECT_EQ(parsed.parsed_count(), 0u);
  X509Ptr first, again;
  {
    const ParsedCertificates::Scope scope(&parsed);
    size_t used = 0;
    first = Parse(a);
    again = Parse(a, &used);
    EXPECT_EQ(used, a.size());
    EXPECT_NE(first, before);
    EXPECT_EQ(first, again);
    EXPECT_NE(Parse(b), first);
    EXPECT_EQ(parsed.parsed_count(), 2u);
    EXPECT_EQ(parsed.found_count(), 1u);
    // Another thread has a scope of its own, or none.
    std::thread([&] { EXPECT_NE(Parse(a), first); }).join();
  }
  EXPECT_NE(Parse(a), first);
  EXPECT_EQ(parsed.found_count(), 1u);
}

TEST(ParsedCertificates, ObjectsOutliveWhatHeldThem) {
  const std::string der = Der("a");
  X509Ptr kept;
  {
    ParsedCertificates parsed;
    const ParsedCertificates::Scope scope(&parsed);
    kept = Parse(der);
  }
  EXPECT_EQ(X509_get_version(kept.get()), X509_VERSION_3);
  EXPECT_NE(X509_get0_pubkey(kept.get()), nullptr);
}

TEST(ParsedCertificates, WhatIsNotAWholeCertificateIsNotKept) {
  const std::string der = Der("a");
  ParsedCertificates parsed;
  const ParsedCertificates::Scope scope(&parsed);
  size_t used = 0;
  EXPECT_NE(Parse(der + "more", &used), nullptr);
  EXPECT_EQ(used, der.size());
  EXPECT_EQ(Parse(der.substr(0, der.size() - 1)), nullptr);
  EXPECT_EQ(Parse("garbage"), nullptr);
  EXPECT_EQ(Parse(""), nullptr);
  EXPECT_EQ(parsed.parsed_count(), 0u);
  // Other ways to call it make an object of their own.
  EXPECT_NE(Parse(der), nullptr);
  const auto* at = reinterpret_cast<const uint8_t*>(der.data());
  const X509Ptr own(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  EXPECT_NE(own, nullptr);
  EXPECT_EQ(parsed.found_count(), 0u);
}

TEST(ParsedCertificates, LargeOnesAreParsedEachTime) {
  constexpr size_t kBound = limits::kTlsParsedCertificateBytes;
  // ECDSA signatures differ by a byte or two in length: drawn until the size is the one wanted.
  const auto of_size = [](size_t bytes) {
    size_t comment = bytes - Der("a", 1000).size() + 1000;
    for (;;) {
      std::string der = Der("a", comment);
      if (der.size() == bytes) return der;
      comment = comment + bytes - der.size();
    }
  };
  ParsedCertificates parsed;
  const ParsedCertificates::Scope scope(&parsed);
  const std::string most = of_size(kBound), more = of_size(kBound + 1);
  EXPECT_EQ(Parse(most), Parse(most));
  EXPECT_EQ(parsed.parsed_count(), 1u);
  EXPECT_NE(Parse(more), Parse(more));
  EXPECT_EQ(parsed.parsed_count(), 1u);
}

TEST(ParsedCertificates, HoldsAsManyAsItHasPlaces) {
  ParsedCertificates parsed;
  const X509Ptr certificate = Parse(Der("a"));
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
