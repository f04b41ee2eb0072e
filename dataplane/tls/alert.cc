#include "dataplane/tls/alert.h"

namespace meltemi::tls {

std::string_view Name(TlsError error) {
  switch (error) {
    case TlsError::kNone:
      return "none";
    case TlsError::kHandshakeTimeout:
      return "handshake timeout";
    case TlsError::kHandshakeTooLong:
      return "handshake too long";
    case TlsError::kNotTls:
      return "not TLS";
    case TlsError::kNoCommonParameters:
      return "no common version, cipher suite, curve or signature";
    case TlsError::kPeerCertificateMissing:
      return "peer gave no certificate";
    case TlsError::kPeerCertificateUnknownIssuer:
      return "peer certificate: unknown issuer";
    case TlsError::kPeerCertificateExpired:
      return "peer certificate: expired or not valid yet";
    case TlsError::kPeerCertificateInvalid:
      return "peer certificate: invalid";
    case TlsError::kPeerIdentity:
      return "peer certificate: of somebody else";
    case TlsError::kPeerAlert:
      return "peer alert";
    case TlsError::kHandshakeFailed:
      return "handshake failed";
    case TlsError::kTruncated:
      return "truncated";
    case TlsError::kBadRecordMac:
      return "bad record MAC";
    case TlsError::kRecordOverflow:
      return "record overflow";
    case TlsError::kUnexpectedMessage:
      return "unexpected message";
    case TlsError::kIllegalParameter:
      return "illegal parameter";
    case TlsError::kDecodeError:
      return "decode error";
    case TlsError::kRecordRefused:
      return "record refused";
    case TlsError::kNoMemory:
      return "no memory";
  }
  return "unknown";
}

// RFC 8446 6 and the registry it names.
std::string_view Name(Alert alert) {
  switch (static_cast<uint8_t>(alert)) {  // any byte may come in: a default is right here
    case 0:
      return "close_notify";
    case 10:
      return "unexpected_message";
    case 20:
      return "bad_record_mac";
    case 22:
      return "record_overflow";
    case 40:
      return "handshake_failure";
    case 42:
      return "bad_certificate";
    case 43:
      return "unsupported_certificate";
    case 44:
      return "certificate_revoked";
    case 45:
      return "certificate_expired";
    case 46:
      return "certificate_unknown";
    case 47:
      return "illegal_parameter";
    case 48:
      return "unknown_ca";
    case 49:
      return "access_denied";
    case 50:
      return "decode_error";
    case 51:
      return "decrypt_error";
    case 70:
      return "protocol_version";
    case 71:
      return "insufficient_security";
    case 80:
      return "internal_error";
    case 86:
      return "inappropriate_fallback";
    case 90:
      return "user_canceled";
    case 109:
      return "missing_extension";
    case 110:
      return "unsupported_extension";
    case 112:
      return "unrecognized_name";
    case 113:
      return "bad_certificate_status_response";
    case 115:
      return "unknown_psk_identity";
    case 116:
      return "certificate_required";
    case 120:
      return "no_application_protocol";
    default:
      return "unknown";
  }
}

}  // namespace meltemi::tls
