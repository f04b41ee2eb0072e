// Goal: peers are judged by the time of day in force when they show their certificate, also after
// it was set.
#include <gtest/gtest.h>

#include <utility>

#include "dataplane/tls/testing/mesh_ends.h"

namespace meltemi::tls {
namespace {

constexpr int64_t kHalfDay = 43'200;

WallClock Set(int64_t ahead_s) { return {.offset_nanos = (kTestNow + ahead_s) * 1'000'000'000}; }

TEST(WallClock, ACertificateOfTheNewTimeIsGoodOnceTheClockIsSet) {
  const MeshPki& pki = MeshPki::Get();
  MeshOptions options;
  options.client.certificate = pki.root.Issue(
      {.not_before = kTestNow + kHalfDay - 120, .not_after = kTestNow + 3 * kHalfDay});
  struct Row {
    int64_t ahead_s;
    TlsError server;
  };
  for (const Row& row : {Row{0, TlsError::kPeerCertificateExpired},
                         Row{kHalfDay - 121, TlsError::kPeerCertificateExpired},
                         Row{kHalfDay - 120, TlsError::kNone}, Row{kHalfDay, TlsError::kNone},
                         Row{3 * kHalfDay - 1, TlsError::kNone},
                         Row{3 * kHalfDay, TlsError::kPeerCertificateExpired}}) {
    MeshEnds ends;
    ends.server.tls.SetWallClock(Set(row.ahead_s));
    ends.Shake(Client(options.client), Server(options.server));
    EXPECT_EQ(ends.server.seen.error, row.server) << row.ahead_s;
  }
}

TEST(WallClock, WhatWasGoodIsJudgedAnewByTheNewTime) {
  // The contexts stay and have seen the certificate: that it was good is no answer any more.
  MeshOptions options;
  options.client.certificate = MeshPki::Get().root.Issue({.not_after = kTestNow + kHalfDay});
  const ContextRef client = Client(options.client), server = Server(options.server);
  for (const auto& [ahead_s, error] : {std::pair{int64_t{0}, TlsError::kNone},
                                       {kHalfDay + 1, TlsError::kPeerCertificateExpired},
                                       {int64_t{0}, TlsError::kNone}}) {
    MeshEnds ends;
    ends.server.tls.SetWallClock(Set(ahead_s));
    ends.Shake(client, server);
    EXPECT_EQ(ends.server.seen.error, error) << ahead_s;
  }
}

}  // namespace
}  // namespace meltemi::tls
