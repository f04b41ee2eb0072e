// What a session does with everything a peer may send after the handshake, and with ends.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/crafted_peer.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {
namespace {

struct Pki {
  TestAuthority root{"root"};
  ContextRef server, client;
  Pki() {
    ContextOptions common{.verify = VerifyPeer::kRequired, .trust = {{.pem = root.pem()}}};
    server =
        *MakeServerContext({.common = common, .certificates = {{{}, root.IssueSpiffe("server")}}});
    client = *MakeClientContext({.common = common, .certificate = root.IssueSpiffe("client")});
  }
  static const Pki& Get() {
    static const Pki pki;
    return pki;
  }
};

// A server of ours and a peer with the keys, after the handshake.
struct Served {
  explicit Served(const TlsOptions& options = TestOptions()) : end(options) {
    end.Accept(Pki::Get().server);
    peer = std::make_unique<CraftedPeer>(Pki::Get().client, &end);
    CHECK(end.seen.info != nullptr && end.seen.error == TlsError::kNone);
  }
  TlsEnd end;
  std::unique_ptr<CraftedPeer> peer;
};

struct Connected {
  Connected() {
    end.Connect(Pki::Get().client);
    peer = std::make_unique<CraftedPeer>(Pki::Get().server, &end);
    CHECK(end.seen.info != nullptr && end.seen.error == TlsError::kNone);
  }
  TlsEnd end;
  std::unique_ptr<CraftedPeer> peer;
};

using Records = std::vector<std::pair<ContentType, std::string>>;

std::string Message(char type, std::string_view body) {
  return std::string(
             {type, 0, static_cast<char>(body.size() >> 8), static_cast<char>(body.size())}) +
         std::string(body);
}
const std::string kKeyUpdate = Message(24, std::string(1, '\0'));
const std::string kKeyUpdateAsking = Message(24, "\x01");
const std::string kTicket = Message(4, std::string(40, 't'));

TEST(Session, RefusesWhatHasNoPlaceAfterTheHandshake) {
  // Goal: RFC 8446 4.6, 5.1, 5.4, 6, row by row: the error, and the alert the peer gets.
  struct Row {
    const char* name;
    ContentType type;
    std::string content;
    TlsError error;
    Alert alert;
  };
  const Row rows[] = {
      {"change_cipher_spec", ContentType::kChangeCipherSpec, "\x01", TlsError::kUnexpectedMessage,
       Alert::kUnexpectedMessage},
      {"a type nobody knows", static_cast<ContentType>(99), "x", TlsError::kUnexpectedMessage,
       Alert::kUnexpectedMessage},
      {"an empty handshake record", ContentType::kHandshake, "", TlsError::kUnexpectedMessage,
       Alert::kUnexpectedMessage},
      {"a ClientHello", ContentType::kHandshake, Message(1, "x"), TlsError::kUnexpectedMessage,
       Alert::kUnexpectedMessage},
      {"a ticket for a server", ContentType::kHandshake, kTicket, TlsError::kUnexpectedMessage,
       Alert::kUnexpectedMessage},
      {"KeyUpdate with a strange request", ContentType::kHandshake, Message(24, "\x02"),
       TlsError::kIllegalParameter, Alert::kIllegalParameter},
      {"KeyUpdate without a request", ContentType::kHandshake, Message(24, ""),
       TlsError::kDecodeError, Alert::kDecodeError},
      {"KeyUpdate that is too long", ContentType::kHandshake, Message(24, "xx"),
       TlsError::kDecodeError, Alert::kDecodeError},
      {"KeyUpdate with something behind it", ContentType::kHandshake, kKeyUpdate + kKeyUpdate,
       TlsError::kUnexpectedMessage, Alert::kUnexpectedMessage},
      {"an empty alert", ContentType::kAlert, "", TlsError::kDecodeError, Alert::kDecodeError},
      {"half an alert", ContentType::kAlert, "\x02", TlsError::kDecodeError, Alert::kDecodeError},
      {"two alerts", ContentType::kAlert, std::string("\1\0\1\0", 4), TlsError::kDecodeError,
       Alert::kDecodeError},
  };
  for (const Row& row : rows) {
    Served s;
    s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "good"));
    s.end.Receive(s.peer->Seal(row.type, row.content));
    EXPECT_EQ(s.end.seen.error, row.error) << row.name;
    EXPECT_EQ(s.end.seen.plain, "good") << row.name;
    const std::string alert = {2, static_cast<char>(row.alert)};
    EXPECT_EQ(s.peer->Open(s.end.Take()), (Records{{ContentType::kAlert, alert}})) << row.name;
    EXPECT_EQ(s.end.tls.session_count(), 0u) << row.name;
    EXPECT_EQ(s.end.tls.counters().alerts_out, 1u) << row.name;
  }
}

TEST(Session, RefusesBytesThatAreNoProtectedRecord) {
  struct Row {
    const char* name;
    std::string bytes;
    TlsError error;
  };
  const Row rows[] = {
      {"plaintext alert", {21, 3, 3, 0, 2, 2, 40}, TlsError::kUnexpectedMessage},
      {"plaintext handshake", {22, 3, 3, 0, 1, 1}, TlsError::kUnexpectedMessage},
      {"HTTP", "GET / HTTP/1.1\r\n", TlsError::kUnexpectedMessage},
      {"too long", {23, 3, 3, 0x41, 1}, TlsError::kRecordOverflow},
      {"no room for a tag", {23, 3, 3, 0, 16}, TlsError::kBadRecordMac},
      {"garbage", std::string({23, 3, 3, 0, 32}) + std::string(32, 'g'), TlsError::kBadRecordMac},
  };
  for (const Row& row : rows) {
    Served s;
    s.end.Receive(row.bytes);
    EXPECT_EQ(s.end.seen.error, row.error) << row.name;
    EXPECT_EQ(s.peer->Open(s.end.Take()).size(), 1u) << row.name;
  }
}

TEST(Session, TellsAnOrderlyEndFromACut) {
  {
    Served s;
    s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "x"));
    s.end.Receive(s.peer->Seal(ContentType::kAlert, std::string("\1\0", 2)));
    EXPECT_EQ(s.end.seen.close_notifies, 1);
    s.end.Eof();
    EXPECT_EQ(s.end.seen.truncations, 0);
    // Ours goes on (RFC 8446 6.1).
    EXPECT_TRUE(s.end.Send("still"));
    EXPECT_EQ(s.peer->Open(s.end.Take()), (Records{{ContentType::kApplicationData, "still"}}));
    s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "late"));
    EXPECT_EQ(s.end.seen.plain, "x");
    EXPECT_GT(s.end.tls.counters().bytes_after_close, 0u);
  }
  {
    Served s;
    s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "x"));
    s.end.Eof();
    EXPECT_EQ(s.end.seen.truncations, 1);
    s.end.Eof();
    EXPECT_EQ(s.end.seen.truncations, 1);
    EXPECT_TRUE(s.end.Send("answer"));
  }
  {
    // The end of the stream inside a record.
    Served s;
    s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "x").substr(0, 10));
    s.end.Eof();
    EXPECT_EQ(s.end.seen.truncations, 1);
    EXPECT_EQ(s.end.seen.plain, "");
  }
}

TEST(Session, TakesAlertsAsRfc8446Says) {
  {
    Served s;  // 6.1: user_canceled is a warning, whatever its level
    s.end.Receive(s.peer->Seal(ContentType::kAlert, "\x02\x5a"));
    EXPECT_EQ(s.end.seen.error, TlsError::kNone);
    s.end.Receive(s.peer->Seal(ContentType::kAlert, std::string("\2\0", 2)));
    EXPECT_EQ(s.end.seen.close_notifies, 1);
  }
  {
    Served s;  // 6: every other alert is fatal, whatever its level
    s.end.Receive(s.peer->Seal(ContentType::kAlert, "\x01\x28"));
    EXPECT_EQ(s.end.seen.error, TlsError::kPeerAlert);
    EXPECT_EQ(s.end.seen.alert, Alert::kHandshakeFailure);
    EXPECT_EQ(s.end.Take(), "");  // it is not answered
    EXPECT_EQ(s.end.tls.session_count(), 0u);
  }
}

TEST(Session, ClosesItsDirectionOnce) {
  Served s;
  ASSERT_TRUE(s.end.Send("bye"));
  s.end.Close();
  s.end.Close();
  ASSERT_TRUE(s.end.Send("never"));
  EXPECT_EQ(s.peer->Open(s.end.Take()), (Records{{ContentType::kApplicationData, "bye"},
                                                 {ContentType::kAlert, std::string("\1\0", 2)}}));
  s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "still coming"));
  EXPECT_EQ(s.end.seen.plain, "still coming");
  // Nothing is sent any more, not even an answer to a KeyUpdate.
  s.end.Receive(s.peer->Seal(ContentType::kHandshake, kKeyUpdateAsking));
  EXPECT_EQ(s.end.Take(), "");
}

TEST(Session, AnswersManyKeyUpdatesOnce) {
  // Goal: 3 requests in one go, one answer (4.6.3), before the next data.
  Served s;
  std::string bytes;
  for (int i = 0; i < 3; ++i) {
    bytes += s.peer->Seal(ContentType::kHandshake, kKeyUpdateAsking);
    s.peer->UpdateWriteKey();
  }
  s.end.Receive(bytes + s.peer->Seal(ContentType::kApplicationData, "new key"));
  EXPECT_EQ(s.end.seen.plain, "new key");
  EXPECT_EQ(s.peer->Open(s.end.Take()), (Records{{ContentType::kHandshake, kKeyUpdate}}));
  s.peer->UpdateReadKey();
  ASSERT_TRUE(s.end.Send("answer"));
  EXPECT_EQ(s.peer->Open(s.end.Take()), (Records{{ContentType::kApplicationData, "answer"}}));
}

TEST(Session, BoundsKeyUpdatesAndEmptyRecords) {
  // Goal: at the limit and one above it; data in between begins the count anew.
  for (const int extra : {0, 1}) {
    Served s;
    for (int i = 0; i < limits::kTlsKeyUpdatesMax + extra; ++i) {
      s.end.Receive(s.peer->Seal(ContentType::kHandshake, kKeyUpdate));
      s.peer->UpdateWriteKey();
    }
    EXPECT_EQ(s.end.seen.error, extra ? TlsError::kUnexpectedMessage : TlsError::kNone);
    if (extra == 0) {
      s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "x"));
      s.end.Receive(s.peer->Seal(ContentType::kHandshake, kKeyUpdate));
      EXPECT_EQ(s.end.seen.error, TlsError::kNone);
    }
  }
  for (const int extra : {0, 1}) {
    Served s;
    for (int i = 0; i < limits::kTlsEmptyRecordsMax + extra; ++i) {
      s.end.Receive(s.peer->Seal(ContentType::kApplicationData, ""));
    }
    EXPECT_EQ(s.end.seen.error, extra ? TlsError::kUnexpectedMessage : TlsError::kNone);
  }
}

TEST(Session, PutsMessagesTogether) {
  // Goal: tickets and KeyUpdates in pieces of every size, over records; other types in between
  // are refused (5.1).
  for (size_t piece = 1; piece <= kTicket.size() + kTicket.size(); piece += 7) {
    Connected c;
    const std::string messages = kTicket + kTicket + kKeyUpdate;
    for (size_t i = 0; i < messages.size(); i += piece) {
      c.end.Receive(c.peer->Seal(ContentType::kHandshake, messages.substr(i, piece)));
    }
    EXPECT_EQ(c.end.seen.error, TlsError::kNone) << piece;
    EXPECT_EQ(c.end.tls.counters().key_updates_in, 1u) << piece;
    c.peer->UpdateWriteKey();
    c.end.Receive(c.peer->Seal(ContentType::kApplicationData, "x"));
    EXPECT_EQ(c.end.seen.plain, "x") << piece;
  }
  Connected c;
  c.end.Receive(c.peer->Seal(ContentType::kHandshake, kTicket.substr(0, 10)));
  c.end.Receive(c.peer->Seal(ContentType::kApplicationData, "x"));
  EXPECT_EQ(c.end.seen.error, TlsError::kUnexpectedMessage);
}

TEST(Session, BoundsMessagesAfterTheHandshake) {
  // Goal: a message of kTlsPostHandshakeBytesMax passes, one byte more is refused by its header.
  for (const uint32_t n :
       {limits::kTlsPostHandshakeBytesMax, limits::kTlsPostHandshakeBytesMax + 1}) {
    Connected c;
    std::string message = {4, 0, static_cast<char>(n >> 8), static_cast<char>(n)};
    message += std::string(limits::kTlsPostHandshakeBytesMax, 't');
    for (size_t i = 0; i < message.size() && c.end.seen.error == TlsError::kNone; i += 10'000) {
      c.end.Receive(c.peer->Seal(ContentType::kHandshake, message.substr(i, 10'000)));
    }
    EXPECT_EQ(c.end.seen.error,
              n > limits::kTlsPostHandshakeBytesMax ? TlsError::kDecodeError : TlsError::kNone);
  }
}

TEST(Session, TicketsThatMakeNoSenseAreOnlyUseless) {
  // Goal: a client whose OpenSSL refuses a ticket goes on with the session.
  Connected c;
  c.end.Receive(c.peer->Seal(ContentType::kHandshake, kTicket));
  c.end.Poll();
  c.end.Receive(c.peer->Seal(ContentType::kApplicationData, "x"));
  EXPECT_EQ(c.end.seen.plain, "x");
  EXPECT_EQ(c.end.tls.handshakes_in_flight(), 0u);
}

TEST(Session, IdleOnesAreSmall) {
  // Goal: with TCP and HTTP an idle TLS connection costs at most 2 KB; 0.75 KB are theirs. An idle
  // session of ours owns nothing beside its slot.
  EXPECT_LE(Tls::SessionBytes(), 512u);
  RecordProperty("tls_session_bytes", static_cast<int>(Tls::SessionBytes()));
  std::printf("idle TLS session: %u bytes\n", Tls::SessionBytes());
}

TEST(Session, SharedBuffersAreNotOpenedOver) {
  Served s;
  const std::string record = s.peer->Seal(ContentType::kApplicationData, "secret");
  Chain chain = s.end.Bytes(record);
  const Chain kept = chain.Share(0, chain.size());
  std::vector<TlsEvent> events;
  s.end.tls.Receive(s.end.id, std::move(chain), s.end.now, &events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].bytes.ToString(), "secret");
  EXPECT_EQ(kept.ToString(), record);
  EXPECT_EQ(s.end.tls.counters().opened_copied, 1u);
  events.clear();
  s.end.Receive(s.peer->Seal(ContentType::kApplicationData, "alone"));
  EXPECT_EQ(s.end.tls.counters().opened_copied, 1u);
}

TEST(Session, OneEventForAllRecordsOfAChain) {
  Served s;
  std::string records;
  for (int i = 0; i < 10; ++i) records += s.peer->Seal(ContentType::kApplicationData, "ab");
  std::vector<TlsEvent> events;
  s.end.tls.Receive(s.end.id, s.end.Bytes(records), s.end.now, &events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].bytes.size(), 20u);
}

TEST(Session, DeadIdsAreHarmless) {
  Served s;
  const TlsId id = s.end.id;
  s.end.tls.Release(id);
  s.end.tls.Release(id);
  s.end.Receive("anything");
  s.end.Eof();
  EXPECT_TRUE(s.end.Send("x"));
  s.end.Close();
  s.end.UpdateKeys(Tls::RequestPeer::kYes);
  s.end.tls.SetCookie(id, 1);
  EXPECT_EQ(s.end.Take(), "");
  EXPECT_EQ(s.end.tls.session_count(), 0u);
}

}  // namespace
}  // namespace meltemi::tls
