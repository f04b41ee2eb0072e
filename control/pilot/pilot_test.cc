// Goal: Pilot as a node and an operator see it: real gRPC on the loopback, a registry folder, and a
// fake node that acknowledges, refuses, vanishes and comes back. Method: the same parts main.cc
// joins, every wait being a blocking read of the stream or a repeated Status call.
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/common/http_server.h"
#include "control/pilot/ads_server/ads_server.h"
#include "control/pilot/registry/file/file_registry.h"
#include "control/pilot/servable/publisher.h"
#include "control/pilot/service/control_service.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot {
namespace {

using ads_session::Type;
using Request = envoy::service::discovery::v3::DiscoveryRequest;
using Response = envoy::service::discovery::v3::DiscoveryResponse;
using Names = std::vector<std::string>;

constexpr char kService[] = R"(
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 9080}]}
)";

std::string Timeout(const std::string& value) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews}, spec: "
      "{hosts: [reviews], http: [{timeout: ",
      value, ", route: [{destination: {host: reviews}}]}]}}");
}

// What main.cc joins, on a port of its own.
class Pilot {
 public:
  explicit Pilot(const std::string& folder) : ads_(&metrics_), publisher_({}, &metrics_, &ads_) {
    auto registry = registry::FileRegistry::Start(
        folder, "cluster.local",
        [this](const registry::FileRegistry::State& state) { publisher_.OnChange(state); });
    EXPECT_TRUE(registry.ok()) << registry.status();
    registry_ = *std::move(registry);
    control_ = std::make_unique<service::ControlService>(registry_.get(), &ads_, &publisher_);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&ads_);
    builder.RegisterService(control_.get());
    server_ = builder.BuildAndStart();
  }
  ~Pilot() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                               grpc::InsecureChannelCredentials());
  }
  const common::Metrics& metrics() const { return metrics_; }

 private:
  common::Metrics metrics_;
  ads_server::AdsServer ads_;
  servable::Publisher publisher_;
  std::unique_ptr<registry::FileRegistry> registry_;
  std::unique_ptr<service::ControlService> control_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class Node {
 public:
  // `address`: of a workload that it says is here.
  Node(const Pilot& pilot, std::string id, std::string address = "")
      : id_(std::move(id)),
        address_(std::move(address)),
        stub_(envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(pilot.Channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    stream_ = stub_->StreamAggregatedResources(&context_);
  }
  ~Node() {
    context_.TryCancel();
    stream_->Finish().error_code();  // cancelled: that is how a node goes
  }

  void Ask(Type type, const Names& names = {}, const std::string& version = "",
           const std::string& nonce = "", const std::string& error = "") {
    Request request;
    request.mutable_node()->set_id(id_);
    if (!address_.empty()) {
      auto& fields = *request.mutable_node()->mutable_metadata()->mutable_fields();
      auto& workload = *fields["WORKLOADS"].mutable_list_value()->add_values();
      (*workload.mutable_struct_value()->mutable_fields())["addresses"]
          .mutable_list_value()
          ->add_values()
          ->set_string_value(address_);
    }
    request.set_type_url(ads_session::TypeUrl(type));
    for (const std::string& name : names) request.add_resource_names(name);
    request.set_version_info(version);
    request.set_response_nonce(nonce);
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    EXPECT_TRUE(stream_->Write(request));
  }
  Response Read() {
    Response response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  void Ack(Type type, const Response& response, const Names& names = {}) {
    Ask(type, names, response.version_info(), response.nonce());
  }

 private:
  std::string id_;
  std::string address_;
  grpc::ClientContext context_;
  std::unique_ptr<envoy::service::discovery::v3::AggregatedDiscoveryService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
};

class PilotTest : public testing::Test {
 protected:
  PilotTest() {
    const char* root = std::getenv("TEST_TMPDIR");
    folder_ = absl::StrCat(root == nullptr ? testing::TempDir() : root, "/",
                           testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  void Write(const std::string& name, const std::string& text) const {
    const std::string temporary = folder_ + "/.tmp";
    std::ofstream(temporary) << text;
    std::filesystem::rename(temporary, folder_ + "/" + name);
  }

  static v1::StatusResponse Status(const Pilot& pilot) {
    grpc::ClientContext context;
    v1::StatusResponse response;
    EXPECT_TRUE(v1::Control::NewStub(pilot.Channel())->Status(&context, {}, &response).ok());
    return response;
  }

  // Repeats Status until `done` says so; the test's own time limit bounds it.
  template <typename Done>
  static v1::StatusResponse StatusUntil(const Pilot& pilot, Done done) {
    const absl::Time last = absl::Now() + absl::Seconds(20);
    while (true) {
      v1::StatusResponse status = Status(pilot);
      if (done(status) || absl::Now() > last) {
        EXPECT_TRUE(done(status)) << status.DebugString();
        return status;
      }
    }
  }

  static v1::ApplyResponse Apply(const Pilot& pilot, const std::string& yaml) {
    grpc::ClientContext context;
    v1::ApplyRequest request;
    request.add_files()->set_name("x.yaml");
    request.mutable_files(0)->set_yaml(yaml);
    v1::ApplyResponse response;
    EXPECT_TRUE(v1::Control::NewStub(pilot.Channel())->Apply(&context, request, &response).ok());
    return response;
  }

  std::string folder_;
};

TEST_F(PilotTest, ServesAcknowledgesAndPushesOnlyWhatChanged) {
  Write("a.yaml", kService);
  const Pilot pilot(folder_);
  Node node(pilot, "node-a");
  node.Ask(Type::kCluster);
  const Response clusters = node.Read();
  EXPECT_EQ(clusters.resources_size(), 3);
  node.Ack(Type::kCluster, clusters);
  // The routes wait for the endpoints of the clusters they name.
  node.Ask(Type::kRoute, {"9080"});
  const Names names = {"outbound|9080||reviews.default.svc.cluster.local"};
  node.Ask(Type::kEndpoint, names);
  const Response endpoints = node.Read();
  EXPECT_EQ(endpoints.type_url(), ads_session::TypeUrl(Type::kEndpoint));
  node.Ack(Type::kEndpoint, endpoints, names);
  const Response routes = node.Read();
  ASSERT_EQ(routes.resources_size(), 1);
  node.Ack(Type::kRoute, routes, {"9080"});
  v1::StatusResponse status = StatusUntil(pilot, [](const v1::StatusResponse& s) {
    return s.nodes_size() == 1 && s.nodes(0).types_size() == 3 && s.nodes(0).types(0).in_sync() &&
           s.nodes(0).types(1).in_sync() && s.nodes(0).types(2).in_sync();
  });
  EXPECT_EQ(status.nodes(0).id(), "node-a");
  EXPECT_EQ(status.nodes(0).types(0).resources(), 3);
  // A rule changes routes only: the next message of the stream is the route, not the clusters.
  EXPECT_EQ(Apply(pilot, Timeout("3s")).problems_size(), 0);
  const Response changed = node.Read();
  EXPECT_EQ(changed.type_url(), routes.type_url());
  EXPECT_NE(changed.version_info(), routes.version_info());
}

TEST_F(PilotTest, RefusalIsShownAndTheAcceptedStateKept) {
  Write("a.yaml", kService);
  const Pilot pilot(folder_);
  Node node(pilot, "node-a");
  node.Ask(Type::kRoute, {"9080"});
  const Response good = node.Read();
  node.Ack(Type::kRoute, good, {"9080"});
  EXPECT_EQ(Apply(pilot, Timeout("3s")).problems_size(), 0);
  const Response bad = node.Read();
  node.Ask(Type::kRoute, {"9080"}, good.version_info(), bad.nonce(), "timeout: not today");
  const v1::StatusResponse status = StatusUntil(pilot, [](const v1::StatusResponse& s) {
    return s.nodes_size() == 1 && !s.nodes(0).types(0).error().empty();
  });
  EXPECT_EQ(status.nodes(0).types(0).error(), "timeout: not today");
  EXPECT_EQ(status.nodes(0).types(0).version_acked(), good.version_info());
  EXPECT_EQ(status.nodes(0).types(0).version_nacked(), bad.version_info());
  EXPECT_TRUE(absl::StrContains(pilot.metrics().Text(), "pilot_total_xds_rejects{type=\"rds\"} 1"));
  // What the node runs is the accepted one.
  grpc::ClientContext context;
  v1::ProxyConfigRequest request;
  request.set_node("node-a");
  request.set_type_url(ads_session::TypeUrl(Type::kRoute));
  v1::ProxyConfigResponse config;
  ASSERT_TRUE(v1::Control::NewStub(pilot.Channel())->ProxyConfig(&context, request, &config).ok());
  ASSERT_EQ(config.resources_size(), 1);
  EXPECT_EQ(config.resources(0).resource().value(), good.resources(0).value());
}

TEST_F(PilotTest, NodeThatComesBackFromAnotherPilotConverges) {
  Write("a.yaml", kService);
  Response old;
  {
    const Pilot pilot(folder_);
    Node node(pilot, "node-a");
    node.Ask(Type::kCluster);
    old = node.Read();
    node.Ack(Type::kCluster, old);
  }
  const Pilot pilot(folder_);
  Node node(pilot, "node-a");
  node.Ask(Type::kCluster, {}, old.version_info(), old.nonce());
  const Response now = node.Read();
  EXPECT_EQ(now.version_info(), old.version_info());
  EXPECT_EQ(now.resources_size(), 3);
}

TEST_F(PilotTest, NodeThatVanishesIsForgotten) {
  Write("a.yaml", kService);
  const Pilot pilot(folder_);
  {
    Node node(pilot, "node-a");
    node.Ask(Type::kCluster);
    node.Read();
    EXPECT_EQ(Status(pilot).nodes_size(), 1);
  }
  StatusUntil(pilot, [](const v1::StatusResponse& s) { return s.nodes_size() == 0; });
}

TEST_F(PilotTest, BadFileKeepsTheLastGoodConfigurationAndSaysWhy) {
  Write("a.yaml", kService);
  const Pilot pilot(folder_);
  const std::string version = Status(pilot).version();
  Write("b.yaml", Timeout("soon"));
  const v1::StatusResponse status =
      StatusUntil(pilot, [](const v1::StatusResponse& s) { return s.problems_size() > 0; });
  EXPECT_EQ(status.version(), version);
  EXPECT_EQ(status.problems(0).file(), "b.yaml");
  EXPECT_EQ(status.problems(0).object(), "VirtualService default/reviews");
  EXPECT_EQ(status.problems(0).path(), "spec.http[0].timeout");
  Write("b.yaml", Timeout("2s"));
  StatusUntil(pilot, [&](const v1::StatusResponse& s) {
    return s.problems_size() == 0 && s.version() != version;
  });
}

TEST_F(PilotTest, ApplyRefusesWithoutWriting) {
  const Pilot pilot(folder_);
  const v1::ApplyResponse response = Apply(pilot, Timeout("3s"));
  EXPECT_GT(response.problems_size(), 0);
  EXPECT_EQ(response.results_size(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(Apply(pilot, kService).problems_size(), 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/service.default.reviews.yaml"));
}

TEST_F(PilotTest, WhatTheNodeCannotDoIsSaidAndTheRestServed) {
  const Pilot pilot(folder_);
  constexpr char kRatings[] =
      "{apiVersion: v1, kind: Service, metadata: {name: ratings}, spec: {clusterIP: 10.96.0.2, "
      "ports: [{name: http, port: 80}]}}";
  constexpr char kRule[] =
      "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ratings}, "
      "spec: "
      "{host: ratings, trafficPolicy: {outlierDetection: {baseEjectionTime: 10000h}}}}";
  EXPECT_EQ(Apply(pilot, kRatings).unsupported_size(), 0);
  const v1::ApplyResponse response = Apply(pilot, kRule);
  EXPECT_EQ(response.problems_size(), 0);
  ASSERT_EQ(response.unsupported_size(), 1);
  EXPECT_EQ(response.unsupported(0).file(), "x.yaml");
  EXPECT_EQ(response.unsupported(0).object(), "DestinationRule default/ratings");
  EXPECT_TRUE(
      absl::StartsWith(response.unsupported(0).path(), "spec.trafficPolicy.outlierDetection"));
  EXPECT_TRUE(
      absl::StartsWith(response.unsupported(0).message(), "not supported by meltemi-node yet: "));
  // Another object's answer is about that object; the status is about all of them.
  EXPECT_EQ(Apply(pilot, kService).unsupported_size(), 0);
  ASSERT_EQ(Status(pilot).unsupported_size(), 1);
  EXPECT_EQ(Status(pilot).unsupported(0).file(), "destinationrule.default.ratings.yaml");
  Node node(pilot, "node-a");
  node.Ask(Type::kCluster);
  EXPECT_EQ(node.Read().resources_size(), 3);  // a service's HTTP port and the two fixed ones
}

// The other half, over TLS, is in ads_session/secret_session_test.cc and node_tls_test.cc.
TEST_F(PilotTest, WithoutTlsNoSecretIsSentAndTheStatusSaysSo) {
  std::ifstream in("control/pilot/translate/testdata/gateway_secrets.yaml");
  Write("all.yaml", std::string(std::istreambuf_iterator<char>(in), {}));
  const Pilot pilot(folder_);
  Node node(pilot, "node-a", "192.0.2.1");
  node.Ask(Type::kListener);
  const Response listeners = node.Read();
  EXPECT_EQ(listeners.resources_size(), 1);  // the mesh's own for the service
  node.Ack(Type::kListener, listeners);
  const v1::StatusResponse status = StatusUntil(pilot, [](const v1::StatusResponse& s) {
    return s.nodes_size() == 1 && s.nodes(0).types_size() == 1 && s.nodes(0).types(0).in_sync();
  });
  Names said;
  for (const v1::Problem& problem : status.unsupported()) {
    said.push_back(absl::StrCat(problem.object(), ": ", problem.path(), ": ", problem.message()));
  }
  EXPECT_EQ(said, (Names{"Node node-a: listener 192.0.2.1_443: not served: secrets are sent over "
                         "mutual TLS only; see --grpc-tls-addr of meltemi-pilot",
                         "Gateway default/front: spec.servers[2].tls.credentialName: not served: "
                         "Secret edge/missing is not there"}));
  node.Ask(Type::kSecret, {"kubernetes://edge/shop"});
  node.Ask(Type::kCluster);
  EXPECT_EQ(node.Read().type_url(), ads_session::TypeUrl(Type::kCluster));  // and nothing before
}

TEST_F(PilotTest, SecretsAreShownWithoutTheirValues) {
  const Pilot pilot(folder_);
  constexpr char kSecret[] =
      "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {tls.key: very-secret}}";
  EXPECT_EQ(Apply(pilot, kSecret).problems_size(), 0);
  grpc::ClientContext context;
  v1::GetResponse got;
  ASSERT_TRUE(v1::Control::NewStub(pilot.Channel())->Get(&context, {}, &got).ok());
  ASSERT_EQ(got.objects_size(), 1);
  EXPECT_TRUE(absl::StrContains(got.objects(0).yaml(), "tls.key"));
  EXPECT_FALSE(absl::StrContains(got.DebugString(), "very-secret"));
  const std::filesystem::path file = folder_ + "/secret.default.s.yaml";
  EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(PilotTest, StreamWithoutANodeIdIsClosed) {
  const Pilot pilot(folder_);
  grpc::ClientContext context;
  const auto stub =
      envoy::service::discovery::v3::AggregatedDiscoveryService::NewStub(pilot.Channel());
  const auto stream = stub->StreamAggregatedResources(&context);
  stream->Write(Request());
  Response response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace meltemi::control::pilot
