// Case folding and numbers on std::string_view, beside l7/base/text.h.
//
// Pure functions, any thread.
#ifndef MELTEMI_L7_ROUTE_TEXT_H_
#define MELTEMI_L7_ROUTE_TEXT_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meltemi::text {

inline char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

inline std::string ToLower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = Lower(c);
  return out;
}

// The whole of `s` is one decimal number.
inline std::optional<int64_t> ParseInt(std::string_view s) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (s.empty() || error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return value;
}

}  // namespace meltemi::text

#endif  // MELTEMI_L7_ROUTE_TEXT_H_
