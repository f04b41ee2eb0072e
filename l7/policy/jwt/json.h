// A strict JSON reader (RFC 8259) for tokens and key sets: hostile input. Refuses what lenient
// readers accept and two readers may read differently: duplicate names, text behind the value, bad
// UTF-8, NUL in names. Pure; bounded by limits::kJsonDepthMax and kJsonNodesMax.
#ifndef MELTEMI_L7_POLICY_JWT_JSON_H_
#define MELTEMI_L7_POLICY_JWT_JSON_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace meltemi::policy {

class Json {
 public:
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  using Members = std::vector<std::pair<std::string, Json>>;

  static absl::StatusOr<Json> Parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool IsObject() const { return kind_ == Kind::kObject; }

  // The member of that name; null when this is no object or has none.
  const Json* Find(std::string_view name) const;
  // Find along a path; null where it ends early.
  const Json* Find(std::initializer_list<std::string_view> path) const;

  // The value when it is of that kind.
  std::optional<bool> AsBool() const;
  std::optional<double> AsNumber() const;
  // A number's whole part when it fits: RFC 7519 allows fractions of seconds in dates.
  std::optional<int64_t> AsInteger() const;
  const std::string* AsString() const;

  // Shorthands for members: empty when absent or of another kind.
  std::string StringOf(std::string_view name) const;

  const std::vector<Json>& items() const { return items_; }  // of an array
  const Members& members() const { return members_; }        // of an object, as written
  const std::string& text() const { return text_; }          // a string's value, a number's digits

 private:
  friend class JsonParser;
  Kind kind_ = Kind::kNull;
  bool bool_ = false;
  std::string text_;
  std::vector<Json> items_;
  Members members_;
};

// The text as a JSON string, in its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace meltemi::policy

#endif  // MELTEMI_L7_POLICY_JWT_JSON_H_
