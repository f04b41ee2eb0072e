// Makes keys, key sets and tokens for tests. Not for production: a mesh never signs tokens.
#ifndef MELTEMI_L7_POLICY_JWT_SIGNING_FOR_TEST_H_
#define MELTEMI_L7_POLICY_JWT_SIGNING_FOR_TEST_H_

#include <string>
#include <string_view>

struct evp_pkey_st;

namespace meltemi::policy {

// A P-256 key that signs with ES256.
class TestSigner {
 public:
  explicit TestSigner(std::string kid);
  ~TestSigner();
  TestSigner(const TestSigner&) = delete;
  TestSigner& operator=(const TestSigner&) = delete;

  std::string Jwk() const;   // its public half, one member of "keys"
  std::string Jwks() const;  // a set of just it
  // A token of these claims (JSON), signed.
  std::string Sign(std::string_view claims) const;
  // With another header than {"alg":"ES256","kid":KID}.
  std::string Sign(std::string_view header, std::string_view claims) const;

 private:
  std::string kid_;
  evp_pkey_st* key_;
};

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_JWT_SIGNING_FOR_TEST_H_
