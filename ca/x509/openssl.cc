#include "ca/x509/openssl.h"

#include <openssl/err.h>

#include "absl/strings/escaping.h"
#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi::ca {

std::string TakeErrors() {
  std::string out;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    AppendTo(&out, out.empty() ? "" : "; ", reason == nullptr ? "unknown" : reason);
  }
  return out.empty() ? "no reason given" : out;
}

absl::Status OpenSslError(std::string_view what) {
  return absl::InternalError(Cat(what, ": ", TakeErrors()));
}

BioPtr ReadingBio(std::string_view text) {
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio != nullptr);  // out of memory
  return bio;
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size <= 0 ? std::string() : std::string(data, static_cast<size_t>(size));
}

std::string Sha256Hex(std::string_view bytes) {
  uint8_t digest[32];
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_sha256(), nullptr) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

}  // namespace meltemi::ca
