// Goal: what the operator reads. Method: metrics in, whole text out.
#include "control/cli/connections.h"

#include "control/cli/http_get.h"
#include "gtest/gtest.h"

namespace meltemi::control::cli {
namespace {

std::string Line(const std::string& reporter, const std::string& source, const std::string& client,
                 const std::string& service, const std::string& server, const std::string& code,
                 const std::string& policy, int count) {
  return "istio_requests_total{reporter=\"" + reporter + "\",source_workload=\"" + source +
         "\",source_workload_namespace=\"default\",source_principal=\"" + client +
         "\",destination_service=\"" + service + "\",destination_principal=\"" + server +
         "\",response_code=\"" + code + "\",connection_security_policy=\"" + policy + "\"} " +
         std::to_string(count) + "\n";
}

// Two nodes tell of one pair: it is there once. Who comes without an identity is there too.
TEST(Talks, AreReadFromBothSides) {
  const std::string client_node =
      "# TYPE istio_requests_total counter\n"
      "other{a=\"b\"} 3\n" +
      Line("source", "page-v1", "spiffe://td/ns/default/sa/page", "reviews.default.svc",
           "spiffe://td/ns/default/sa/reviews", "200", "mutual_tls", 7) +
      Line("source", "page-v1", "spiffe://td/ns/default/sa/page", "reviews.default.svc",
           "spiffe://td/ns/default/sa/reviews", "503", "mutual_tls", 2);
  const std::string server_node =
      Line("destination", "unknown", "spiffe://td/ns/default/sa/page", "",
           "spiffe://td/ns/default/sa/reviews", "200", "mutual_tls", 7) +
      Line("destination", "unknown", "unknown", "", "spiffe://td/ns/default/sa/reviews", "200",
           "none", 1) +
      "istio_tcp_connections_closed_total{reporter=\"source\",source_workload=\"a\\\"b\","
      "source_workload_namespace=\"x\",source_principal=\"unknown\",destination_service=\"db\","
      "destination_principal=\"unknown\",connection_security_policy=\"none\"} 4\n";
  EXPECT_EQ(
      DescribeTalks(ReadTalks({client_node, server_node})),
      "SOURCE            SOURCE PRINCIPAL        DESTINATION           DESTINATION PRINCIPAL      "
      "MUTUAL TLS   REQUESTS   FAILED   CONNECTIONS\n"
      "-                 -                       -                     td/ns/default/sa/reviews   "
      "no           1          0        -\n"
      "a\"b.x             -                       db                    -                          "
      "no           -          -        4\n"
      "page-v1.default   td/ns/default/sa/page   reviews.default.svc   td/ns/default/sa/reviews   "
      "yes          9          2        -\n");
}

TEST(Talks, AreJsonForPrograms) {
  const std::string json = TalksToJson(
      ReadTalks({Line("source", "a", "spiffe://td/a", "s", "unknown", "0", "none", 1)}));
  for (const char* part : {"\"source\": \"a.default\"", "\"sourcePrincipal\": \"spiffe://td/a\"",
                           "\"destinationPrincipal\": \"\"", "\"mutualTls\": false",
                           "\"requests\": 1", "\"failed\": 1"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
  }
}

TEST(Talks, NonsenseIsPassedOver) {
  for (const char* text : {"{", "a{", "a{b", "a{b=\"c", "a{b=\"c\"", "a{b=\"c\"}", "a{} x", "\n\n",
                           "istio_requests_total{a=\"\\"}) {
    EXPECT_TRUE(ReadTalks({text}).empty()) << text;
  }
}

TEST(AdminAddresses, AreWhereTheNodesComeFrom) {
  v1::StatusResponse status;
  auto* a = status.add_nodes();
  a->set_id("a");
  a->set_address("ipv4:10.99.0.11:4000");
  auto* b = status.add_nodes();
  b->set_id("b");
  b->set_address("ipv6:%5Bfd00::1%5D:4000");
  const auto all = AdminAddresses(status, {}, "15000");
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->at("a"), "10.99.0.11:15000");
  EXPECT_EQ(all->at("b"), "[fd00::1]:15000");
  EXPECT_EQ(AdminAddresses(status, {"b"}, "1")->size(), 1u);
  EXPECT_EQ(AdminAddresses(status, {"c"}, "1").status().message(),
            "no node \"c\" is connected to Pilot");
}

TEST(HttpGet, Addresses) {
  EXPECT_EQ(SplitAddress("10.0.0.1:80")->port, "80");
  EXPECT_EQ(SplitAddress("[::1]:80")->host, "::1");
  for (const char* bad : {"", "a", "a:", ":80", "::1", "[]:1"}) {
    EXPECT_FALSE(SplitAddress(bad).ok()) << bad;
  }
}

TEST(HttpGet, Replies) {
  EXPECT_EQ(*BodyOf("HTTP/1.1 200 OK\r\na: b\r\n\r\nbody"), "body");
  EXPECT_EQ(BodyOf("HTTP/1.1 404 Not Found\r\n\r\n").status().message(), "it answers 404");
  EXPECT_FALSE(BodyOf("HTTP/1.1 200 OK\r\n").ok());
  EXPECT_FALSE(BodyOf("hello").ok());
}

}  // namespace
}  // namespace meltemi::control::cli
