// Handshakes between two ends of ours: who is accepted and who is not, resumption, rotation.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/mesh_ends.h"

namespace meltemi::tls {
namespace {

struct Row {
  const char* name;
  std::function<void(MeshOptions*)> change;
  TlsError client, server;            // kNone: the handshake was done
  Alert alert = Alert::kCloseNotify;  // what the one that refuses has sent
};

const Row kRows[] = {
    {"mutual", [](MeshOptions*) {}, TlsError::kNone, TlsError::kNone},
    {"client unknown to the server",
     [](MeshOptions* o) { o->client.certificate = MeshPki::Get().other.IssueSpiffe("b"); },
     TlsError::kPeerAlert, TlsError::kPeerCertificateUnknownIssuer, Alert::kUnknownCa},
    {"server unknown to the client",
     [](MeshOptions* o) {
       o->server.certificates = {{{}, MeshPki::Get().other.IssueSpiffe("a")}};
     },
     TlsError::kPeerCertificateUnknownIssuer, TlsError::kPeerAlert, Alert::kUnknownCa},
    {"client without a certificate", [](MeshOptions* o) { o->client.certificate = {}; },
     TlsError::kPeerAlert, TlsError::kPeerCertificateMissing, Alert::kCertificateRequired},
    {"client without a certificate, TLS 1.2",
     [](MeshOptions* o) {
       o->client.certificate = {};
       o->client.common.version_max = Version::kTls12;
     },
     TlsError::kPeerAlert, TlsError::kPeerCertificateMissing, Alert::kHandshakeFailure},
    {"client without one, where it may",
     [](MeshOptions* o) {
       o->client.certificate = {};
       o->server.common.verify = VerifyPeer::kIfGiven;
     },
     TlsError::kNone, TlsError::kNone},
    {"client expired",
     [](MeshOptions* o) {
       o->client.certificate = MeshPki::Get().root.Issue({.not_after = kTestNow - 1});
     },
     TlsError::kPeerAlert, TlsError::kPeerCertificateExpired, Alert::kCertificateExpired},
    {"server not valid yet",
     [](MeshOptions* o) {
       o->server.certificates = {{{}, MeshPki::Get().root.Issue({.not_before = kTestNow + 60})}};
     },
     TlsError::kPeerCertificateExpired, TlsError::kPeerAlert, Alert::kCertificateExpired},
    {"server with a client's certificate",
     [](MeshOptions* o) {
       o->server.certificates = {{{}, MeshPki::Get().root.Issue({.client_only = true})}};
     },
     TlsError::kPeerCertificateInvalid, TlsError::kPeerAlert, Alert::kUnsupportedCertificate},
    {"secure naming: the right account",
     [](MeshOptions* o) { o->client.common.peer.uris = {"spiffe://cluster.local/ns/a/sa/a"}; },
     TlsError::kNone, TlsError::kNone},
    {"secure naming: another account",
     [](MeshOptions* o) { o->client.common.peer.uris = {"spiffe://cluster.local/ns/a/sa/x"}; },
     TlsError::kPeerIdentity, TlsError::kPeerAlert, Alert::kCertificateUnknown},
    {"secure naming of the request goes before the context's",
     [](MeshOptions* o) {
       o->client.common.peer.uris = {"spiffe://cluster.local/ns/a/sa/a"};
       o->request.peer = std::make_unique<PeerRule>();
       o->request.peer->uris = {"spiffe://cluster.local/ns/a/sa/x"};
     },
     TlsError::kPeerIdentity, TlsError::kPeerAlert, Alert::kCertificateUnknown},
    {"trust domain: ours",
     [](MeshOptions* o) { o->server.common.peer.trust_domains = {"cluster.local"}; },
     TlsError::kNone, TlsError::kNone},
    {"trust domain: another's",
     [](MeshOptions* o) { o->server.common.peer.trust_domains = {"cluster.loca"}; },
     TlsError::kPeerAlert, TlsError::kPeerIdentity, Alert::kCertificateUnknown},
    {"DNS name",
     [](MeshOptions* o) {
       o->server.certificates = {{{}, MeshPki::Get().root.Issue({.dns_names = {"*.x.com"}})}};
       o->client.common.peer.dns_names = {"a.x.com"};
     },
     TlsError::kNone, TlsError::kNone},
    {"DNS name: a wildcard is one label",
     [](MeshOptions* o) {
       o->server.certificates = {{{}, MeshPki::Get().root.Issue({.dns_names = {"*.x.com"}})}};
       o->client.common.peer.dns_names = {"a.b.x.com"};
     },
     TlsError::kPeerIdentity, TlsError::kPeerAlert, Alert::kCertificateUnknown},
    {"roots of the identity's trust domain",
     [](MeshOptions* o) {
       o->client.common.trust = {{"other.local", MeshPki::Get().other.pem()},
                                 {"cluster.local", MeshPki::Get().root.pem()}};
     },
     TlsError::kNone, TlsError::kNone},
    {"roots of another trust domain do not vouch for it",
     [](MeshOptions* o) {
       o->client.common.trust = {{"other.local", MeshPki::Get().root.pem()},
                                 {"cluster.local", MeshPki::Get().other.pem()}};
     },
     TlsError::kPeerCertificateUnknownIssuer, TlsError::kPeerAlert, Alert::kUnknownCa},
    {"two identities: the second would not be vouched for by its own roots",
     [](MeshOptions* o) {
       o->server.certificates = {
           {{},
            MeshPki::Get().root.Issue(
                {.uris = {"spiffe://cluster.local/ns/a/sa/a", "spiffe://other.local/ns/a/sa/a"}})}};
       o->client.common.trust = {{"other.local", MeshPki::Get().other.pem()},
                                 {"cluster.local", MeshPki::Get().root.pem()}};
       o->client.common.peer.uris = {"spiffe://other.local/ns/a/sa/a"};
     },
     TlsError::kPeerCertificateInvalid, TlsError::kPeerAlert, Alert::kBadCertificate},
    {"old and new root together (rotation)",
     [](MeshOptions* o) {
       o->client.common.trust = {{.pem = MeshPki::Get().other.pem() + MeshPki::Get().root.pem()}};
     },
     TlsError::kNone, TlsError::kNone},
    {"nothing is verified where nothing shall be",
     [](MeshOptions* o) {
       o->client.common.verify = VerifyPeer::kNo;
       o->server.certificates = {{{}, MeshPki::Get().other.IssueSpiffe("a")}};
     },
     TlsError::kNone, TlsError::kNone},
    {"no common version",
     [](MeshOptions* o) {
       o->client.common.version_max = Version::kTls12;
       o->server.common.version_min = Version::kTls13;
     },
     TlsError::kPeerAlert, TlsError::kNoCommonParameters, Alert::kProtocolVersion},
    {"no common cipher suite",
     [](MeshOptions* o) {
       o->client.common.cipher_suites_13 = "TLS_AES_128_GCM_SHA256";
       o->server.common.cipher_suites_13 = "TLS_AES_256_GCM_SHA384";
     },
     TlsError::kPeerAlert, TlsError::kNoCommonParameters, Alert::kHandshakeFailure},
};

TEST(Handshake, AcceptsAndRefusesByRule) {
  for (const Row& row : kRows) {
    MeshOptions options;
    row.change(&options);
    MeshEnds ends;
    ends.Shake(Client(options.client), Server(options.server), std::move(options.request));
    EXPECT_EQ(ends.client.seen.error, row.client) << row.name << ends.client.seen.detail;
    EXPECT_EQ(ends.server.seen.error, row.server) << row.name << ends.server.seen.detail;
    const Seen& told = row.client == TlsError::kPeerAlert ? ends.client.seen : ends.server.seen;
    EXPECT_EQ(Name(told.alert), Name(row.alert)) << row.name;
    // A client may be done before the server has looked at its certificate.
    EXPECT_EQ(ends.server.seen.info != nullptr, row.server == TlsError::kNone) << row.name;
    EXPECT_EQ(ends.server.tls.handshakes_in_flight(), 0u) << row.name;
    if (row.server == TlsError::kNone) {
      EXPECT_TRUE(ends.client.Send("hello"));
      Pump(&ends.client, &ends.server);
      EXPECT_EQ(ends.server.seen.plain, "hello") << row.name;
    }
  }
}

TEST(Handshake, ChainsOfIntermediatesAreVerified) {
  const TestAuthority intermediate("intermediate", &MeshPki::Get().root);
  MeshOptions options;
  options.client.certificate = intermediate.IssueSpiffe("c");
  MeshEnds ends;
  ends.Shake(Client(options.client), Server(options.server));
  ASSERT_TRUE(ends.done()) << ends.server.seen.detail;
  EXPECT_EQ(ends.server.seen.info->peer.uri_sans.front(), "spiffe://cluster.local/ns/a/sa/c");
}

TEST(Handshake, VerifiedChainsAreRemembered) {
  // Goal: the second handshake with the same certificate verifies nothing; a day later, when it
  // has ended, it is not accepted from memory; other roots do not share the memory.
  MeshOptions options;
  options.server.session_count_max = 0;
  options.client.resume = false;
  const ContextRef server = Server(options.server), client = Client(options.client);
  MeshEnds ends;
  const auto again = [&](const ContextRef& with) {
    ends.client.Again();
    ends.server.Again();
    ends.Shake(client, with);
    return ends.done();
  };
  EXPECT_TRUE(again(server));
  EXPECT_EQ(ends.server.tls.counters().certificates_verified, 1u);
  EXPECT_TRUE(again(server));
  EXPECT_EQ(ends.server.tls.counters().certificates_verified, 1u);
  EXPECT_EQ(ends.server.tls.counters().certificates_known, 1u);
  EXPECT_EQ(ends.server.tls.counters().certificates_parsed, 1u);
  options.server.common.trust = {{.pem = MeshPki::Get().other.pem()}};
  again(Server(options.server));
  EXPECT_EQ(ends.server.seen.error, TlsError::kPeerCertificateUnknownIssuer);
  ends.server.Advance(Duration::Seconds(86'401));
  again(server);
  EXPECT_EQ(ends.server.seen.error, TlsError::kPeerCertificateExpired);
}

TEST(Handshake, ResumedPeersAreLookedAtAgain) {
  // Goal: a session outlives neither the certificate it was made with nor a changed rule.
  MeshOptions options;
  const ContextRef server = Server(options.server), client = Client(options.client);
  MeshEnds ends;
  ends.Shake(client, server, {.sni = "a"});
  ASSERT_TRUE(ends.done());
  const auto again = [&](std::unique_ptr<PeerRule> rule) {
    ends.client.Again();
    ends.server.Again();
    ends.Shake(client, server, {.sni = "a", .peer = std::move(rule)});
  };
  again(nullptr);
  ASSERT_TRUE(ends.done());
  EXPECT_TRUE(ends.client.seen.info->resumed);
  auto rule = std::make_unique<PeerRule>();
  rule->uris = {"spiffe://cluster.local/ns/a/sa/x"};
  again(std::move(rule));
  // It is not even offered, so that the refusal is that of a full handshake.
  EXPECT_EQ(ends.client.seen.error, TlsError::kPeerIdentity);
  EXPECT_EQ(ends.client.seen.detail, "certificate of somebody else");
  EXPECT_EQ(ends.server.seen.error, TlsError::kPeerAlert);
  EXPECT_EQ(Name(ends.server.seen.alert), "certificate_unknown");
  // That session is gone from the client: the next one is made anew.
  again(nullptr);
  ASSERT_TRUE(ends.done());
  EXPECT_FALSE(ends.client.seen.info->resumed);
  ends.server.Advance(Duration::Seconds(86'401));
  again(nullptr);
  EXPECT_NE(ends.server.seen.error, TlsError::kNone);
  EXPECT_FALSE(ends.done());
}

TEST(Handshake, WhoResumesAndIsRefusedIsTold) {
  // Goal: who is refused by what is looked at when OpenSSL has done the handshake hears why.
  // Method: a client whose certificate has ended, by a clock that only the server has; OpenSSL's
  // cache goes by the day's time.
  for (const bool tls12 : {false, true}) {
    MeshOptions options;
    options.client.certificate = MeshPki::Get().root.Issue({.not_after = kTestNow + 100});
    if (tls12) options.client.common.version_max = Version::kTls12;
    const ContextRef server = Server(options.server), client = Client(options.client);
    MeshEnds ends;
    for (const bool ended : {false, true}) {
      ends.client.Again();
      ends.server.Again();
      if (ended) ends.server.Advance(Duration::Seconds(200));
      ends.Shake(client, server, {.sni = "a"});
      EXPECT_EQ(ends.server.seen.info == nullptr, ended);
    }
    ASSERT_TRUE(ends.client.seen.info->resumed);
    EXPECT_EQ(ends.server.seen.error, TlsError::kPeerCertificateExpired);
    if (tls12) {
      EXPECT_EQ(ends.client.seen.close_notifies, 1);
    } else {
      EXPECT_EQ(ends.client.seen.error, TlsError::kPeerAlert);
      EXPECT_EQ(Name(ends.client.seen.alert), "certificate_expired");
      EXPECT_EQ(ends.server.tls.counters().alerts_out, 1u);
    }
  }
}

TEST(Handshake, RotationLeavesSessionsAlone) {
  // Goal: new certificates and roots are another Context; sessions of the old one go on after it
  // is gone, new ones show the new certificate, and nothing is resumed across.
  const MeshPki& pki = MeshPki::Get();
  MeshOptions options;
  ContextRef server = Server(options.server);
  const ContextRef client = Client(options.client);
  MeshEnds ends;
  ends.Shake(client, server, {.sni = "a"});
  ASSERT_TRUE(ends.done());
  const TlsId old_client = ends.client.id, old_server = ends.server.id;
  options.server.certificates = {{{}, pki.root.IssueSpiffe("a2")}};
  server = Server(options.server);  // the old context dies here
  ends.client.seen = {};
  ends.server.seen = {};
  ends.Shake(client, server, {.sni = "a"});
  ASSERT_TRUE(ends.done());
  EXPECT_FALSE(ends.client.seen.info->resumed);
  EXPECT_EQ(ends.client.seen.info->peer.subject, "CN=a2");
  ends.client.id = old_client;
  ends.server.id = old_server;
  ASSERT_TRUE(ends.client.Send("old"));
  Pump(&ends.client, &ends.server);
  EXPECT_EQ(ends.server.seen.plain, "old");
}

TEST(Handshake, CertificatesAreChosenBySni) {
  const MeshPki& pki = MeshPki::Get();
  const auto named = [&pki](std::vector<std::string> names, const char* subject) {
    return NamedCertificate{std::move(names), pki.root.Issue({.common_name = subject})};
  };
  MeshOptions options;
  options.server.certificates = {named({"first.com"}, "first"), named({"*.wild.com"}, "wild"),
                                 named({"exact.wild.com"}, "exact"), named({}, "any")};
  const ContextRef server = Server(options.server);
  const ContextRef client = Client(options.client);
  const std::pair<const char*, const char*> rows[] = {
      {"first.com", "CN=first"},  {"FIRST.com", "CN=first"},
      {"a.wild.com", "CN=wild"},  {"exact.wild.com", "CN=exact"},
      {"a.b.wild.com", "CN=any"}, {"wild.com", "CN=any"},
      {"nobody.com", "CN=any"},   {"", "CN=first"}};
  for (const auto& [sni, subject] : rows) {
    MeshEnds ends;
    ends.Shake(client, server, {.sni = sni});
    ASSERT_TRUE(ends.done());
    EXPECT_EQ(ends.client.seen.info->peer.subject, subject) << sni;
    EXPECT_EQ(ends.server.seen.info->sni, sni);
  }
}

TEST(Handshake, AlpnIsTheServersFirstThatTheClientHas) {
  struct AlpnRow {
    std::vector<std::string> server, client, request;
    const char* agreed;
  };
  for (const AlpnRow& row :
       {AlpnRow{{"h2", "http/1.1"}, {"http/1.1", "h2"}, {}, "h2"},
        AlpnRow{{"h2"}, {"http/1.1"}, {}, ""}, AlpnRow{{}, {"h2"}, {}, ""},
        AlpnRow{{"h2"}, {}, {}, ""}, AlpnRow{{"istio", "h2"}, {"h2"}, {"istio"}, "istio"}}) {
    MeshOptions options;
    options.server.common.alpn = row.server;
    options.client.common.alpn = row.client;
    MeshEnds ends;
    ends.Shake(Client(options.client), Server(options.server), {.alpn = row.request});
    ASSERT_TRUE(ends.done());
    EXPECT_EQ(ends.client.seen.info->alpn, row.agreed);
    EXPECT_EQ(ends.server.seen.info->alpn, row.agreed);
  }
}

TEST(Handshake, SessionsOfTls12AndChaChaLiveOn) {
  // Goal: two ends of ours on the second path, with an end in order, a cut, and a bad record.
  enum class How { kOrderly, kCut, kAltered };
  for (const bool tls12 : {true, false}) {
    MeshOptions options;
    if (tls12) {
      options.client.common.version_max = Version::kTls12;
    } else {
      options.client.common.cipher_suites_13 = "TLS_CHACHA20_POLY1305_SHA256";
    }
    for (const How how : {How::kOrderly, How::kCut, How::kAltered}) {
      MeshEnds ends;
      ends.Shake(Client(options.client), Server(options.server));
      ASSERT_TRUE(ends.done());
      ASSERT_TRUE(ends.client.Send(std::string(50'000, 'x')));
      Pump(&ends.client, &ends.server);
      EXPECT_EQ(ends.server.seen.plain.size(), 50'000u);
      ASSERT_TRUE(ends.client.Send("last"));
      if (how == How::kOrderly) ends.client.Close();
      std::string bytes = ends.client.Take();
      if (how == How::kAltered) bytes.back() = static_cast<char>(bytes.back() ^ 1);
      ends.server.Receive(bytes);
      ends.server.Eof();
      EXPECT_EQ(ends.server.seen.error,
                how == How::kAltered ? TlsError::kBadRecordMac : TlsError::kNone);
      EXPECT_EQ(ends.server.seen.close_notifies, how == How::kOrderly ? 1 : 0);
      EXPECT_EQ(ends.server.seen.truncations, how == How::kCut ? 1 : 0);
      EXPECT_EQ(ends.server.tls.counters().truncated, how == How::kCut ? 1u : 0u);
      if (how == How::kAltered) {
        ends.client.Receive(ends.server.Take());
        EXPECT_EQ(ends.client.seen.error, TlsError::kPeerAlert);
        EXPECT_EQ(ends.client.seen.alert, Alert::kBadRecordMac);
      } else {
        EXPECT_EQ(ends.server.seen.plain.size(), 50'004u);
      }
    }
    EXPECT_EQ(MeshEnds().server.tls.session_count(), 0u);
  }
}

TEST(Handshake, ACutInsideOfARecordIsOneToo) {
  for (const bool tls12 : {true, false}) {
    MeshOptions options;
    if (tls12) options.client.common.version_max = Version::kTls12;
    MeshEnds ends;
    ends.Shake(Client(options.client), Server(options.server));
    ASSERT_TRUE(ends.client.Send("last"));
    std::string bytes = ends.client.Take();
    bytes.pop_back();
    ends.server.Receive(bytes);
    ends.server.Eof();
    EXPECT_EQ(ends.server.seen.plain, "");
    EXPECT_EQ(ends.server.seen.truncations, 1);
  }
}

}  // namespace
}  // namespace meltemi::tls
