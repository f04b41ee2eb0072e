#include "l7/policy/jwt/jwt.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/base64url.h"
#include "l7/policy/jwt/signing_for_test.h"

namespace meltemi::policy {
namespace {

constexpr UnixTime kNow{1'700'000'000};

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

JwtVerdict Check(std::string_view text, const Jwks& keys, const JwtRequirements& required,
                 UnixTime now = kNow) {
  Jwt token;
  const JwtVerdict parsed = ParseJwt(text, &token);
  return parsed == JwtVerdict::kOk ? VerifyJwt(token, keys, required, now) : parsed;
}

// Goal: every algorithm agrees with another implementation. Method: tokens that PyJWT signed, as
// they are and with one bit of the signature or the payload turned.
TEST(Jwt, AgreesWithAnotherImplementation) {
  const auto keys = Jwks::Parse(ReadFile("l7/policy/jwt/testdata/jwks.json"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  std::istringstream lines(ReadFile("l7/policy/jwt/testdata/tokens.txt"));
  std::string algorithm, text;
  int count = 0;
  while (lines >> algorithm >> text) {
    ++count;
    Jwt token;
    ASSERT_EQ(ParseJwt(text, &token), JwtVerdict::kOk) << algorithm;
    EXPECT_EQ(token.algorithm, JwtAlgorithmByName(algorithm));
    EXPECT_EQ(token.issuer, "https://issuer.example");
    EXPECT_EQ(token.subject, "alice");
    EXPECT_EQ(token.audiences, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(VerifyJwt(token, *keys, {}, kNow), JwtVerdict::kOk) << algorithm;
    Jwt forged = token;
    forged.signature[forged.signature.size() / 2] ^= 1;
    EXPECT_EQ(VerifyJwt(forged, *keys, {}, kNow), JwtVerdict::kBadSignature) << algorithm;
    forged = token;
    forged.signature.pop_back();
    EXPECT_EQ(VerifyJwt(forged, *keys, {}, kNow), JwtVerdict::kBadSignature) << algorithm;
    forged = token;
    forged.signing_input.back() ^= 1;
    EXPECT_EQ(VerifyJwt(forged, *keys, {}, kNow), JwtVerdict::kBadSignature) << algorithm;
    for (int other = 0; other <= static_cast<int>(JwtAlgorithm::kEdDsa); ++other) {
      forged = token;
      forged.algorithm = static_cast<JwtAlgorithm>(other);
      if (forged.algorithm == token.algorithm) continue;
      EXPECT_NE(VerifyJwt(forged, *keys, {}, kNow), JwtVerdict::kOk) << algorithm << other;
    }
  }
  EXPECT_EQ(count, 10);
}

TEST(Jwt, ClaimsDecide) {
  // Goal: each claim that does not fit has its verdict. Method: rows of claims, signed well.
  const TestSigner signer("k");
  const auto keys = Jwks::Parse(signer.Jwks());
  ASSERT_TRUE(keys.ok());
  const JwtRequirements required{.issuer = "i", .audiences = {"a", "b"}};
  struct Row {
    const char* claims;
    JwtVerdict verdict;
  };
  const Row kRows[] = {
      {R"({"iss":"i","aud":"a","exp":1700000100})", JwtVerdict::kOk},
      {R"({"iss":"i","aud":["x","b"],"exp":1700000100.75})", JwtVerdict::kOk},
      {R"({"iss":"j","aud":"a","exp":1700000100})", JwtVerdict::kWrongIssuer},
      {R"({"aud":"a","exp":1700000100})", JwtVerdict::kWrongIssuer},
      {R"({"iss":"i","exp":1700000100})", JwtVerdict::kWrongAudience},
      {R"({"iss":"i","aud":"ab","exp":1700000100})", JwtVerdict::kWrongAudience},
      {R"({"iss":"i","aud":[],"exp":1700000100})", JwtVerdict::kWrongAudience},
      {R"({"iss":"i","aud":"a"})", JwtVerdict::kNoExpiry},
      {R"({"iss":"i","aud":"a","exp":1699999941})", JwtVerdict::kOk},
      {R"({"iss":"i","aud":"a","exp":1699999940})", JwtVerdict::kExpired},
      {R"({"iss":"i","aud":"a","exp":0})", JwtVerdict::kExpired},
      {R"({"iss":"i","aud":"a","exp":1700000100,"nbf":1700000060})", JwtVerdict::kOk},
      {R"({"iss":"i","aud":"a","exp":1700000100,"nbf":1700000061})", JwtVerdict::kNotYetValid},
      {R"({"iss":"i","aud":"a","exp":9223372036854775807})", JwtVerdict::kOk},
      {R"({"iss":"i","aud":"a","exp":9223372036854775808})", JwtVerdict::kMalformed},
      {R"({"iss":"i","aud":"a","exp":-1})", JwtVerdict::kMalformed},
      {R"({"iss":"i","aud":"a","exp":"1700000100"})", JwtVerdict::kMalformed},
      {R"({"iss":1,"aud":"a","exp":1700000100})", JwtVerdict::kMalformed},
      {R"({"iss":"i","aud":[1],"exp":1700000100})", JwtVerdict::kMalformed},
      {R"([])", JwtVerdict::kMalformed},
      {R"({"iss":"i","iss":"i","aud":"a","exp":1700000100})", JwtVerdict::kMalformed},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(Check(signer.Sign(row.claims), *keys, required), row.verdict) << row.claims;
  }
  EXPECT_EQ(Check(signer.Sign(R"({"exp":1700000000})"), *keys, {.clock_skew = Duration()}),
            JwtVerdict::kExpired);
  EXPECT_EQ(Check(signer.Sign("{}"), *keys, {.expiry_required = false}), JwtVerdict::kOk);
}

TEST(Jwt, HeadersDecide) {
  const TestSigner signer("k");
  const auto keys = Jwks::Parse(signer.Jwks());
  ASSERT_TRUE(keys.ok());
  struct Row {
    const char* header;
    JwtVerdict verdict;
  };
  const Row kRows[] = {
      {R"({"alg":"ES256"})", JwtVerdict::kOk},
      {R"({"alg":"ES256","kid":"k","typ":"JWT"})", JwtVerdict::kOk},
      {R"({"alg":"ES256","kid":"other"})", JwtVerdict::kNoKey},
      {R"({"alg":"ES384","kid":"k"})", JwtVerdict::kNoKey},
      {R"({"alg":"none","kid":"k"})", JwtVerdict::kAlgorithmNotAllowed},
      {R"({"alg":"HS256","kid":"k"})", JwtVerdict::kAlgorithmNotAllowed},
      {R"({"alg":"es256","kid":"k"})", JwtVerdict::kAlgorithmNotAllowed},
      {R"({"kid":"k"})", JwtVerdict::kMalformed},
      {R"({"alg":1})", JwtVerdict::kMalformed},
      {R"({"alg":"ES256","kid":1})", JwtVerdict::kMalformed},
      {R"({"alg":"ES256","crit":["b64"],"b64":false})", JwtVerdict::kMalformed},
      {R"([])", JwtVerdict::kMalformed},
      {"", JwtVerdict::kMalformed},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(Check(signer.Sign(row.header, R"({"exp":1700000100})"), *keys, {}), row.verdict)
        << row.header;
  }
}

TEST(Jwt, FormIsStrict) {
  const TestSigner signer("k");
  const std::string good = signer.Sign(R"({"exp":1700000100})");
  Jwt token;
  EXPECT_EQ(ParseJwt(good, &token), JwtVerdict::kOk);
  EXPECT_EQ(ParseJwt("", &token), JwtVerdict::kMissing);
  const size_t dot = good.rfind('.');
  for (const std::string& bad :
       {std::string("a"), std::string(".."), good + ".", good + "=", " " + good,
        good.substr(0, dot), good.substr(0, dot + 1), good.substr(good.find('.'))}) {
    EXPECT_EQ(ParseJwt(bad, &token), JwtVerdict::kMalformed) << bad;
  }
  const std::string padding(limits::kJwtBytesMax, 'A');
  EXPECT_EQ(ParseJwt(good + padding, &token), JwtVerdict::kMalformed);
}

// Goal: a token without a name is not checked against a whole set of keys.
TEST(Jwt, TriesAreBounded) {
  const TestSigner wanted("wanted"), other("other");
  const auto check = [&](int before) {
    std::string set = R"({"keys":[)";
    for (int i = 0; i < before; ++i) AppendTo(&set, other.Jwk(), ",");
    const auto keys = Jwks::Parse(Cat(set, wanted.Jwk(), "]}"));
    return Check(wanted.Sign(R"({"alg":"ES256"})", R"({"exp":1700000100})"), *keys, {});
  };
  EXPECT_EQ(check(limits::kJwtKeyTriesMax - 1), JwtVerdict::kOk);
  EXPECT_EQ(check(limits::kJwtKeyTriesMax), JwtVerdict::kBadSignature);
}

}  // namespace
}  // namespace meltemi::policy
