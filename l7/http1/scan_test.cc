#include "l7/http1/scan.h"

#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::http1 {
namespace {

// Exactly sized on the heap, so that a sanitizer sees a read past the end.
class Exact {
 public:
  explicit Exact(const std::string& text) : bytes_(text.begin(), text.end()) {}
  char* begin() { return bytes_.data(); }
  char* end() { return bytes_.data() + bytes_.size(); }

 private:
  std::vector<char> bytes_;
};

// Goal: the wide steps and the tail find the same byte as a plain loop. Method: each byte value at
// each place of texts of each length.
TEST(Scan, FindsEachByteAtEachPlace) {
  for (int c = 0; c < 256; ++c) {
    const bool ends_value = (c < 0x20 && c != '\t') || c == 0x7f;
    const bool ends_target = c <= ' ' || c >= 0x7f;
    for (size_t size = 1; size < 70; size += 3) {
      for (size_t at = 0; at < size; ++at) {
        std::string text(size, 'a');
        text[at] = static_cast<char>(c);
        Exact exact(text);
        ASSERT_EQ(FindValueEnd(exact.begin(), exact.end()) - exact.begin(),
                  static_cast<ptrdiff_t>(ends_value ? at : size))
            << c << " " << at << " " << size;
        ASSERT_EQ(FindTargetEnd(exact.begin(), exact.end()) - exact.begin(),
                  static_cast<ptrdiff_t>(ends_target ? at : size))
            << c << " " << at << " " << size;
      }
    }
  }
}

TEST(Scan, FindsTheEndOfAHeadAsAPlainSearchDoes) {
  Prng prng(1);
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (size_t n = prng.Below(120); n > 0; --n)
      text += "\r\n\r\nab"[prng.Below(prng.Chance(1, 2) ? 6 : 2)];
    Exact exact(text);
    const size_t at = text.find("\r\n\r\n");
    const char* found = FindHeadEnd(exact.begin(), exact.end());
    if (at == std::string::npos) {
      ASSERT_EQ(found, nullptr);
    } else {
      ASSERT_EQ(found - exact.begin(), static_cast<ptrdiff_t>(at + 4));
    }
  }
}

TEST(HeadScan, StopsAtTheEndAndAtWhatNoHeadHolds) {
  struct Row {
    const char* text;
    HeadScan::Found found;
    size_t at;  // bytes taken
  };
  const Row rows[] = {
      {"a: b\r\n\r\nx", HeadScan::Found::kEnd, 8},   {"a\tb\x80", HeadScan::Found::kNothing, 4},
      {"a\n", HeadScan::Found::kBareLineEnd, 2},     {"a\rb", HeadScan::Found::kBareLineEnd, 3},
      {"a\r\r\n", HeadScan::Found::kBareLineEnd, 3}, {"a\r\n\n", HeadScan::Found::kBareLineEnd, 4},
      {"\x16\x03", HeadScan::Found::kControl, 1},    {"a\x7f", HeadScan::Found::kControl, 2},
      {"a\r\x01", HeadScan::Found::kBareLineEnd, 3}};
  for (const Row& row : rows) {
    HeadScan scan;
    HeadScan::Found found = HeadScan::Found::kNothing;
    size_t at = 0;
    while (at < std::strlen(row.text) && found == HeadScan::Found::kNothing) {
      found = scan.Step(row.text[at++]);
    }
    EXPECT_EQ(found, row.found) << row.text;
    EXPECT_EQ(at, row.at) << row.text;
  }
}

}  // namespace
}  // namespace meltemi::http1
