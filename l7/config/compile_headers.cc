#include "absl/strings/ascii.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

// RFC 9110 5.6.2
bool TokenChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// RFC 9110 5.5, without the obsolete line folding.
bool ValueChar(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x20 ? u != 0x7f : c == '\t';
}

StringMatch Literal(StringMatch::Kind kind, const std::string& value) {
  StringMatch to;
  to.kind = kind;
  to.value = value;
  return to;
}

// The pseudo-headers may be matched, not changed.
absl::Status CheckMatchName(const std::string& name) {
  if (name.size() > 1 && name.front() == ':') return CheckHeaderName(name.substr(1));
  return CheckHeaderName(name);
}

// "%%" is a percent sign; command operators are not implemented here.
absl::StatusOr<std::string> CompileHeaderValue(const std::string& from) {
  std::string to;
  for (size_t i = 0; i < from.size(); ++i) {
    if (!ValueChar(from[i])) return Invalid("", "has a character that no header may hold");
    if (from[i] == '%') {
      if (i + 1 == from.size() || from[i + 1] != '%') {
        return Invalid("", "command operators are not supported");
      }
      ++i;
    }
    to.push_back(from[i]);
  }
  return to;
}

absl::StatusOr<HeaderAdd::Mode> CompileMode(
    const envoy::config::core::v3::HeaderValueOption& from) {
  using From = envoy::config::core::v3::HeaderValueOption;
  if (from.has_append()) {  // the deprecated spelling
    if (from.append_action() != From::APPEND_IF_EXISTS_OR_ADD) {
      return Invalid("append", "must not be set together with append_action");
    }
    return from.append().value() ? HeaderAdd::Mode::kAppendOrAdd : HeaderAdd::Mode::kOverwriteOrAdd;
  }
  switch (from.append_action()) {
    case From::APPEND_IF_EXISTS_OR_ADD:
      return HeaderAdd::Mode::kAppendOrAdd;
    case From::ADD_IF_ABSENT:
      return HeaderAdd::Mode::kAddIfAbsent;
    case From::OVERWRITE_IF_EXISTS_OR_ADD:
      return HeaderAdd::Mode::kOverwriteOrAdd;
    case From::OVERWRITE_IF_EXISTS:
      return HeaderAdd::Mode::kOverwriteIfExists;
    default:  // open enum of proto3
      return Invalid("append_action", Cat(from.append_action(), " is not known"));
  }
}

absl::Status CheckMutableName(const std::string& name) {
  RETURN_IF_ERROR(CheckHeaderName(name));
  if (absl::AsciiStrToLower(name) == "host") return Invalid("", "host must not be changed");
  return absl::OkStatus();
}

absl::StatusOr<HeaderAdd> CompileHeaderAdd(const envoy::config::core::v3::HeaderValueOption& from) {
  RETURN_IF_ERROR_AT("header.key", CheckMutableName(from.header().key()));
  HeaderAdd to;
  to.name = absl::AsciiStrToLower(from.header().key());
  ASSIGN_OR_RETURN_AT(to.value, "header.value", CompileHeaderValue(from.header().value()));
  auto mode = CompileMode(from);
  if (!mode.ok()) return mode.status();
  to.mode = *mode;
  return to;
}

}  // namespace

absl::StatusOr<HeaderMatch> CompileHeaderMatch(
    const envoy::config::route::v3::HeaderMatcher& from) {
  using From = envoy::config::route::v3::HeaderMatcher;
  RETURN_IF_ERROR_AT("name", CheckMatchName(from.name()));
  HeaderMatch to;
  to.name = absl::AsciiStrToLower(from.name());
  to.invert = from.invert_match();
  to.missing_is_empty = from.treat_missing_header_as_empty();
  to.kind = HeaderMatch::Kind::kString;
  switch (from.header_match_specifier_case()) {
    case From::kExactMatch:
      to.string = Literal(StringMatch::Kind::kExact, from.exact_match());
      break;
    case From::kPrefixMatch:
      to.string = Literal(StringMatch::Kind::kPrefix, from.prefix_match());
      break;
    case From::kSuffixMatch:
      to.string = Literal(StringMatch::Kind::kSuffix, from.suffix_match());
      break;
    case From::kContainsMatch:
      to.string = Literal(StringMatch::Kind::kContains, from.contains_match());
      break;
    case From::kSafeRegexMatch: {
      to.string = Literal(StringMatch::Kind::kRegex, from.safe_regex_match().regex());
      ASSIGN_OR_RETURN_AT(to.string.regex, "safe_regex_match",
                          CompileRegex(from.safe_regex_match()));
      break;
    }
    case From::kStringMatch: {
      ASSIGN_OR_RETURN_AT(to.string, "string_match", CompileString(from.string_match()));
      break;
    }
    case From::kRangeMatch:
      to.kind = HeaderMatch::Kind::kRange;
      to.range_begin = from.range_match().start();
      to.range_end = from.range_match().end();
      if (to.range_begin >= to.range_end) return Invalid("range_match", "must not be empty");
      break;
    case From::kPresentMatch:
      to.kind = HeaderMatch::Kind::kPresent;
      if (!from.present_match()) to.invert = !to.invert;
      break;
    case From::HEADER_MATCH_SPECIFIER_NOT_SET:
      to.kind = HeaderMatch::Kind::kPresent;
      break;
  }
  return to;
}

absl::Status CheckHeaderName(const std::string& name) {
  if (name.empty()) return Invalid("", "must not be empty");
  for (char c : name) {
    if (!TokenChar(c)) return Invalid("", Cat("\"", name, "\" is not a header name"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HeaderMatch>> CompileHeaderMatches(const HeaderMatchers& from) {
  std::vector<HeaderMatch> to;
  to.reserve(from.size());
  for (int i = 0; i < from.size(); ++i) {
    ASSIGN_OR_RETURN_AT(to.emplace_back(), Indexed("headers", i), CompileHeaderMatch(from[i]));
  }
  return to;
}

absl::Status CompileHeaderAdds(std::string_view field, const HeaderOptions& from,
                               std::vector<HeaderAdd>* to) {
  to->reserve(from.size());
  for (int i = 0; i < from.size(); ++i) {
    ASSIGN_OR_RETURN_AT(HeaderAdd add, Indexed(field, i), CompileHeaderAdd(from[i]));
    // Envoy leaves out a header without value unless told otherwise.
    if (add.value.empty() && !from[i].keep_empty_value()) continue;
    to->push_back(std::move(add));
  }
  return absl::OkStatus();
}

absl::Status CompileHeaderRemoves(std::string_view field, const HeaderNames& from,
                                  std::vector<std::string>* to) {
  to->reserve(from.size());
  for (int i = 0; i < from.size(); ++i) {
    RETURN_IF_ERROR_AT(Indexed(field, i), CheckMutableName(from[i]));
    to->push_back(absl::AsciiStrToLower(from[i]));
  }
  return absl::OkStatus();
}

}  // namespace meltemi::config
