#include "dataplane/tls/testing/self_signed.h"

#include "dataplane/tls/openssl_library.h"
#include "l7/base/check.h"

namespace meltemi::tls {

std::string SelfSigned(EVP_PKEY* key, const EVP_MD* digest, size_t comment) {
  const X509Ptr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  if (comment > 0) {
    const std::string text(comment, 'c');
    const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_netscape_comment, text.c_str()));
    X509_add_ext(made.get(), extension.get(), -1);
  }
  X509_set_pubkey(made.get(), key);
  CHECK(X509_sign(made.get(), key, digest) > 0);
  uint8_t* der = nullptr;
  const int n = i2d_X509(made.get(), &der);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(n));
  OPENSSL_free(der);
  return bytes;
}

X509Ptr ParseAsLibssl(std::string_view der, size_t* used) {
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

}  // namespace meltemi::tls
