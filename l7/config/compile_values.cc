#include <algorithm>

#include "absl/strings/ascii.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

// Longer waits than this are a mistake, and nanoseconds in 64 bits have room for them.
constexpr int64_t kDurationSecondsMax = 100LL * 365 * 24 * 3600;

}  // namespace

uint32_t FindCluster(const CompileContext& context, const std::string& name) {
  const auto found = context.snapshot->cluster_by_name.find(name);
  return found == context.snapshot->cluster_by_name.end() ? kNoIndex : found->second;
}

absl::StatusOr<Duration> CompileDuration(const google::protobuf::Duration& from) {
  if (from.seconds() < 0 || from.nanos() < 0) return Invalid("", "must not be negative");
  if (from.nanos() > 999'999'999) return Invalid("nanos", "must be below 1000000000");
  if (from.seconds() > kDurationSecondsMax) return Invalid("", "must be at most 100 years");
  return Duration::Seconds(from.seconds()) + Duration::Nanos(from.nanos());
}

absl::StatusOr<std::optional<Fraction>> CompileFraction(
    const envoy::type::v3::FractionalPercent& from) {
  Fraction fraction;
  switch (from.denominator()) {
    case envoy::type::v3::FractionalPercent::HUNDRED:
      fraction.denominator = 100;
      break;
    case envoy::type::v3::FractionalPercent::TEN_THOUSAND:
      fraction.denominator = 10'000;
      break;
    case envoy::type::v3::FractionalPercent::MILLION:
      fraction.denominator = 1'000'000;
      break;
    default:  // open enum of proto3: any number can arrive
      return Invalid("denominator", Cat(from.denominator(), " is not known"));
  }
  if (from.numerator() > fraction.denominator) {
    return Invalid("numerator",
                   Cat(from.numerator(), " is above the denominator ", fraction.denominator));
  }
  fraction.numerator = from.numerator();
  if (fraction.numerator == 0) return std::optional<Fraction>();
  return std::optional<Fraction>(fraction);
}

absl::StatusOr<SockAddr> CompileAddress(const envoy::config::core::v3::Address& from,
                                        envoy::config::core::v3::SocketAddress::Protocol wanted,
                                        uint32_t port_min) {
  if (!from.has_socket_address()) return Invalid("socket_address", "must be set");
  const auto& socket = from.socket_address();
  if (socket.protocol() != wanted) {
    return Invalid("socket_address.protocol", wanted == envoy::config::core::v3::SocketAddress::TCP
                                                  ? "must be TCP here"
                                                  : "must be UDP here");
  }
  const std::optional<IpAddr> ip = IpAddr::Parse(socket.address());
  if (!ip.has_value()) {
    return Invalid("socket_address.address",
                   Cat("\"", socket.address(), "\" is not an IP address"));
  }
  if (socket.port_value() < port_min || socket.port_value() > 65535) {
    return Invalid("socket_address.port_value",
                   Cat(socket.port_value(), " is not in ", port_min, "..65535"));
  }
  return SockAddr{*ip, static_cast<uint16_t>(socket.port_value())};
}

absl::StatusOr<IpPrefix> CompilePrefix(const envoy::config::core::v3::CidrRange& from) {
  const std::string text = Cat(from.address_prefix(), "/", from.prefix_len().value());
  const std::optional<IpPrefix> prefix = IpPrefix::Parse(text);
  if (!prefix.has_value()) return Invalid("", Cat("\"", text, "\" is not an address prefix"));
  return *prefix;
}

absl::StatusOr<std::unique_ptr<const RE2>> CompileRegex(
    const envoy::type::matcher::v3::RegexMatcher& from) {
  if (from.regex().empty()) return Invalid("regex", "must not be empty");
  RE2::Options options;
  options.set_log_errors(false);
  auto regex = std::make_unique<const RE2>(from.regex(), options);
  if (!regex->ok()) return Invalid("regex", regex->error());
  return regex;
}

absl::StatusOr<StringMatch> CompileString(const envoy::type::matcher::v3::StringMatcher& from) {
  using From = envoy::type::matcher::v3::StringMatcher;
  StringMatch to;
  const auto not_empty = [](std::string_view field, const std::string& value) {
    return value.empty() ? Invalid(field, "must not be empty") : absl::OkStatus();
  };
  switch (from.match_pattern_case()) {
    case From::kExact:
      to.kind = StringMatch::Kind::kExact;
      to.value = from.exact();
      break;
    case From::kPrefix:
      RETURN_IF_ERROR(not_empty("prefix", from.prefix()));
      to.kind = StringMatch::Kind::kPrefix;
      to.value = from.prefix();
      break;
    case From::kSuffix:
      RETURN_IF_ERROR(not_empty("suffix", from.suffix()));
      to.kind = StringMatch::Kind::kSuffix;
      to.value = from.suffix();
      break;
    case From::kContains:
      RETURN_IF_ERROR(not_empty("contains", from.contains()));
      to.kind = StringMatch::Kind::kContains;
      to.value = from.contains();
      break;
    case From::kSafeRegex: {
      to.kind = StringMatch::Kind::kRegex;
      to.value = from.safe_regex().regex();
      ASSIGN_OR_RETURN_AT(to.regex, "safe_regex", CompileRegex(from.safe_regex()));
      return to;
    }
    case From::kCustom:
      return Invalid("custom", "not supported");
    case From::MATCH_PATTERN_NOT_SET:
      return Invalid("", "one of exact, prefix, suffix, contains, safe_regex must be set");
  }
  to.ignore_case = from.ignore_case();
  if (to.ignore_case) to.value = absl::AsciiStrToLower(to.value);
  return to;
}

std::string_view TypeName(const google::protobuf::Any& any) {
  const std::string_view url = any.type_url();
  return url.substr(url.rfind('/') + 1);  // npos + 1 is 0
}

absl::Status CheckRawBuffer(const envoy::config::core::v3::TransportSocket& socket) {
  constexpr std::string_view kType = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
  const bool raw = socket.has_typed_config()
                       ? TypeName(socket.typed_config()) == kType
                       : socket.name() == "envoy.transport_sockets.raw_buffer";
  if (raw) return absl::OkStatus();
  return Invalid("", Cat("\"", socket.name(), "\" is not supported"));
}

absl::Status Unpack(const FieldTable& fields, const google::protobuf::Any& any,
                    google::protobuf::Message* to) {
  if (!any.UnpackTo(to)) {
    return Invalid("", Cat("is not a valid ", to->GetDescriptor()->full_name()));
  }
  return fields.Check(*to);
}

}  // namespace meltemi::config
