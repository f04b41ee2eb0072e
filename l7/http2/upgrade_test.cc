// HTTP2-Settings.
#include "l7/http2/upgrade.h"

#include <string>

#include "gtest/gtest.h"
#include "l7/http2/frame.h"

namespace meltemi::http2 {
namespace {

TEST(SettingsHeader, IsThePayloadOfSettings) {
  std::string payload;
  // What curl sends: MAX_CONCURRENT_STREAMS 100, INITIAL_WINDOW_SIZE 32 MiB, ENABLE_PUSH 0.
  ASSERT_TRUE(DecodeSettingsHeader("AAMAAABkAAQCAAAAAAIAAAAA", &payload));
  EXPECT_EQ(payload, std::string("\0\3\0\0\0\x64\0\4\2\0\0\0\0\2\0\0\0\0", 18));
  ASSERT_TRUE(DecodeSettingsHeader("", &payload));
  EXPECT_EQ(payload, "");
}

// Goal: what is no such payload is refused. Method: rows; the last two at the bound and above it.
TEST(SettingsHeader, RefusesWhatIsNone) {
  const struct {
    const char* name;
    std::string value;
    bool ok;
  } kRows[] = {
      {"not base64", "AAMAAAB!", false},
      {"blanks", "AAMA AABk", false},
      {"padding", "AAMAAABkAAQCAAAAAAIAAAAA====", false},
      {"the other alphabet", "++++////", false},
      {"its own", "--------", true},
      {"half a setting", "AAMA", false},
      {"a loose digit", "AAMAAABkA", false},
      {"as many as there may be", std::string(kSettingsMax * kSettingBytes / 3 * 4, 'A'), true},
      {"one more", std::string((kSettingsMax + 1) * kSettingBytes / 3 * 4, 'A'), false},
  };
  for (const auto& row : kRows) {
    std::string payload;
    EXPECT_EQ(DecodeSettingsHeader(row.value, &payload), row.ok) << row.name;
  }
}

}  // namespace
}  // namespace meltemi::http2
