// Against OpenSSL itself, in the same process: every cipher suite we claim, both roles, client
// certificates, resumption, key updates both ways.
#include "dataplane/tls/testing/openssl_peer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {
namespace {

// Keys cost time to make: once for all tests.
struct Pki {
  TestAuthority root{"root"};
  Certificate server = root.Issue(
      {.uris = {"spiffe://cluster.local/ns/a/sa/server"}, .dns_names = {"server.example.com"}});
  Certificate server_rsa = root.Issue({.dns_names = {"rsa"}, .key = KeyType::kRsa2048});
  Certificate client = root.IssueSpiffe("client");
  static const Pki& Get() {
    static const Pki pki;
    return pki;
  }
};

ContextOptions Common(VerifyPeer verify) {
  ContextOptions options;
  options.alpn = {"istio-peer-exchange", "h2", "http/1.1"};
  options.verify = verify;
  if (verify != VerifyPeer::kNo) options.trust = {{.pem = Pki::Get().root.pem()}};
  return options;
}

ContextRef ServerContext(VerifyPeer verify, const Certificate& certificate) {
  auto context = MakeServerContext({.common = Common(verify), .certificates = {{{}, certificate}}});
  CHECK(context.ok());
  return *context;
}

ContextRef ClientContext(const Certificate& certificate = {}) {
  auto context =
      MakeClientContext({.common = Common(VerifyPeer::kRequired), .certificate = certificate});
  CHECK(context.ok());
  return *context;
}

std::string Text(size_t n) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 131 + i / 256);
  return text;
}

// Bytes of many sizes both ways, then an orderly end from both sides.
void TalkAndClose(TlsEnd* end, OpenSslPeer* peer) {
  std::string sent, got_before = peer->plain;
  for (const size_t n : {1u, 100u, 4096u, 16'384u, 100'000u}) {
    ASSERT_TRUE(end->Send(Text(n)));
    peer->Send(Text(n));
    sent += Text(n);
    Pump(end, peer);
    ASSERT_EQ(peer->error, "");
    ASSERT_EQ(end->seen.error, TlsError::kNone) << Name(end->seen.error) << end->seen.detail;
  }
  EXPECT_EQ(peer->plain, got_before + sent);
  EXPECT_EQ(end->seen.plain, sent);
  end->Close();
  Pump(end, peer);
  EXPECT_TRUE(peer->closed);
  EXPECT_EQ(end->seen.close_notifies, 0);
  peer->Close();
  Pump(end, peer);
  EXPECT_EQ(end->seen.close_notifies, 1);
  EXPECT_EQ(end->seen.error, TlsError::kNone);
}

struct SuiteRow {
  int version;
  const char* name;
  bool rsa;
  bool own_records;
};
constexpr SuiteRow kSuites[] = {
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", false, true},
    {TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", false, true},
    {TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", true, true},
    {TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false, false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", false, false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", false, false},
    {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", false, false},
    {TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true, false},
    {TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", true, false},
    {TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", true, false},
};

class OpenSslPeerTest : public testing::TestWithParam<SuiteRow> {};

TEST_P(OpenSslPeerTest, WeServe) {
  const SuiteRow& row = GetParam();
  const Pki& pki = Pki::Get();
  TlsEnd end;
  OpenSslPeer peer(
      {.trust_pem = pki.root.pem(), .version = row.version, .suite = row.name, .alpn = "h2"});
  SSL_set_tlsext_host_name(peer.ssl.get(), "server.example.com");
  end.Accept(ServerContext(VerifyPeer::kNo, row.rsa ? pki.server_rsa : pki.server));
  Pump(&end, &peer);
  ASSERT_NE(end.seen.info, nullptr) << end.seen.detail << peer.error;
  EXPECT_EQ(end.seen.info->cipher_name, row.name);
  EXPECT_EQ(end.seen.info->alpn, "h2");
  EXPECT_EQ(end.seen.info->version,
            row.version == TLS1_3_VERSION ? Version::kTls13 : Version::kTls12);
  EXPECT_FALSE(end.seen.info->peer.certificate_given);
  EXPECT_EQ(end.tls.counters().sessions_own_records, row.own_records ? 1u : 0u);
  TalkAndClose(&end, &peer);
}

TEST_P(OpenSslPeerTest, WeConnectWithAClientCertificate) {
  const SuiteRow& row = GetParam();
  const Pki& pki = Pki::Get();
  TlsEnd end;
  OpenSslPeer peer({.server = true,
                    .certificate = row.rsa ? pki.server_rsa : pki.server,
                    .trust_pem = pki.root.pem(),
                    .version = row.version,
                    .suite = row.name});
  end.Connect(ClientContext(pki.client), {.sni = "server.example.com"});
  Pump(&end, &peer);
  ASSERT_NE(end.seen.info, nullptr) << end.seen.detail << peer.error;
  EXPECT_EQ(end.seen.info->cipher_name, row.name);
  EXPECT_TRUE(end.seen.info->peer.certificate_given);
  EXPECT_TRUE(peer.done()) << peer.error;
  EXPECT_STREQ(SSL_get_servername(peer.ssl.get(), TLSEXT_NAMETYPE_host_name), "server.example.com");
  TalkAndClose(&end, &peer);
}

INSTANTIATE_TEST_SUITE_P(Suites, OpenSslPeerTest, testing::ValuesIn(kSuites), [](const auto& row) {
  std::string name = row.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name + (row.param.rsa ? "_rsa" : "_ecdsa");
});

TEST(OpenSslPeer, ShowsUsItsCertificate) {
  // Goal: the identity of XFCC and of authorization: URI SANs, subject, hash.
  const Pki& pki = Pki::Get();
  TlsEnd end;
  OpenSslPeer peer({.certificate = pki.client, .trust_pem = pki.root.pem()});
  end.Accept(ServerContext(VerifyPeer::kRequired, pki.server));
  Pump(&end, &peer);
  ASSERT_NE(end.seen.info, nullptr) << end.seen.detail;
  const PeerIdentity& identity = end.seen.info->peer;
  EXPECT_EQ(identity.uri_sans, std::vector<std::string>{"spiffe://cluster.local/ns/a/sa/client"});
  EXPECT_EQ(identity.subject, "CN=client");
  EXPECT_EQ(identity.not_after, kTestNow + 86'400);
  EXPECT_NE(identity.sha256, Sha256{});
  TalkAndClose(&end, &peer);
}

TEST(OpenSslPeer, ShowsUsItsCertificateAsText) {
  // Goal: XFCC's Cert and Chain: the leaf, and what came with it, of new sessions and resumed ones.
  const Pki& pki = Pki::Get();
  const TestAuthority middle("middle", &pki.root);
  const Certificate client = middle.IssueSpiffe("client");
  ServerOptions options{.common = Common(VerifyPeer::kRequired),
                        .certificates = {{{}, pki.server}}};
  options.common.keep_peer_pem = true;
  const auto context = MakeServerContext(options);
  ASSERT_TRUE(context.ok());
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsEnd end;
    OpenSslPeer peer({.certificate = client, .trust_pem = pki.root.pem(), .version = version});
    for (int round = 0; round < 2; ++round) {
      end.Again();
      end.Accept(*context);
      if (round > 0) peer.Begin();
      Pump(&end, &peer);
      ASSERT_NE(end.seen.info, nullptr) << end.seen.detail << peer.error;
      EXPECT_EQ(end.seen.info->resumed, round > 0);
      EXPECT_EQ(end.seen.info->peer.chain_pem, client.chain_pem);
      EXPECT_EQ(end.seen.info->peer.pem,
                client.chain_pem.substr(0, client.chain_pem.find("-----BEGIN", 1)));
      TalkAndClose(&end, &peer);
    }
  }
}

TEST(OpenSslPeer, ResumesASessionOfOurs) {
  // Goal: mutual TLS, resumed from our stateful cache: no certificates are looked at, the identity
  // is there all the same.
  const Pki& pki = Pki::Get();
  const ContextRef context = ServerContext(VerifyPeer::kRequired, pki.server);
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    TlsEnd end;
    OpenSslPeer peer({.certificate = pki.client, .trust_pem = pki.root.pem(), .version = version});
    for (int round = 0; round < 3; ++round) {
      end.Again();
      end.Accept(context);
      if (round > 0) peer.Begin();
      Pump(&end, &peer);
      ASSERT_NE(end.seen.info, nullptr) << end.seen.detail << peer.error;
      EXPECT_EQ(end.seen.info->resumed, round > 0) << version << round;
      EXPECT_EQ(end.seen.info->peer.uri_sans.size(), 1u);
      TalkAndClose(&end, &peer);
    }
    EXPECT_EQ(end.tls.counters().handshakes_resumed, 2u);
  }
}

TEST(OpenSslPeer, LetsUsResumeItsSessions) {
  // Goal: as a client, stateless and stateful tickets, 0 to 2 of them; the record layer goes on
  // right behind them.
  const Pki& pki = Pki::Get();
  const ContextRef context = ClientContext(pki.client);
  for (const int tickets : {0, 1, 2}) {
    for (const bool stateful : {false, true}) {
      TlsEnd end;
      OpenSslPeer peer({.server = true,
                        .certificate = pki.server,
                        .trust_pem = pki.root.pem(),
                        .tickets = tickets,
                        .stateful = stateful});
      for (int round = 0; round < 3; ++round) {
        end.Again();
        if (round > 0) peer.Begin();
        end.Connect(context, {.sni = "a", .resumption_key = "10.0.0.1:80"});
        Pump(&end, &peer);
        ASSERT_NE(end.seen.info, nullptr) << end.seen.detail << peer.error;
        EXPECT_EQ(end.seen.info->resumed, round > 0 && tickets > 0);
        TalkAndClose(&end, &peer);
      }
      EXPECT_EQ(end.tls.handshakes_in_flight(), 0u);
    }
  }
}

TEST(OpenSslPeer, ResumesOnlyAtTheSamePeer) {
  const Pki& pki = Pki::Get();
  const ContextRef context = ClientContext(pki.client);
  TlsEnd end;
  OpenSslPeer peer({.server = true, .certificate = pki.server, .trust_pem = pki.root.pem()});
  const auto connect = [&](const ContextRef& with, const char* sni, const char* key) {
    end.Again();
    peer.Begin();
    end.Connect(with, {.sni = sni, .resumption_key = key});
    Pump(&end, &peer);
    CHECK(end.seen.info != nullptr);
    return end.seen.info->resumed;
  };
  EXPECT_FALSE(connect(context, "a", "1"));
  EXPECT_TRUE(connect(context, "a", "1"));
  EXPECT_FALSE(connect(context, "b", "1"));
  EXPECT_FALSE(connect(context, "a", "2"));
  // An equal context (the same files read again) resumes; one with another certificate does not.
  EXPECT_TRUE(connect(ClientContext(pki.client), "a", "1"));
  EXPECT_FALSE(connect(ClientContext(), "a", "1"));
}

TEST(OpenSslPeer, ChangesKeysBothWays) {
  // Goal: KeyUpdate from us and from the peer, asked for and not, between and amid data.
  const Pki& pki = Pki::Get();
  for (const bool server : {false, true}) {
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
      TlsEnd end;
      OpenSslPeer peer({.server = server,
                        .certificate = pki.server,
                        .trust_pem = pki.root.pem(),
                        .suite = suite});
      if (server) {
        end.Connect(ClientContext(pki.client));
      } else {
        end.Accept(ServerContext(VerifyPeer::kRequired, pki.server));
      }
      Pump(&end, &peer);
      ASSERT_NE(end.seen.info, nullptr) << end.seen.detail;
      for (int round = 0; round < 8; ++round) {
        ASSERT_TRUE(end.Send("before"));
        peer.Send("before");
        if (round & 1) end.UpdateKeys(round & 2 ? Tls::RequestPeer::kYes : Tls::RequestPeer::kNo);
        if (round & 4) peer.UpdateKeys(round & 2);
        ASSERT_TRUE(end.Send("after"));
        peer.Send("after");
        Pump(&end, &peer);
        ASSERT_EQ(peer.error, "") << suite << round;
        ASSERT_EQ(end.seen.error, TlsError::kNone) << suite << round;
      }
      EXPECT_EQ(end.seen.plain.size(), 8u * 11);
      EXPECT_EQ(peer.plain.size(), 8u * 11);
      end.seen.plain.clear();
      peer.plain.clear();
      TalkAndClose(&end, &peer);
    }
  }
}

TEST(OpenSslPeer, ChangesKeysByItselfBeforeTheyWearOut) {
  // Goal: a limit of 5 records per key; 100 records each way; both directions change.
  const Pki& pki = Pki::Get();
  TlsOptions options = TestOptions();
  options.records_per_key_max = 5;
  TlsEnd end(options);
  OpenSslPeer peer({.trust_pem = pki.root.pem()});
  end.Accept(ServerContext(VerifyPeer::kNo, pki.server));
  Pump(&end, &peer);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(end.Send("x"));
    peer.Send("y");
    Pump(&end, &peer);
  }
  EXPECT_EQ(peer.error, "");
  EXPECT_EQ(peer.plain.size(), 100u);
  EXPECT_EQ(end.seen.plain.size(), 100u);
  EXPECT_GE(end.tls.counters().key_updates_out, 20u);
  EXPECT_GE(end.tls.counters().key_updates_in, 15u);
}

TEST(OpenSslPeer, BytesMayComeInAnyPieces) {
  // Goal: the whole conversation one byte at a time, and in slices of 3.
  const Pki& pki = Pki::Get();
  for (const uint32_t piece : {1u, 3u}) {
    TlsEnd end;
    OpenSslPeer peer({.certificate = pki.client, .trust_pem = pki.root.pem()});
    end.Accept(ServerContext(VerifyPeer::kRequired, pki.server));
    for (int round = 0; round < 6; ++round) {
      const std::string bytes = peer.Take();
      for (size_t i = 0; i < bytes.size(); i += piece) {
        end.Receive(bytes.substr(i, piece), 1);
        end.Poll();
        end.Poll();
      }
      peer.Receive(end.Take());
      if (round == 2) peer.Send(Text(500));
    }
    EXPECT_EQ(end.seen.plain, Text(500));
  }
}

TEST(OpenSslPeer, RequestsMayFollowTheFinishedAtOnce) {
  // Goal: a client's first request rides behind its Finished in one segment, larger than what one
  // trip takes along: not a byte is lost or out of order.
  const Pki& pki = Pki::Get();
  TlsEnd end;
  OpenSslPeer peer({.certificate = pki.client, .trust_pem = pki.root.pem()});
  end.Accept(ServerContext(VerifyPeer::kRequired, pki.server));
  end.Receive(peer.Take());
  end.Poll();
  peer.Receive(end.Take());
  ASSERT_TRUE(peer.done());
  peer.Send(Text(100'000));
  end.Receive(peer.Take(), 1448);
  peer.Send("more");
  end.Receive(peer.Take());  // while the handshake is on its trip
  EXPECT_EQ(end.seen.info, nullptr);
  end.Poll();
  ASSERT_NE(end.seen.info, nullptr);
  EXPECT_EQ(end.seen.plain, Text(100'000) + "more");
}

TEST(OpenSslPeer, RefusesEarlyData) {
  // Goal: our tickets allow none, so OpenSSL's client cannot send any.
  const Pki& pki = Pki::Get();
  TlsEnd end;
  OpenSslPeer peer({.trust_pem = pki.root.pem()});
  end.Accept(ServerContext(VerifyPeer::kNo, pki.server));
  Pump(&end, &peer);
  ASSERT_NE(peer.session, nullptr);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(peer.session.get()), 0u);
}

TEST(OpenSslPeer, TellsUsWhyItRefuses) {
  // Goal: a server that does not know our issuer sends its alert behind our handshake: the record
  // layer opens it.
  const Pki& pki = Pki::Get();
  const TestAuthority other("other");
  TlsEnd end;
  OpenSslPeer peer({.server = true, .certificate = pki.server, .trust_pem = pki.root.pem()});
  end.Connect(ClientContext(other.IssueSpiffe("stranger")));
  Pump(&end, &peer);
  EXPECT_NE(peer.error, "");
  EXPECT_EQ(end.seen.error, TlsError::kPeerAlert);
  EXPECT_EQ(Name(end.seen.alert), "unknown_ca");
  EXPECT_EQ(end.tls.counters().alerts_in, 1u);
}

}  // namespace
}  // namespace meltemi::tls
