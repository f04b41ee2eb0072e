#include "l7/telemetry/tls_stats.h"

#include <string>

#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::telemetry {
namespace {

// Goal: each outcome is counted once, under the name that Envoy's users look for. Method: one of
// each, the pages' samples whole.
TEST(TlsStats, EachOutcomeHasItsCounter) {
  TlsStats stats;
  stats.Count({.result = TlsResult::kDone, .peer_certificate = true});
  stats.Count({.result = TlsResult::kDone, .resumed = true});
  stats.Count({.result = TlsResult::kFailed});
  stats.Count({.result = TlsResult::kFailed});
  stats.Count({.result = TlsResult::kFailed});
  for (int i = 0; i < 4; ++i) stats.Count({.result = TlsResult::kFailedNoCertificate});
  for (int i = 0; i < 5; ++i) stats.Count({.result = TlsResult::kFailedUntrusted});
  for (int i = 0; i < 6; ++i) stats.Count({.result = TlsResult::kFailedName});
  std::vector<Sample> samples;
  stats.AppendSamples("envoy_cluster", "a=\"b\"", &samples);
  std::string text;
  for (const Sample& s : samples) AppendTo(&text, s.name, "{", s.labels, "} ", s.value, "\n");
  EXPECT_EQ(text,
            "envoy_cluster_ssl_handshake{a=\"b\"} 2\n"
            "envoy_cluster_ssl_session_reused{a=\"b\"} 1\n"
            "envoy_cluster_ssl_no_certificate{a=\"b\"} 1\n"
            "envoy_cluster_ssl_connection_error{a=\"b\"} 3\n"
            "envoy_cluster_ssl_fail_verify_no_cert{a=\"b\"} 4\n"
            "envoy_cluster_ssl_fail_verify_error{a=\"b\"} 5\n"
            "envoy_cluster_ssl_fail_verify_san{a=\"b\"} 6\n");
}

}  // namespace
}  // namespace meltemi::telemetry
