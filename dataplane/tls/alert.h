// Alerts (RFC 8446 6) and the reasons for which a session ends, by name.
#ifndef MELTEMI_DATAPLANE_TLS_ALERT_H_
#define MELTEMI_DATAPLANE_TLS_ALERT_H_

#include <cstdint>
#include <string_view>

namespace meltemi::tls {

// AlertDescription: those this layer makes; any other byte may come in.
enum class Alert : uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kHandshakeFailure = 40,
  kBadCertificate = 42,
  kUnsupportedCertificate = 43,
  kCertificateExpired = 45,
  kCertificateUnknown = 46,
  kIllegalParameter = 47,
  kUnknownCa = 48,
  kDecodeError = 50,
  kProtocolVersion = 70,
  kInternalError = 80,
  kUserCanceled = 90,
  kCertificateRequired = 116,
};

enum class TlsError : uint8_t {
  kNone,
  kHandshakeTimeout,
  kHandshakeTooLong,        // more handshake bytes than limits::kTlsHandshakeBytesMax
  kNotTls,                  // the first bytes are no ClientHello or ServerHello
  kNoCommonParameters,      // version, cipher suite, curve or signature algorithm
  kPeerCertificateMissing,  // asked for and not given
  kPeerCertificateUnknownIssuer,
  kPeerCertificateExpired,  // or not valid yet
  kPeerCertificateInvalid,  // anything else wrong with it
  kPeerIdentity,            // a good certificate of somebody else: PeerRule
  kPeerAlert,               // the peer gave up: `alert`
  kHandshakeFailed,         // anything else: `detail`
  kTruncated,               // the stream ended during the handshake
  kBadRecordMac,            // a record was altered, reordered or replayed
  kRecordOverflow,
  kUnexpectedMessage,
  kIllegalParameter,
  kDecodeError,
  kRecordRefused,  // by OpenSSL, for a session that stayed in it: `detail`
  kNoMemory,       // no buffers
};

std::string_view Name(TlsError error);
std::string_view Name(Alert alert);  // "unknown" for one without a name

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_ALERT_H_
