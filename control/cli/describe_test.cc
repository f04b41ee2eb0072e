// Goal: what the operator reads. Method: messages in, whole text out.
#include "control/cli/describe.h"

#include "control/cli/table.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "gtest/gtest.h"

namespace meltemi::control::cli {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoBlanksAtTheEnd) {
  EXPECT_EQ(FormatTable({{"A", "BB"}, {"long", ""}, {"x", "y"}}), "A      BB\nlong\nx      y\n");
}

TEST(Problem, LeavesOutWhatIsNotKnown) {
  v1::Problem problem;
  problem.set_object("Service a/b");
  problem.set_message("not found");
  EXPECT_EQ(ToString(problem), "Service a/b: not found");
}

TEST(Status, ShowsNodesRefusalsAndProblems) {
  v1::StatusResponse status;
  status.set_version("v2");
  status.set_objects(4);
  status.set_services(1);
  auto* problem = status.add_problems();
  problem->set_file("a.yaml");
  problem->set_message("bad");
  auto* node = status.add_nodes();
  node->set_id("node-a");
  node->set_address("ipv4:10.99.0.11:4000");
  const std::string envoy = "type.googleapis.com/envoy.config.";
  auto* clusters = node->add_types();
  clusters->set_type_url(envoy + "cluster.v3.Cluster");
  clusters->set_version_sent("v2");
  clusters->set_in_sync(true);
  clusters->set_resources(3);
  auto* routes = node->add_types();
  routes->set_type_url(envoy + "route.v3.RouteConfiguration");
  routes->set_version_sent("v2");
  routes->set_version_nacked("v2");
  routes->set_error("no such thing");
  EXPECT_EQ(
      DescribeStatus(status),
      "Configuration: v2 since 1970-01-01 00:00:00Z, 1 services, 4 objects in the registry\n"
      "The registry's present content is NOT in force:\n"
      "  a.yaml: bad\n"
      "\n"
      "NODE     ADDRESS                CONNECTED              CDS          EDS   LDS   RDS    "
      "   SDS\n"
      "node-a   ipv4:10.99.0.11:4000   1970-01-01 00:00:00Z   SYNCED (3)   -     -     "
      "REFUSED   -\n"
      "\n"
      "node-a refused RouteConfiguration v2: no such thing\n");
}

TEST(Routes, ShowMatchDestinationAndPolicy) {
  envoy::config::route::v3::RouteConfiguration config;
  config.set_name("9080");
  auto* host = config.add_virtual_hosts();
  host->set_name("reviews:9080");
  auto* route = host->add_routes();
  route->set_name("canary");
  route->mutable_match()->set_prefix("/");
  auto* header = route->mutable_match()->add_headers();
  header->set_name("end-user");
  header->mutable_string_match()->set_exact("jason");
  for (const auto& [name, weight] : {std::pair("v1", 90), std::pair("v2", 10)}) {
    auto* cluster = route->mutable_route()->mutable_weighted_clusters()->add_clusters();
    cluster->set_name(name);
    cluster->mutable_weight()->set_value(weight);
  }
  route->mutable_route()->mutable_timeout()->set_seconds(2);
  route->mutable_route()->add_request_mirror_policies()->set_cluster("copy");
  envoy::extensions::filters::http::fault::v3::HTTPFault fault;
  fault.mutable_abort()->set_http_status(503);
  fault.mutable_abort()->mutable_percentage()->set_numerator(5000);
  (*route->mutable_typed_per_filter_config())["envoy.filters.http.fault"].PackFrom(fault);
  v1::ProxyConfigResponse response;
  response.add_resources()->mutable_resource()->PackFrom(config);
  EXPECT_EQ(
      DescribeRoutes(response),
      "CONFIG   HOST           ROUTE    MATCH               TO             POLICY\n"
      "9080     reviews:9080   canary   /* end-user=jason   v1 90, v2 10   timeout 2s, mirror "
      "copy, abort 503 0.5%\n");
}

}  // namespace
}  // namespace meltemi::control::cli
