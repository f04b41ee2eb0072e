// Sessions of our own record layer, after the handshake: RFC 8446 4.6 (messages), 5 (records), 6
// (alerts).
#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/tls/tls_impl.h"

namespace meltemi::tls {
namespace {

constexpr uint8_t kNewSessionTicket = 4;  // HandshakeType, RFC 8446 4
constexpr uint8_t kKeyUpdate = 24;
constexpr uint32_t kMessageHeaderBytes = 4;
constexpr size_t kTicketRecordBytesMax = 16 * 1024;

uint8_t Byte(std::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

Alert AlertOf(TlsError error) {
  switch (error) {
    case TlsError::kBadRecordMac:
      return Alert::kBadRecordMac;
    case TlsError::kRecordOverflow:
      return Alert::kRecordOverflow;
    case TlsError::kUnexpectedMessage:
      return Alert::kUnexpectedMessage;
    case TlsError::kIllegalParameter:
      return Alert::kIllegalParameter;
    case TlsError::kDecodeError:
      return Alert::kDecodeError;
    case TlsError::kNoMemory:
    case TlsError::kNone:
    case TlsError::kHandshakeTimeout:
    case TlsError::kHandshakeTooLong:
    case TlsError::kNotTls:
    case TlsError::kNoCommonParameters:
    case TlsError::kPeerCertificateMissing:
    case TlsError::kPeerCertificateUnknownIssuer:
    case TlsError::kPeerCertificateExpired:
    case TlsError::kPeerCertificateInvalid:
    case TlsError::kPeerIdentity:
    case TlsError::kPeerAlert:
    case TlsError::kHandshakeFailed:
    case TlsError::kTruncated:
    case TlsError::kRecordRefused:
      return Alert::kInternalError;
  }
  return Alert::kInternalError;
}

}  // namespace

inline bool Tls::Impl::OnData(TlsId id, Session& s, Chain&& content, Events* events) {
  if (content.empty()) {  // allowed against traffic analysis (5.4), not for ever
    if (++s.empty_records <= limits::kTlsEmptyRecordsMax) return true;
    return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  }
  s.empty_records = 0;
  s.key_updates = 0;
  counters_.bytes_in += content.size();
  AddPlain(id, s, std::move(content), events);
  return true;
}

inline bool Tls::Impl::OnRecord(TlsId id, Session& s, Opened&& opened, Events* events) {
  // 5.1: parts of a handshake message are not interleaved with other types.
  if (s.message != nullptr && opened.type != ContentType::kHandshake) {
    return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  }
  switch (opened.type) {
    case ContentType::kApplicationData:
      return OnData(id, s, std::move(opened.content), events);
    case ContentType::kAlert:
      return OnAlert(id, s, opened.content, events);
    case ContentType::kHandshake:
      return OnMessageBytes(id, s, opened.content, events);
    case ContentType::kInvalid:
    case ContentType::kChangeCipherSpec:
      break;
  }
  return Refuse(id, s, TlsError::kUnexpectedMessage, events);  // 5: or a type nobody knows
}

bool Tls::Impl::ReceiveOwn(TlsId id, Session& s, Events* events) {
  while (!s.pending.empty() && !s.read_closed) {
    if (s.tickets != nullptr) KeepRawRecord(s);
    Opened opened;
    const auto verdict = records_.Open(s.pending_use, &s.read, &s.pending, &opened);
    if (verdict == RecordLayer::Verdict::kNeedMore) break;
    if (verdict != RecordLayer::Verdict::kOk) return Refuse(id, s, verdict, events);
    if (s.tickets != nullptr) WatchTickets(s, opened.type);
    if (!OnRecord(id, s, std::move(opened), events)) return false;
  }
  if (s.read_closed) {
    counters_.bytes_after_close += s.pending.size();
    s.pending.Clear();
  }
  if (s.pending.empty()) s.pending_use = BufferUse::kInPlace;
  if (s.tickets != nullptr && s.tickets->ticket_seen) ReadTickets(s);
  return !OwesKeyUpdate(s) || AnswerKeyUpdate(id, s, events);
}

bool Tls::Impl::OnAlert(TlsId id, Session& s, const Chain& content, Events* events) {
  // 5.1: an alert is in one record, alone.
  if (content.size() != 2) return Refuse(id, s, TlsError::kDecodeError, events);
  std::array<uint8_t, 2> bytes;
  content.CopyTo(0, bytes.size(), bytes.data());
  const auto alert = static_cast<Alert>(bytes[1]);  // 6: the level is ignored
  if (alert == Alert::kUserCanceled) {              // 6.1: close_notify follows
    if (++s.empty_records <= limits::kTlsEmptyRecordsMax) return true;
    return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  }
  if (alert == Alert::kCloseNotify) {
    s.read_closed = true;
    ++counters_.close_notify_in;
    Add(TlsEvent::Kind::kCloseNotify, id, s, events);
    return true;
  }
  ++counters_.alerts_in;
  End(id, s, {.error = TlsError::kPeerAlert, .alert = alert}, events);
  return false;
}

bool Tls::Impl::OnMessageBytes(TlsId id, Session& s, const Chain& content, Events* events) {
  // 5.1: no empty parts of handshake messages.
  if (content.empty()) return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  std::string bytes = s.message != nullptr ? std::move(*s.message) : std::string();
  s.message.reset();
  bytes += content.ToString();
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const uint8_t type = Byte(rest, 0);
    const bool known = type == kKeyUpdate || (type == kNewSessionTicket && s.role == Role::kClient);
    if (!known) return Refuse(id, s, TlsError::kUnexpectedMessage, events);
    if (rest.size() < kMessageHeaderBytes) break;
    const uint32_t n = uint32_t{Byte(rest, 1)} << 16 | Byte(rest, 2) << 8 | Byte(rest, 3);
    if (n > limits::kTlsPostHandshakeBytesMax || (type == kKeyUpdate && n != 1)) {
      return Refuse(id, s, TlsError::kDecodeError, events);
    }
    if (rest.size() < kMessageHeaderBytes + n) break;
    const std::string_view message = rest.substr(0, kMessageHeaderBytes + n);
    rest.remove_prefix(message.size());
    if (!OnMessage(id, s, message, rest.empty(), events)) return false;
  }
  if (!rest.empty()) s.message = std::make_unique<std::string>(rest);
  return true;
}

bool Tls::Impl::OnMessage(TlsId id, Session& s, std::string_view message, bool last,
                          Events* events) {
  if (Byte(message, 0) == kNewSessionTicket) {
    ++counters_.tickets_in;
    if (s.tickets != nullptr) s.tickets->ticket_seen = true;
    return true;
  }
  // 4.6.3. The key changes behind it: nothing may follow in the same record (5.1).
  const uint8_t request = Byte(message, kMessageHeaderBytes);
  if (request > 1) return Refuse(id, s, TlsError::kIllegalParameter, events);
  if (!last || ++s.key_updates > limits::kTlsKeyUpdatesMax) {
    return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  }
  ++counters_.key_updates_in;
  s.key_update_asked = false;
  s.key_update_owed |= request == 1;
  records_.Update(&s.read);
  return true;
}

bool Tls::Impl::Refuse(TlsId id, Session& s, RecordLayer::Verdict verdict, Events* events) {
  switch (verdict) {
    case RecordLayer::Verdict::kOk:
    case RecordLayer::Verdict::kNeedMore:
      break;
    case RecordLayer::Verdict::kNoMemory:
      return Refuse(id, s, TlsError::kNoMemory, events);
    case RecordLayer::Verdict::kBadRecordMac:
      return Refuse(id, s, TlsError::kBadRecordMac, events);
    case RecordLayer::Verdict::kRecordOverflow:
      return Refuse(id, s, TlsError::kRecordOverflow, events);
    case RecordLayer::Verdict::kUnexpectedMessage:
      return Refuse(id, s, TlsError::kUnexpectedMessage, events);
  }
  CHECK(false);
  return false;
}

// 6.2: a fatal alert, and the end.
bool Tls::Impl::Refuse(TlsId id, Session& s, TlsError error, Events* events) {
  counters_.error_bad_record_mac += error == TlsError::kBadRecordMac;
  counters_.error_record_overflow += error == TlsError::kRecordOverflow;
  counters_.error_unexpected_message += error == TlsError::kUnexpectedMessage;
  counters_.error_decode += error == TlsError::kDecodeError || error == TlsError::kIllegalParameter;
  counters_.error_no_memory += error == TlsError::kNoMemory;
  if (!s.write_closed) {
    const uint8_t alert[2] = {2, static_cast<uint8_t>(AlertOf(error))};
    Chain records;
    if (records_.SealBytes(ContentType::kAlert, alert, &s.write, &records)) {
      ++counters_.alerts_out;
      Add(TlsEvent::Kind::kWrite, id, s, events).bytes = std::move(records);
    }
  }
  End(id, s, {.error = error, .alert = AlertOf(error)}, events);
  return false;
}

// One answer however often the peer has asked (4.6.3); and a question when the peer's key has been
// used long enough.
bool Tls::Impl::AnswerKeyUpdate(TlsId id, Session& s, Events* events) {
  const bool ask = AsksKeyUpdate(s);
  s.key_update_owed = false;
  Chain records;
  if (!SealKeyUpdate(s, ask ? RequestPeer::kYes : RequestPeer::kNo, &records)) {
    return Refuse(id, s, TlsError::kNoMemory, events);
  }
  Add(TlsEvent::Kind::kWrite, id, s, events).bytes = std::move(records);
  return true;
}

bool Tls::Impl::SealKeyUpdate(Session& s, RequestPeer request, Chain* records) {
  const uint8_t message[5] = {kKeyUpdate, 0, 0, 1, request == RequestPeer::kYes};
  if (!records_.SealBytes(ContentType::kHandshake, message, &s.write, records)) return false;
  ++counters_.key_updates_out;
  if (request == RequestPeer::kYes) s.key_update_asked = true;
  records_.Update(&s.write);
  return true;
}

// A client's OpenSSL must see the tickets that follow the handshake: they are kept as they came,
// since opening overwrites them.
void Tls::Impl::KeepRawRecord(Session& s) {
  std::array<uint8_t, kRecordHeaderBytes> header;
  if (s.pending.size() < header.size()) return;
  s.pending.CopyTo(0, header.size(), header.data());
  const size_t n = header.size() + (size_t{header[3]} << 8 | header[4]);
  if (s.pending.size() < n) return;
  std::string& raw = s.tickets->records;
  if (raw.size() + n > kTicketRecordBytesMax) {
    s.tickets.reset();
    return;
  }
  const size_t at = raw.size();
  raw.resize(at + n);
  s.pending.CopyTo(0, n, reinterpret_cast<uint8_t*>(raw.data() + at));
}

// The first record that holds no handshake message ends the wait.
void Tls::Impl::WatchTickets(Session& s, ContentType type) {
  if (type == ContentType::kHandshake) return;
  if (!s.tickets->ticket_seen) {
    s.tickets.reset();  // this server gives none
    return;
  }
  ReadTickets(s);
}

void Tls::Impl::ReadTickets(Session& s) {
  std::unique_ptr<Handshake> handshake = std::move(s.tickets->handshake);
  handshake->in = std::move(s.tickets->records);
  s.tickets.reset();
  if (in_flight_ >= options_.handshakes_in_flight_max) return;  // handshakes matter more
  ++in_flight_;
  SubmitOrWait(std::move(handshake));
}

}  // namespace meltemi::tls
