// Goal: a listener with the PROXY protocol takes the client from the header, however it is cut, and
// hands on what follows it; who sends none, a wrong one or one that is not allowed is let go. A
// server that wants a header gets it. Method: a listener of HTTP that says the client's address on
// to its server.
#include "dataplane/worker/testing/worker_fixture.h"
#include "l7/proxy_protocol/proxy_header.h"

namespace meltemi::worker {
namespace {

using proxy_protocol::Version;

const std::string kRequest = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const proxy_protocol::Addresses kBalanced = {{*IpAddr::Parse("192.0.2.1"), 4711}, kService};

class ProxyProtocolTest : public WorkerTest {
 protected:
  void Listen(const config::ProxyProtocol& wanted, Duration timeout = Duration::Seconds(15),
              bool go_on = false) {
    Start({.workers = 1});
    auto snapshot = config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                                  .routes = {{.cluster = "c"}}});
    snapshot->listeners[0].proxy_protocol = wanted;
    snapshot->listeners[0].sniff_timeout = timeout;
    snapshot->listeners[0].plain_after_timeout = go_on;
    std::get<config::HttpManager>(snapshot->listeners[0].filter).use_remote_address = true;
    plane_->Publish(std::move(snapshot));
    Turn();
    MeetServer();
  }
  void MeetServer() {
    Put(kUplink, wire::Arp({.operation = wire::kArpRequest,
                            .sender_mac = FarMac(kUplink),
                            .sender_ip = kServer,
                            .target_ip = kUplinkOwn}));
    Turn();
    Take(kUplink);
  }
  // A client that sends these, a segment each. What its server gets; nothing: nobody asked it.
  std::string Served(const std::vector<std::string>& segments) {
    answer_ = Open(PortOwnedBy(0), segments[0]);
    uint32_t sequence = 1001 + static_cast<uint32_t>(segments[0].size());
    for (size_t i = 1; i < segments.size(); ++i) {
      Send(PortOwnedBy(0), wire::kTcpAck, sequence, answer_.at(0).sequence, segments[i]);
      sequence += static_cast<uint32_t>(segments[i].size());
      Turn();
    }
    const std::vector<TcpFrame> syn = TakeTcp(kUplink);
    if (syn.empty()) return "";
    Put(kUplink, wire::Ip({.source = kServer, .destination = syn[0].source.ip},
                          wire::Tcp({.source_port = 8080,
                                     .destination_port = syn[0].source.port,
                                     .sequence = 7000,
                                     .acknowledgment = syn[0].sequence + 1,
                                     .flags = wire::kTcpSyn | wire::kTcpAck})));
    Turn();
    std::string went;
    for (const TcpFrame& frame : TakeTcp(kUplink)) went += frame.payload;
    return went;
  }
  void ExpectReset() {
    ASSERT_FALSE(answer_.empty());
    EXPECT_EQ(answer_.back().flags & wire::kTcpRst, wire::kTcpRst);
    EXPECT_EQ(counters().proxy_protocol_refused, 1u);
    EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 0u);
  }
  const WorkerCounters& counters() { return plane_->worker(0).counters(); }

  std::vector<TcpFrame> answer_;  // what the client has got of its first segment
};

void ExpectFor(std::string_view address, const std::string& request) {
  EXPECT_TRUE(request.starts_with("GET / HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find(std::string("x-forwarded-for: ") + std::string(address) + "\r\n"),
            std::string::npos)
      << request;
}

TEST_F(ProxyProtocolTest, TheClientIsWhoTheHeaderSays) {
  for (const Version version : {Version::kV1, Version::kV2}) {
    Listen({});
    const std::string header = Write(version, kBalanced);
    ExpectFor("192.0.2.1", Served({header + kRequest}));
    EXPECT_EQ(counters().proxy_protocol_v1, version == Version::kV1 ? 1u : 0u);
    EXPECT_EQ(counters().proxy_protocol_v2, version == Version::kV2 ? 1u : 0u);
  }
}

TEST_F(ProxyProtocolTest, AHeaderMayComeInPieces) {
  for (const size_t cut : {size_t{1}, size_t{11}, size_t{16}, size_t{27}}) {
    Listen({});
    const std::string header = Write(Version::kV2, kBalanced);
    ExpectFor("192.0.2.1", Served({header.substr(0, cut), header.substr(cut), kRequest}));
  }
}

TEST_F(ProxyProtocolTest, OfTheBalancersOwnConnectionsTheAddressesStay) {
  Listen({});
  ExpectFor("10.1.0.11", Served({Write(Version::kV2, std::nullopt) + kRequest}));
}

TEST_F(ProxyProtocolTest, WhoSendsNoneIsLetGo) {
  Listen({});
  EXPECT_EQ(Served({kRequest}), "");
  ExpectReset();
}

TEST_F(ProxyProtocolTest, UnlessItNeedNotCome) {
  Listen({.required = false});
  ExpectFor("10.1.0.11", Served({kRequest}));
  EXPECT_EQ(counters().proxy_protocol_absent, 1u);
}

TEST_F(ProxyProtocolTest, AWrongOneIsNeverTaken) {
  for (const bool required : {true, false}) {
    Listen({.required = required});
    EXPECT_EQ(Served({"PROXY TCP4 192.0.2.1 10.96.0.1 4711\r\n" + kRequest}), "");
    ExpectReset();
  }
}

TEST_F(ProxyProtocolTest, NorOneOfAVersionThatIsNotAllowed) {
  Listen({.v1 = false});
  EXPECT_EQ(Served({Write(Version::kV1, kBalanced) + kRequest}), "");
  ExpectReset();
  Listen({.v1 = false});
  ExpectFor("192.0.2.1", Served({Write(Version::kV2, kBalanced) + kRequest}));
}

// Nothing may go on without the header that is required, though first bytes need not come.
TEST_F(ProxyProtocolTest, TheTimeForItIsBounded) {
  for (const bool go_on : {false, true}) {
    Listen({}, Duration::Millis(100), go_on);
    EXPECT_EQ(Served({"PROXY"}), "");
    EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 1u);
    now_ = now_ + Duration::Millis(110);
    Turn();
    answer_ = TakeTcp(kPod);
    ASSERT_EQ(answer_.size(), 1u);
    EXPECT_EQ(answer_[0].flags & wire::kTcpRst, wire::kTcpRst);
    EXPECT_EQ(counters().sniff_timeouts, 1u);
    EXPECT_EQ(plane_->worker(0).tcp().conn_count(), 0u);
  }
}

// Before everything else, though it is given before the connection stands.
TEST_F(ProxyProtocolTest, AServerHearsWhoTheClientIs) {
  Start({.workers = 1});
  auto snapshot = config_.Make(
      {.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}}, .routes = {{.cluster = "c"}}});
  snapshot->clusters[0].proxy_protocol = config::ProxyVersion::kV1;
  plane_->Publish(std::move(snapshot));
  Turn();
  MeetServer();
  const std::string went = Served({kRequest});
  EXPECT_TRUE(went.starts_with("PROXY TCP4 10.1.0.11 10.96.0.1 " + std::to_string(PortOwnedBy(0)) +
                               " 80\r\nGET / HTTP/1.1\r\n"))
      << went;
}

}  // namespace
}  // namespace meltemi::worker
