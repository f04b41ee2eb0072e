#include "dataplane/tls/parsed_certificates.h"

#include <dlfcn.h>
#include <openssl/x509.h>

#include "l7/base/check.h"
#include "l7/base/limits.h"
#include "l7/base/xx_hash.h"

namespace meltemi::tls {
namespace {

thread_local ParsedCertificates* open_scope = nullptr;

using Parser = X509* (*)(X509**, const unsigned char**, long);
Parser Libcrypto() {
  static const auto parser = reinterpret_cast<Parser>(dlsym(RTLD_NEXT, "d2i_X509"));
  CHECK(parser != nullptr);  // linked statically, there would be none behind ours
  return parser;
}

X509* Parse(X509** out, const unsigned char** in, long size) {
  // Other ways to call it than libssl's are not kept: nobody's object is replaced unawares.
  if (open_scope == nullptr || out == nullptr || *out == nullptr || in == nullptr || size <= 0) {
    return Libcrypto()(out, in, size);
  }
  const std::string_view der(reinterpret_cast<const char*>(*in), static_cast<size_t>(size));
  if (X509* const known = open_scope->Find(der)) {
    X509_up_ref(known);
    X509_free(*out);
    *out = known;
    *in += size;
    return known;
  }
  X509* const parsed = Libcrypto()(out, in, size);
  // With bytes left over libssl refuses the message: only a whole one is worth keeping.
  const bool whole = reinterpret_cast<const char*>(*in) == der.data() + der.size();
  if (parsed != nullptr && whole && der.size() <= limits::kTlsParsedCertificateBytes) {
    open_scope->Add(der, parsed);
  }
  return parsed;
}

}  // namespace

ParsedCertificates::ParsedCertificates() : entries_(limits::kTlsParsedCertificates) {}

ParsedCertificates::Scope::Scope(ParsedCertificates* parsed) {
  CHECK(open_scope == nullptr);
  open_scope = parsed;
}
ParsedCertificates::Scope::~Scope() { open_scope = nullptr; }

ParsedCertificates::Entry& ParsedCertificates::Place(std::string_view der) {
  return entries_[XxHash64(der) % entries_.size()];
}

X509* ParsedCertificates::Find(std::string_view der) {
  const Entry& entry = Place(der);
  if (entry.certificate == nullptr || entry.der != der) return nullptr;
  ++found_count_;
  return entry.certificate.get();
}

void ParsedCertificates::Add(std::string_view der, X509* certificate) {
  ++parsed_count_;
  X509_up_ref(certificate);
  Place(der) = {.der = std::string(der), .certificate = X509Ptr(certificate)};
}

}  // namespace meltemi::tls

// Instead of libcrypto's, for this program and the libraries it is linked with.
extern "C" __attribute__((visibility("default"))) X509* d2i_X509(X509** out,
                                                                 const unsigned char** in,
                                                                 long size) {
  return meltemi::tls::Parse(out, in, size);
}
