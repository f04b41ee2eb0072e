#include "l7/proxy_protocol/proxy_header.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::proxy_protocol {
namespace {

constexpr std::string_view kV1Start = "PROXY ";
constexpr size_t kV1Max = 107;
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kV2Fixed = 16;  // signature, version and command, family, length
constexpr uint8_t kLocal = 0x20, kProxy = 0x21;
constexpr uint8_t kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21;

uint8_t Byte(std::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

uint16_t Short(std::string_view bytes, size_t i) {
  return static_cast<uint16_t>(Byte(bytes, i) << 8 | Byte(bytes, i + 1));
}

// Decimal, without sign and leading zeros.
bool ReadPort(std::string_view text, uint16_t* port) {
  uint32_t number = 0;
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  *port = static_cast<uint16_t>(number);
  return number <= UINT16_MAX;
}

bool ReadAddress(std::string_view text, bool v4, IpAddr* address) {
  const std::optional<IpAddr> parsed = IpAddr::Parse(text);
  if (!parsed.has_value() || (v4 && !parsed->v4())) return false;
  if (!v4 && text.find(':') == std::string_view::npos) return false;
  *address = *parsed;
  return true;
}

// `line`: without "PROXY " and the end of line.
Peek ReadV1(std::string_view line, Header* header) {
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return Peek::kHeader;
  const std::vector<absl::string_view> words = absl::StrSplit(Abs(line), ' ');
  if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) return Peek::kMalformed;
  const bool v4 = words[0] == "TCP4";
  Addresses addresses;
  if (!ReadAddress(Std(words[1]), v4, &addresses.source.ip) ||
      !ReadAddress(Std(words[2]), v4, &addresses.destination.ip) ||
      !ReadPort(Std(words[3]), &addresses.source.port) ||
      !ReadPort(Std(words[4]), &addresses.destination.port)) {
    return Peek::kMalformed;
  }
  header->addresses = addresses;
  return Peek::kHeader;
}

Peek PeekV1(std::string_view bytes, Header* header) {
  const size_t end = bytes.substr(0, kV1Max).find("\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() < kV1Max ? Peek::kNeedMore : Peek::kMalformed;
  }
  *header = {.version = Version::kV1, .addresses = {}, .size = end + 2};
  return ReadV1(bytes.substr(kV1Start.size(), end - kV1Start.size()), header);
}

IpAddr AddressAt(std::string_view bytes, size_t i, bool v4) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data() + i);
  return v4 ? IpAddr::V4(at) : IpAddr::V6(at);
}

Peek PeekV2(std::string_view bytes, Header* header) {
  if (bytes.size() < kV2Fixed) return Peek::kNeedMore;
  const uint8_t command = Byte(bytes, 12), family = Byte(bytes, 13);
  const size_t length = Short(bytes, 14);
  if (command != kLocal && command != kProxy) return Peek::kMalformed;
  if (kV2Fixed + length > limits::kProxyHeaderBytesMax) return Peek::kMalformed;
  // Of a LOCAL connection, whatever the addresses say (2.2): nothing else need be known.
  const bool known = command == kProxy && family != kUnspecified;
  if (known && family != kTcp4 && family != kTcp6) return Peek::kMalformed;
  const bool v4 = family == kTcp4;
  const size_t ip = v4 ? 4 : 16;
  if (known && length < 2 * ip + 4) return Peek::kMalformed;
  if (bytes.size() < kV2Fixed + length) return Peek::kNeedMore;
  *header = {.version = Version::kV2, .addresses = {}, .size = kV2Fixed + length};
  if (!known) return Peek::kHeader;
  const size_t ports = kV2Fixed + 2 * ip;
  header->addresses = {
      .source = {.ip = AddressAt(bytes, kV2Fixed, v4), .port = Short(bytes, ports)},
      .destination = {.ip = AddressAt(bytes, kV2Fixed + ip, v4), .port = Short(bytes, ports + 2)}};
  return Peek::kHeader;
}

// Both begin alike, as far as there is something of `bytes`.
bool Begins(std::string_view bytes, std::string_view start) {
  return bytes.substr(0, start.size()) == start.substr(0, bytes.size());
}

std::string WriteV1(const std::optional<Addresses>& addresses) {
  if (!addresses.has_value()) return "PROXY UNKNOWN\r\n";
  const auto& [source, destination] = *addresses;
  return Cat(kV1Start, source.ip.v4() ? "TCP4 " : "TCP6 ", source.ip.ToString(), " ",
             destination.ip.ToString(), " ", source.port, " ", destination.port, "\r\n");
}

std::string WriteV2(const std::optional<Addresses>& addresses) {
  std::string out(kV2Signature);
  const auto put = [&out](size_t byte) { out.push_back(static_cast<char>(byte & 0xff)); };
  put(addresses.has_value() ? kProxy : kLocal);
  if (!addresses.has_value()) {
    for (int i = 0; i < 3; ++i) put(0);  // UNSPEC, no length
    return out;
  }
  const bool v4 = addresses->source.ip.v4();
  const size_t skip = v4 ? 12 : 0;  // of the 16 bytes that an IpAddr has
  put(v4 ? kTcp4 : kTcp6);
  put(0);
  put(2 * (16 - skip) + 4);
  for (const SockAddr* end : {&addresses->source, &addresses->destination}) {
    for (size_t i = skip; i < 16; ++i) put(end->ip.bytes()[i]);
  }
  for (const SockAddr* end : {&addresses->source, &addresses->destination}) {
    put(end->port >> 8);
    put(end->port);
  }
  return out;
}

}  // namespace

Peek PeekHeader(const Chain& bytes, Header* header) {
  std::string first(std::min<size_t>(bytes.size(), limits::kProxyHeaderBytesMax), '\0');
  bytes.CopyTo(0, first.size(), reinterpret_cast<uint8_t*>(first.data()));
  for (const std::string_view start : {kV1Start, kV2Signature}) {
    if (!Begins(first, start)) continue;
    if (first.size() < start.size()) return Peek::kNeedMore;
    return start == kV1Start ? PeekV1(first, header) : PeekV2(first, header);
  }
  return Peek::kNone;
}

std::string Write(Version version, const std::optional<Addresses>& addresses) {
  const bool one_family =
      addresses.has_value() && addresses->source.ip.v4() == addresses->destination.ip.v4();
  const std::optional<Addresses> known = one_family ? addresses : std::nullopt;
  return version == Version::kV1 ? WriteV1(known) : WriteV2(known);
}

}  // namespace meltemi::proxy_protocol
