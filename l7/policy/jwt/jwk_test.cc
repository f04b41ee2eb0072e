#include "l7/policy/jwt/jwk.h"

#include <gtest/gtest.h>

#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::policy {
namespace {

TEST(Jwks, LeavesOutWhatItCannotUseAndSaysWhy) {
  const TestSigner good("good");
  struct Row {
    const char* key;
    const char* why;
  };
  const Row kRows[] = {
      {"1", "not an object"},
      {R"({})", "kty  is not used"},
      {R"({"kty":"oct","k":"AAAA"})", "kty oct is not used"},
      {R"({"kty":"OKP","crv":"X25519","x":"AAAA"})", "kty OKP is not used"},
      {R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})", "a broken OKP key"},
      {R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})", "a broken EC key"},
      {R"({"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AAAA"})", "a broken EC key"},
      {R"({"kty":"RSA","n":"AQAB","e":"AQAB"})", "an RSA key that is too weak or too large"},
      {R"({"kty":"RSA","e":"AQAB"})", "an RSA key that is too weak or too large"},
      {R"({"kty":"EC","use":"enc"})", "not for signatures"},
      {R"({"kty":"EC","alg":"HS256"})", "alg HS256 is not used"},
      {R"({"kty":"EC","alg":"none"})", "alg none is not used"},
  };
  for (const Row& row : kRows) {
    const auto jwks = Jwks::Parse(Cat(R"({"keys":[)", row.key, ",", good.Jwk(), "]}"));
    ASSERT_TRUE(jwks.ok()) << row.key << jwks.status();
    ASSERT_EQ(jwks->keys().size(), 1u) << row.key;
    EXPECT_EQ(jwks->keys()[0].kid, "good");
    ASSERT_EQ(jwks->skipped().size(), 1u);
    EXPECT_EQ(jwks->skipped()[0], Cat("keys[0]: ", row.why)) << row.key;
  }
}

TEST(Jwks, APointThatIsNotOnTheCurveIsNoKey) {
  const std::string one(43, 'B');
  EXPECT_FALSE(Jwks::Parse(Cat(R"({"keys":[{"kty":"EC","crv":"P-256","x":")", one, R"(","y":")",
                               one, R"("}]})"))
                   .ok());
}

TEST(Jwks, RefusesASetThatIsNone) {
  for (const std::string_view text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", "{"}) {
    EXPECT_FALSE(Jwks::Parse(text).ok()) << text;
  }
}

TEST(Jwks, KeysAreBounded) {
  const TestSigner signer("k");
  const auto parse = [&](size_t count) {
    std::string text = R"({"keys":[)";
    for (size_t i = 0; i < count; ++i) AppendTo(&text, i == 0 ? "" : ",", signer.Jwk());
    return Jwks::Parse(text + "]}").ok();
  };
  EXPECT_TRUE(parse(limits::kJwksKeysMax - 1));
  EXPECT_TRUE(parse(limits::kJwksKeysMax));
  EXPECT_FALSE(parse(limits::kJwksKeysMax + 1));
  std::string large = signer.Jwks();
  large.resize(limits::kJwksBytesMax, ' ');
  EXPECT_TRUE(Jwks::Parse(large).ok());
  large += ' ';
  EXPECT_FALSE(Jwks::Parse(large).ok());
}

TEST(JwtKey, ReadsPem) {
  // The key of RFC 8410 10.1.
  const auto key = JwtKey::FromPem(
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
      "-----END PUBLIC KEY-----\n");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->family(), JwtKey::Family::kEd25519);
  EXPECT_FALSE(JwtKey::FromPem("nonsense").ok());
}

}  // namespace
}  // namespace meltemi::policy
