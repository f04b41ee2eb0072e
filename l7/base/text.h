// Text helpers. Debian's Abseil is built with its own absl::string_view, a type apart from
// std::string_view: Cat() joins std types, Abs() converts where an Abseil function wants its own.
#ifndef MELTEMI_L7_BASE_TEXT_H_
#define MELTEMI_L7_BASE_TEXT_H_

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace meltemi {

inline absl::string_view Abs(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view Std(absl::string_view s) { return {s.data(), s.size()}; }

inline void AppendOne(std::string* out, std::string_view s) { out->append(s); }
inline void AppendOne(std::string* out, absl::string_view s) { out->append(s.data(), s.size()); }
inline void AppendOne(std::string* out, const std::string& s) { out->append(s); }
inline void AppendOne(std::string* out, const char* s) { out->append(s); }
inline void AppendOne(std::string* out, char c) { out->push_back(c); }
template <typename T>
requires(std::integral<T> || std::floating_point<T>) void AppendOne(std::string* out, T number) {
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof(digits), number);
  out->append(digits, result.ptr);
}
// Enums (of protobuf, for messages) by their number.
template <typename T>
requires(std::is_enum_v<T>) void AppendOne(std::string* out, T value) {
  AppendOne(out, static_cast<int64_t>(value));
}
inline void AppendOne(std::string* out, bool value) { out->append(value ? "true" : "false"); }

// Appends all arguments: strings of any kind, characters, integers, floating point (shortest form).
template <typename... Args>
void AppendTo(std::string* out, const Args&... args) {
  (AppendOne(out, args), ...);
}
template <typename... Args>
std::string Cat(const Args&... args) {
  std::string out;
  AppendTo(&out, args...);
  return out;
}

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_TEXT_H_
