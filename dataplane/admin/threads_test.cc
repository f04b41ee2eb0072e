// Goal: the threads of a node (control, two workers, the agent's and gRPC's, readers of the admin
// pages) meet only where they may: run under ThreadSanitizer by deploy/dev/test. Method: the parts
// that main.cc joins, without ports, and a control plane on the loopback that sends one
// configuration after the other and hangs up in between; every wait is for something that is read.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/admin/access_log_writer.h"
#include "dataplane/admin/admin.h"
#include "dataplane/agent/agent.h"
#include "dataplane/agent/testing_resources.h"
#include "dataplane/node.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::admin {
namespace {

using agent::DiscoveryRequest;
using agent::DiscoveryResponse;
using agent::Type;
using agent::testing::Response;

constexpr int kWorkers = 2;
constexpr int kVersionsPerStream = 25;

// Answers every request with the next version of what it asks for, until each type had its share;
// the stream ends when the endpoints' last one is accepted.
class ControlPlane : public envoy::service::discovery::v3::AggregatedDiscoveryService::Service {
 public:
  ControlPlane() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ControlPlane() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string target() const { return Cat("127.0.0.1:", port_); }
  int streams_finished() const { return streams_finished_.load(); }

 private:
  grpc::Status StreamAggregatedResources(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<DiscoveryResponse, DiscoveryRequest>* stream) override {
    const int first = streams_finished_.load() * kVersionsPerStream;
    std::map<std::string, int> sent;
    DiscoveryRequest request;
    while (stream->Read(&request)) {
      EXPECT_FALSE(request.has_error_detail()) << request.error_detail().message();
      int& count = sent[request.type_url()];
      const std::string last = count == 0 ? "" : std::to_string(first + count);
      if (count > 0 && !request.response_nonce().ends_with(Cat("-", last))) continue;
      if (count == kVersionsPerStream) {
        if (request.type_url() == TypeUrl(Type::kEndpoints)) break;
        continue;
      }
      stream->Write(Next(request.type_url(), first + ++count));
    }
    ++streams_finished_;
    return grpc::Status::OK;
  }

  static DiscoveryResponse Next(const std::string& url, int version) {
    const std::string text = std::to_string(version);
    if (url == TypeUrl(Type::kCluster)) {
      return Response(Type::kCluster, text, std::vector{agent::testing::EdsCluster("c")});
    }
    if (url == TypeUrl(Type::kEndpoints)) {
      const std::string address = Cat("10.0.0.", version % 250 + 1);
      return Response(Type::kEndpoints, text, std::vector{agent::testing::Endpoints("c", address)});
    }
    if (url == TypeUrl(Type::kListener)) {
      return Response(Type::kListener, text, std::vector{agent::testing::HttpListener(80)});
    }
    return Response(Type::kRoutes, text, std::vector{agent::testing::Routes("80", "c")});
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<int> streams_finished_{0};
};

agent::Bootstrap MakeBootstrap(const std::string& target) {
  agent::Bootstrap b;
  b.node.set_id("node-a");
  b.ads_target = target;
  b.workers = kWorkers;
  b.memory_mb = 8;
  b.connections_max = 64;
  b.access_log_path = "/dev/null";
  b.json = "{}";
  return b;
}

// A node as main.cc makes it, its control loop on a thread of the test.
class Plane {
 public:
  explicit Plane(const std::string& target)
      : bootstrap_(MakeBootstrap(target)),
        node_(bootstrap_),
        agent_(bootstrap_, node_.snapshots(), 1, [this](const auto& s) { logs_.Learn(s); }),
        admin_(&bootstrap_, &node_, &agent_, nullptr) {
    EXPECT_TRUE(agent_.Start().ok());
    EXPECT_TRUE(node_.Start().ok());
    control_ = std::thread([this] {
      node_.Run({.on_record = [this](const auto& r) { logs_.Write(r); },
                 .load = [this] { return bootstrap_; },
                 .on_reloaded = [](const auto&) {}});
    });
  }
  ~Plane() {
    node_.Stop();
    control_.join();
    agent_.Stop();
  }
  Admin& admin() { return admin_; }
  Node& node() { return node_; }
  agent::Agent& agent() { return agent_; }

 private:
  const agent::Bootstrap bootstrap_;
  Node node_;
  AccessLogWriter logs_;
  agent::Agent agent_;
  Admin admin_;
  std::thread control_;
};

// The configuration that every worker has taken; 0 when they differ or one did not answer.
uint64_t SequenceOfAll(Node* node) {
  const NodeStats stats = node->CollectStats();
  std::set<uint64_t> sequences;
  for (const auto& report : stats.workers) sequences.insert(report->snapshot_sequence);
  return stats.workers.size() == kWorkers && sequences.size() == 1 ? *sequences.begin() : 0;
}

TEST(NodeThreads, ConfigurationsReachAllWorkersWhilePagesAreRead) {
  ControlPlane control_plane;
  Plane plane(control_plane.target());
  std::atomic<bool> reading{true};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&plane, &reading] {
      while (reading.load()) {
        for (const char* page :
             {"/stats/prometheus", "/config_dump", "/clusters", "/listeners", "/identities"}) {
          EXPECT_EQ(plane.admin().Page(page).status, 200);
        }
      }
    });
  }
  while (control_plane.streams_finished() < 2) plane.node().CollectStats();
  // The last one may not be published yet: its publisher counts it under the lock first.
  while (SequenceOfAll(&plane.node()) != plane.agent().Status().snapshots) continue;
  reading.store(false);
  for (std::thread& reader : readers) reader.join();
  const agent::AgentStatus status = plane.agent().Status();
  EXPECT_TRUE(status.ready);
  EXPECT_GE(status.connects, 2u);
  EXPECT_EQ(status.snapshot_failures, 0u);
  EXPECT_GE(status.snapshots, 2u * kVersionsPerStream);
  EXPECT_EQ(plane.admin().Page("/ready").status, 200);
}

// Goal: who asks for statistics gets those of all workers, whoever asks at the same time.
TEST(NodeThreads, StatisticsAreWholeForEachOfManyReaders) {
  Plane plane("");
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&plane] {
      for (int n = 0; n < 20; ++n) {
        const NodeStats stats = plane.node().CollectStats();
        ASSERT_EQ(stats.workers.size(), size_t{kWorkers});
        for (int w = 0; w < kWorkers; ++w) EXPECT_EQ(stats.workers[w]->worker, w);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace meltemi::admin
