// ParsedCertificates: peers' certificates as OpenSSL has parsed them, by their DER bytes. In a mesh
// the same few come again and again, and OpenSSL 3.0 parses each anew: 40 us for one of P-256 with
// TlsLibrary, 150 without; found here, 1.2 (`tls_benchmark`: Parse).
//
// libssl has no hook for this, but it calls d2i_X509 of libcrypto as every caller does: through the
// dynamic linker, which prefers the program's own. parsed_certificates.cc defines that function for
// the whole process. It is libcrypto's, unless a Scope of its thread is open: around
// SSL_do_handshake of our own contexts, and nowhere else. Then bytes that were seen before give the
// same object again. Everybody keeps to counting references, as OpenSSL demands anyway (it shares
// certificates between sessions and threads itself, and locks what it fills in later).
//
// Owned by one handshake thread, so no lock; the objects may outlive it. Bound: a fixed table, a
// newer entry of the same place replaces an older one; limits::kTlsParsedCertificates of
// limits::kTlsParsedCertificateBytes at most, and what OpenSSL makes of them.
#ifndef MELTEMI_DATAPLANE_TLS_PARSED_CERTIFICATES_H_
#define MELTEMI_DATAPLANE_TLS_PARSED_CERTIFICATES_H_

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/tls/openssl_ptr.h"

namespace meltemi::tls {

class ParsedCertificates {
 public:
  ParsedCertificates();

  // While it lives, what its thread parses is looked up in `parsed`, and kept there. Does not nest.
  class Scope {
   public:
    explicit Scope(ParsedCertificates* parsed);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  // Borrowed; null: not here.
  X509* Find(std::string_view der);
  void Add(std::string_view der, X509* certificate);

  uint32_t parsed_count() const { return parsed_count_; }  // added
  uint32_t found_count() const { return found_count_; }

 private:
  struct Entry {
    std::string der;
    X509Ptr certificate;
  };
  Entry& Place(std::string_view der);
  std::vector<Entry> entries_;
  uint32_t parsed_count_ = 0, found_count_ = 0;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_PARSED_CERTIFICATES_H_
