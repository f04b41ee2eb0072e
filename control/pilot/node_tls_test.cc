// Goal: over TLS Pilot serves a node what it names itself by its certificate, and nobody else
// anything. Method: AdsServer behind the listener main.cc makes, real gRPC on the loopback, real
// files, certificates of a CA in the test; every wait is a blocking read.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ca/issuer/issuer.h"
#include "ca/keystore/files.h"
#include "ca/testing/make_csr.h"
#include "ca/x509/certificate.h"
#include "control/common/grpc_tls.h"
#include "control/pilot/ads_server/ads_server.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

namespace meltemi::control::pilot {
namespace {

using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

const ca::Identity kNodes = {"cluster.local", "meltemi-system", "meltemi-node"};

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

ca::SigningCa NewCa() {
  const auto root =
      ca::MakeSelfSignedRoot({.trust_domain = "cluster.local"}, absl::Now(), FillSevens);
  return *ca::SigningCa::Load(*root, "");
}

struct Pem {
  std::string chain, key;
};

Pem Issue(const ca::SigningCa& by, ca::LeafOptions options) {
  const ca::KeyPtr key = ca::testing::NewKey();
  options.ttl = absl::Hours(1);
  options.backdate = absl::Minutes(2);
  return {ca::IssueLeaf(by, key.get(), options, absl::Now(), FillSevens)->pem,
          *ca::PrivateKeyToPem(key.get(), "")};
}

// One stream; the end of a refused one is its status.
class Call {
 public:
  explicit Call(std::shared_ptr<grpc::Channel> channel)
      : stub_(AggregatedDiscoveryService::NewStub(channel)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    stream_ = stub_->StreamAggregatedResources(&context_);
  }
  void Ask(const std::string& node, const std::string& type) {
    DiscoveryRequest request;
    request.mutable_node()->set_id(node);
    request.set_type_url(type);
    stream_->Write(request);  // fails on a stream that was refused
  }
  bool Read() {
    DiscoveryResponse response;
    return stream_->Read(&response);
  }
  // After Read said false.
  grpc::Status End() { return stream_->Finish(); }
  void Cancel() {
    context_.TryCancel();
    stream_->Finish().error_code();  // cancelled
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<AggregatedDiscoveryService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<DiscoveryRequest, DiscoveryResponse>> stream_;
};

class NodeTlsTest : public ::testing::Test {
 protected:
  NodeTlsTest() {
    const char* base = std::getenv("TEST_TMPDIR");
    folder_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/node-tls.XXXXXX");
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    WriteServing(ca_);
    Write("roots", ca::ToPem(ca_.roots()));
    auto auth = node_auth::NodeAuth::Open(
        {.cert_path = folder_ + "/cert",
         .key_path = folder_ + "/key",
         .roots_path = folder_ + "/roots",
         .node_accounts = {kNodes},
         .domains = *ca::TrustDomains::Make("cluster.local", {})},
        &files_, [this] { return absl::Now() + absl::Seconds(jump_s_.load()); });
    EXPECT_TRUE(auth.ok()) << auth.status();
    auth_ = *std::move(auth);
    ads_ = std::make_unique<ads_server::AdsServer>(&metrics_, auth_.get());
    Publish("v1");
    grpc::ServerBuilder builder;
    const auto source = [this]() -> absl::StatusOr<common::ListenerPem> {
      const node_auth::Serving now = auth_->Get();
      return common::ListenerPem{now.key, now.chain, now.roots, now.version};
    };
    credentials_ = common::ReloadingServerCredentials(source);
    builder.AddListeningPort("127.0.0.1:0", credentials_, &port_);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &plain_port_);
    builder.RegisterService(ads_.get());
    server_ = builder.BuildAndStart();
  }
  ~NodeTlsTest() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(absl::StrCat(folder_, "/.new")) << text;
    EXPECT_EQ(chmod(absl::StrCat(folder_, "/.new").c_str(), 0600), 0);
    EXPECT_EQ(
        rename(absl::StrCat(folder_, "/.new").c_str(), absl::StrCat(folder_, "/", name).c_str()),
        0);
  }
  void WriteServing(const ca::SigningCa& by) const {
    const Pem pem =
        Issue(by, {.identity = {"cluster.local", "s", "pilot"}, .dns_names = {"pilot"}});
    Write("cert", pem.chain);
    Write("key", pem.key);
  }
  void Publish(const std::string& version) {
    auto snapshot = std::make_shared<ads_session::Snapshot>();
    snapshot->version = version;
    for (auto& type : snapshot->types) type.version = version;
    ads_->Publish(std::move(snapshot));
  }
  std::shared_ptr<grpc::Channel> Channel(const ca::SigningCa& trusted, const Pem& own) const {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = ca::ToPem(trusted.roots());
    ssl.pem_cert_chain = own.chain;
    ssl.pem_private_key = own.key;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("pilot");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_), grpc::SslCredentials(ssl),
                                     arguments);
  }
  Pem NodePem(const std::string& name) const {
    return Issue(ca_, {.identity = kNodes, .node = name});
  }
  static std::string Clusters() { return ads_session::TypeUrl(ads_session::Type::kCluster); }
  static std::string Listeners() { return ads_session::TypeUrl(ads_session::Type::kListener); }
  int64_t Refused(const std::string& reason) const {
    const std::string line = absl::StrCat("pilot_xds_auth_failures{reason=\"", reason, "\"} ");
    const std::string text = metrics_.Text();
    const size_t at = text.find(line);
    return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + line.size());
  }
  void ExpectRefused(const Pem& own, const std::string& named, grpc::StatusCode code,
                     const std::string& says) {
    Call call(Channel(ca_, own));
    call.Ask(named, Clusters());
    EXPECT_FALSE(call.Read());
    const grpc::Status end = call.End();
    EXPECT_EQ(end.error_code(), code) << end.error_message();
    EXPECT_TRUE(absl::StrContains(end.error_message(), says)) << end.error_message();
  }

  const ca::SigningCa ca_ = NewCa(), other_ = NewCa();
  std::string folder_;
  ca::DiskFiles files_;
  std::atomic<int64_t> jump_s_{0};
  common::Metrics metrics_;
  std::unique_ptr<node_auth::NodeAuth> auth_;
  std::unique_ptr<ads_server::AdsServer> ads_;
  int port_ = 0, plain_port_ = 0;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(NodeTlsTest, ANodeIsServedByItsOwnName) {
  Call call(Channel(ca_, NodePem("node-a")));
  call.Ask("node-a", Clusters());
  EXPECT_TRUE(call.Read());
  ASSERT_EQ(ads_->Nodes().size(), 1u);
  EXPECT_EQ(ads_->Nodes()[0].id, "node-a");
  EXPECT_TRUE(ads_->Nodes()[0].proven);
  call.Cancel();
}

TEST_F(NodeTlsTest, OthersGetNothing) {
  ExpectRefused(NodePem("node-a"), "node-b", grpc::StatusCode::PERMISSION_DENIED,
                "the stream is of node \"node-a\", not of \"node-b\"");
  EXPECT_EQ(Refused("node"), 1);
  ExpectRefused({}, "node-a", grpc::StatusCode::UNAUTHENTICATED, "no client certificate");
  ExpectRefused(Issue(other_, {.identity = kNodes, .node = "node-a"}), "node-a",
                grpc::StatusCode::UNAUTHENTICATED, "issuer");
  ExpectRefused(Issue(ca_, {.identity = {"cluster.local", "shop", "reviews"}}), "node-a",
                grpc::StatusCode::PERMISSION_DENIED, "no account of nodes");
  EXPECT_EQ(Refused("certificate"), 3);
  EXPECT_TRUE(ads_->Nodes().empty());
}

TEST_F(NodeTlsTest, ANodeCannotBecomeAnother) {
  Call call(Channel(ca_, NodePem("node-a")));
  call.Ask("node-a", Clusters());
  EXPECT_TRUE(call.Read());
  call.Ask("", Listeners());  // need not be named again
  EXPECT_TRUE(call.Read());
  call.Ask("node-b", Clusters());
  EXPECT_FALSE(call.Read());
  EXPECT_EQ(call.End().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(NodeTlsTest, WithoutTlsANodeIsWhoItSays) {
  Call call(grpc::CreateChannel(absl::StrCat("127.0.0.1:", plain_port_),
                                grpc::InsecureChannelCredentials()));
  call.Ask("anyone", Clusters());
  EXPECT_TRUE(call.Read());
  ASSERT_EQ(ads_->Nodes().size(), 1u);
  EXPECT_FALSE(ads_->Nodes()[0].proven);
  call.Cancel();
}

TEST_F(NodeTlsTest, AStreamEndsWithItsCertificate) {
  Call call(Channel(ca_, NodePem("node-a")));
  call.Ask("node-a", Clusters());
  EXPECT_TRUE(call.Read());
  jump_s_ = 3600 + 60;
  Publish("v2");
  EXPECT_FALSE(call.Read());
  EXPECT_EQ(call.End().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Refused("ended"), 1);
}

TEST_F(NodeTlsTest, ACertificateIsReplacedWhileServing) {
  Call before(Channel(ca_, NodePem("node-a")));
  before.Ask("node-a", Clusters());
  EXPECT_TRUE(before.Read());
  WriteServing(other_);  // a certificate that clients of `ca_` do not trust: seen from outside
  Call after(Channel(other_, NodePem("node-b")));
  after.Ask("node-b", Clusters());
  EXPECT_TRUE(after.Read());
  Call distrusting(Channel(ca_, NodePem("node-c")));
  distrusting.Ask("node-c", Clusters());
  EXPECT_FALSE(distrusting.Read());
  EXPECT_EQ(distrusting.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  before.Ask("node-a", Listeners());  // the stream from before goes on
  EXPECT_TRUE(before.Read());
  before.Cancel();
  after.Cancel();
}

}  // namespace
}  // namespace meltemi::control::pilot
