#include "l7/policy/jwt/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::policy {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | code >> 6));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | code >> 12));
    out->push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | code >> 18));
    out->push_back(static_cast<char>(0x80 | (code >> 12 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

// The length of the well-formed UTF-8 sequence the text begins with (RFC 3629 section 4); 0: none.
size_t Utf8Length(std::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const auto tail = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const uint8_t a = at(0), b = at(1);
  if (a < 0x80) return 1;
  if (a >= 0xc2 && a <= 0xdf) return tail(1) ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    const bool overlong = a == 0xe0 && b < 0xa0;
    const bool surrogate = a == 0xed && b > 0x9f;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    const bool outside = (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f);
    return tail(1) && tail(2) && tail(3) && !outside ? 4 : 0;
  }
  return 0;
}

}  // namespace

// Recursive descent, as deep as kJsonDepthMax.
class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  absl::StatusOr<Json> Parse() {
    Json root;
    if (Value(0, &root) && (Space(), at_ != text_.size())) Fail("text behind the value");
    if (error_ == nullptr) return root;
    return absl::InvalidArgumentError(Cat("JSON: ", error_, " at byte ", at_));
  }

 private:
  bool Fail(const char* what) {
    if (error_ == nullptr) error_ = what;
    return false;
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void Space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool Take(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool Word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return Fail("no value");
    at_ += word.size();
    return true;
  }

  bool Value(int depth, Json* out) {
    if (depth > limits::kJsonDepthMax) return Fail("nested too deep");
    if (++nodes_ > limits::kJsonNodesMax) return Fail("too many values");
    Space();
    switch (Peek()) {
      case '{':
        return Object(depth, out);
      case '[':
        return Array(depth, out);
      case '"':
        out->kind_ = Json::Kind::kString;
        return String(&out->text_);
      case 't':
        out->kind_ = Json::Kind::kBool;
        out->bool_ = true;
        return Word("true");
      case 'f':
        out->kind_ = Json::Kind::kBool;
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number(out);
    }
  }

  bool Object(int depth, Json* out) {
    out->kind_ = Json::Kind::kObject;
    ++at_;
    if (Take('}')) return true;
    do {
      Space();
      std::string name;
      if (Peek() != '"') return Fail("a member without a name");
      if (!String(&name)) return false;
      if (name.find('\0') != std::string::npos) return Fail("NUL in a name");
      if (!Take(':')) return Fail("a name without a colon");
      out->members_.emplace_back(std::move(name), Json());
      if (!Value(depth + 1, &out->members_.back().second)) return false;
    } while (Take(','));
    if (!Take('}')) return Fail("an object without an end");
    return Unique(out->members_);
  }

  bool Unique(const Json::Members& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& [name, value] : members) names.push_back(name);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) == names.end()) return true;
    return Fail("a name given twice");
  }

  bool Array(int depth, Json* out) {
    out->kind_ = Json::Kind::kArray;
    ++at_;
    if (Take(']')) return true;
    do {
      out->items_.emplace_back();
      if (!Value(depth + 1, &out->items_.back())) return false;
    } while (Take(','));
    return Take(']') || Fail("an array without an end");
  }

  bool String(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<uint8_t>(c) < 0x20) return Fail("a control character in a string");
      if (c == '\\') {
        if (!Escape(out)) return false;
        continue;
      }
      const size_t length = Utf8Length(text_.substr(at_));
      if (length == 0) return Fail("not UTF-8");
      out->append(text_.substr(at_, length));
      at_ += length;
    }
    return Fail("a string without an end");
  }

  bool Escape(std::string* out) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt";
    static constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    ++at_;
    const char letter = Peek();
    if (const size_t i = kLetters.find(letter); letter != '\0' && i != std::string_view::npos) {
      ++at_;
      out->push_back(kMeaning[i]);
      return true;
    }
    uint32_t code = 0;
    if (letter != 'u' || !Hex4(&code)) return Fail("an unknown escape");
    if (code >= 0xdc00 && code <= 0xdfff) return Fail("half a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
      uint32_t low = 0;
      if (Peek() != '\\' || (++at_, Peek() != 'u') || !Hex4(&low) || low < 0xdc00 || low > 0xdfff) {
        return Fail("half a surrogate pair");
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    AppendUtf8(code, out);
    return true;
  }

  // Of "uXXXX".
  bool Hex4(uint32_t* code) {
    const std::string_view digits = text_.substr(at_ + 1, 4);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), *code, 16);
    if (digits.size() != 4 || read.ec != std::errc() || read.ptr != digits.data() + 4) return false;
    at_ += 5;
    return true;
  }

  bool Number(Json* out) {
    const size_t begin = at_;
    if (Peek() == '-') ++at_;
    if (!IsDigit(Peek())) return Fail("no value");
    if (Peek() == '0') {
      ++at_;
    } else {
      Digits();
    }
    if (Peek() == '.') {
      ++at_;
      if (!IsDigit(Peek())) return Fail("a bad number");
      Digits();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!IsDigit(Peek())) return Fail("a bad number");
      Digits();
    }
    out->kind_ = Json::Kind::kNumber;
    out->text_ = std::string(text_.substr(begin, at_ - begin));
    return true;
  }
  void Digits() {
    while (IsDigit(Peek())) ++at_;
  }

  const std::string_view text_;
  size_t at_ = 0;
  int nodes_ = 0;
  const char* error_ = nullptr;
};

absl::StatusOr<Json> Json::Parse(std::string_view text) { return JsonParser(text).Parse(); }

const Json* Json::Find(std::string_view name) const {
  for (const auto& [key, value] : members_) {
    if (key == name) return &value;
  }
  return nullptr;
}

const Json* Json::Find(std::initializer_list<std::string_view> path) const {
  const Json* at = this;
  for (const std::string_view name : path) {
    if (at == nullptr) return nullptr;
    at = at->Find(name);
  }
  return at;
}

std::optional<bool> Json::AsBool() const {
  if (kind_ != Kind::kBool) return std::nullopt;
  return bool_;
}

std::optional<double> Json::AsNumber() const {
  if (kind_ != Kind::kNumber) return std::nullopt;
  double value = 0;
  const auto read = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (read.ec != std::errc()) return std::nullopt;  // out of a double's range
  return value;
}

std::optional<int64_t> Json::AsInteger() const {
  if (kind_ != Kind::kNumber) return std::nullopt;
  int64_t whole = 0;
  const auto read = std::from_chars(text_.data(), text_.data() + text_.size(), whole);
  if (read.ec == std::errc() && read.ptr == text_.data() + text_.size()) return whole;
  const std::optional<double> number = AsNumber();
  if (!number || !(std::abs(*number) < 0x1p62)) return std::nullopt;
  return static_cast<int64_t>(*number);
}

const std::string* Json::AsString() const { return kind_ == Kind::kString ? &text_ : nullptr; }

std::string Json::StringOf(std::string_view name) const {
  const Json* member = Find(name);
  return member != nullptr && member->kind_ == Kind::kString ? member->text_ : std::string();
}

std::string JsonQuote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    const char c = text[0];
    const size_t length = Utf8Length(text);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      out += {'\\', 'u', '0', '0', kHex[static_cast<uint8_t>(c) >> 4], kHex[c & 0xf]};
    } else if (length == 0) {
      out += "\xef\xbf\xbd";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out + "\"";
}

}  // namespace meltemi::policy
