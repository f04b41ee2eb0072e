#include "l7/policy/jwt/json.h"

#include <gtest/gtest.h>

#include "l7/base/limits.h"
#include "l7/base/text.h"
#include "l7/policy/jwt/base64url.h"

namespace meltemi::policy {
namespace {

TEST(Json, RefusesWhatIsNotStrict) {
  // Goal: each text is refused. Method: a table; every row breaks one rule.
  const std::string_view kBad[] = {
      "",
      " ",
      "{",
      "[1,]",
      "{\"a\":1,}",
      "{'a':1}",
      "{a:1}",
      "{\"a\" 1}",
      "{\"a\":1}x",
      "{} {}",
      "{\"a\":1,\"a\":2}",
      "{\"a\":1,\"\\u0061\":2}",
      "01",
      "+1",
      ".5",
      "1.",
      "1e",
      "-",
      "NaN",
      "nul",
      "True",
      "\"a",
      "\"\n\"",
      "\"\\x\"",
      "\"\\u12g4\"",
      "\"\\u12\"",
      "\"\\ud800\"",
      "\"\\ud800\\u0041\"",
      "\"\\udc00\"",
      "\"\xff\"",
      "\"\xc0\x80\"",
      "\"\xed\xa0\x80\"",
      "\"\xf4\x90\x80\x80\"",
      "\"\xe2\x82\"",
      "{\"a\\u0000\":1}",
      "/**/1",
  };
  for (const std::string_view text : kBad) EXPECT_FALSE(Json::Parse(text).ok()) << text;
}

TEST(Json, ReadsEveryKind) {
  const auto json =
      Json::Parse(R"( {"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","n":-1.5e3,"i":9007199254740993,)"
                  R"("t":true,"f":false,"z":null,"a":[1,[],{}],"o":{"p":{"q":"r"}}} )");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->StringOf("s"), "a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(json->Find("n")->AsNumber(), -1500.0);
  EXPECT_EQ(json->Find("n")->AsInteger(), -1500);
  EXPECT_EQ(json->Find("i")->AsInteger(), 9007199254740993);  // exact, where a double is not
  EXPECT_EQ(json->Find("t")->AsBool(), true);
  EXPECT_EQ(json->Find("f")->AsBool(), false);
  EXPECT_EQ(json->Find("z")->kind(), Json::Kind::kNull);
  EXPECT_EQ(json->Find("a")->items().size(), 3u);
  ASSERT_NE(json->Find({"o", "p", "q"}), nullptr);
  EXPECT_EQ(json->Find({"o", "x", "q"}), nullptr);
  EXPECT_EQ(json->Find("s")->AsNumber(), std::nullopt);
  EXPECT_EQ(Json::Parse("1e999")->AsNumber(), std::nullopt);
  EXPECT_EQ(Json::Parse("1e300")->AsInteger(), std::nullopt);
}

TEST(Json, DepthAndCountAreBounded) {
  const auto nested = [](int depth) {
    return Json::Parse(std::string(depth, '[') + std::string(depth, ']')).ok();
  };
  EXPECT_TRUE(nested(limits::kJsonDepthMax));
  EXPECT_TRUE(nested(limits::kJsonDepthMax + 1));  // the root is at depth 0
  EXPECT_FALSE(nested(limits::kJsonDepthMax + 2));
  const auto many = [](int values) {
    std::string text = "[";
    for (int i = 0; i < values - 1; ++i) text += i == 0 ? "1" : ",1";
    return Json::Parse(text + "]").ok();
  };
  EXPECT_TRUE(many(limits::kJsonNodesMax - 1));
  EXPECT_TRUE(many(limits::kJsonNodesMax));
  EXPECT_FALSE(many(limits::kJsonNodesMax + 1));
}

TEST(Json, QuotesWhatItReadsBack) {
  const std::string text = std::string("a\"\\\n\t\0\x7f", 7) + "\xc3\xa9";
  const auto json = Json::Parse(JsonQuote(text));
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->text(), text);
  EXPECT_EQ(JsonQuote("\xff"), "\"\xef\xbf\xbd\"");
}

TEST(Base64Url, HasOneSpelling) {
  for (const std::string_view bytes : {"", "f", "fo", "foo", "foob", "\xff\xfe\xfd"}) {
    EXPECT_EQ(Base64UrlDecode(Base64UrlEncode(bytes)), bytes);
  }
  EXPECT_EQ(Base64UrlEncode("foob"), "Zm9vYg");
  for (const std::string_view bad : {"Zg==", "Zh", "Z", "Zm9v\n", "Z+", "Z/", "Zm9vY", "é"}) {
    EXPECT_EQ(Base64UrlDecode(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace meltemi::policy
