#include "dataplane/tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "l7/base/limits.h"

namespace meltemi::tls {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr size_t kRecordHeader = 5;
constexpr size_t kMessageHeader = 4;
constexpr uint16_t kServerName = 0;  // extension, RFC 6066 3
constexpr uint16_t kAlpn = 16;       // extension, RFC 7301 3.1

uint8_t Byte(std::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

// Reads from the front of bytes; after the first read that does not fit, good() is false and all
// further ones give nothing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool good() const { return good_; }
  bool empty() const { return rest_.empty() || !good_; }
  std::string_view Take(size_t n) {
    if (n > rest_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }
  size_t Number(int byte_count) {
    size_t number = 0;
    for (const char c : Take(static_cast<size_t>(byte_count))) {
      number = number << 8 | static_cast<uint8_t>(c);
    }
    return number;
  }
  // A vector with its length in front (RFC 8446 3.4).
  std::string_view Vector(int length_bytes) { return Take(Number(length_bytes)); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

bool ReadServerName(std::string_view extension, ClientHello* hello) {
  Reader reader(extension);
  Reader names(reader.Vector(2));
  while (!names.empty()) {
    const size_t type = names.Number(1);
    const std::string_view name = names.Vector(2);
    if (type == 0 && hello->sni.empty()) {
      hello->sni.assign(name);
      for (char& c : hello->sni) c = absl::ascii_tolower(static_cast<unsigned char>(c));
    }
  }
  return reader.good() && names.good();
}

bool ReadAlpn(std::string_view extension, ClientHello* hello) {
  Reader reader(extension);
  Reader protocols(reader.Vector(2));
  while (!protocols.empty()) hello->alpn.emplace_back(protocols.Vector(1));
  return reader.good() && protocols.good();
}

// The message's body, RFC 8446 4.1.2.
bool ReadBody(std::string_view body, ClientHello* hello) {
  Reader reader(body);
  reader.Take(2 + 32);  // version, random
  reader.Vector(1);     // session id
  reader.Vector(2);     // cipher suites
  reader.Vector(1);     // compression methods
  if (!reader.good()) return false;
  if (reader.empty()) return true;  // TLS 1.2 may come without extensions
  Reader extensions(reader.Vector(2));
  while (!extensions.empty()) {
    const size_t type = extensions.Number(2);
    const std::string_view content = extensions.Vector(2);
    if (!extensions.good()) return false;
    if (type == kServerName && !ReadServerName(content, hello)) return false;
    if (type == kAlpn && !ReadAlpn(content, hello)) return false;
  }
  return reader.good() && extensions.good();
}

// The content of the handshake records at the front; nothing when something else is among them.
std::optional<std::string> Unwrap(std::string_view bytes) {
  std::string message;
  while (bytes.size() > kRecordHeader) {
    if (Byte(bytes, 0) != kHandshakeRecord) return std::nullopt;
    const size_t length = size_t{Byte(bytes, 3)} << 8 | Byte(bytes, 4);
    if (length == 0 || length > limits::kTlsRecordBytesMax) return std::nullopt;
    const size_t have = std::min(length, bytes.size() - kRecordHeader);
    message.append(bytes.substr(kRecordHeader, have));
    bytes.remove_prefix(kRecordHeader + have);
    if (message.size() >= kMessageHeader) {  // what follows the message is not looked at
      const size_t n =
          size_t{Byte(message, 1)} << 16 | size_t{Byte(message, 2)} << 8 | Byte(message, 3);
      if (message.size() >= kMessageHeader + n) break;
    }
  }
  return message;
}

}  // namespace

Peek PeekClientHello(const Chain& bytes, ClientHello* hello) {
  *hello = ClientHello{};
  std::string flat(std::min<size_t>(bytes.size(), limits::kTlsClientHelloBytesMax), '\0');
  bytes.CopyTo(0, flat.size(), reinterpret_cast<uint8_t*>(flat.data()));
  if (flat.empty()) return Peek::kNeedMore;
  if (Byte(flat, 0) != kHandshakeRecord || (flat.size() > 1 && Byte(flat, 1) != 3)) {
    return Peek::kNotTls;
  }
  if (flat.size() > kRecordHeader && Byte(flat, kRecordHeader) != kClientHelloMessage) {
    return Peek::kNotTls;
  }
  const std::optional<std::string> message = Unwrap(flat);
  if (!message) return Peek::kMalformed;
  const bool full = flat.size() == limits::kTlsClientHelloBytesMax;
  if (message->size() < kMessageHeader) return full ? Peek::kMalformed : Peek::kNeedMore;
  Reader reader(std::string_view(*message).substr(1));
  const size_t n = reader.Number(3);
  if (n > limits::kTlsClientHelloBytesMax) return Peek::kMalformed;
  const std::string_view body = reader.Take(n);
  if (!reader.good()) return full ? Peek::kMalformed : Peek::kNeedMore;
  if (ReadBody(body, hello)) return Peek::kClientHello;
  *hello = ClientHello{};
  return Peek::kMalformed;
}

}  // namespace meltemi::tls
