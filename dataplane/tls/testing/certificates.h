// Certificates for tests, made in the process: authorities and leaves with any names and dates.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_CERTIFICATES_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_CERTIFICATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/tls/context.h"
#include "dataplane/tls/openssl_ptr.h"

namespace meltemi::tls {

inline constexpr int64_t kTestNow = 1'750'000'000;  // seconds since 1970

enum class KeyType : uint8_t { kP256, kRsa2048, kEd25519 };

struct LeafOptions {
  std::string common_name = "leaf";
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  int64_t not_before = kTestNow - 3600;
  int64_t not_after = kTestNow + 86'400;
  KeyType key = KeyType::kP256;
  bool client_only = false;  // extended key usage: not for servers
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name, const TestAuthority* issuer = nullptr);

  Certificate Issue(const LeafOptions& options) const;
  // A leaf that is the test's usual identity: spiffe://cluster.local/ns/a/sa/<account>.
  Certificate IssueSpiffe(const std::string& account) const;
  const std::string& pem() const { return pem_; }

 private:
  PkeyPtr key_;
  X509Ptr certificate_;
  std::string pem_;
  std::string chain_pem_;  // of intermediates, appended to leaves
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_CERTIFICATES_H_
