// Goal: what ICMP says of an opaque TCP service is for the plane's own two connections, and ends
// there: each obeys what is said of its path, and neither the client nor the endpoint hears of the
// other's. Method: a listener of opaque TCP, both handshakes by hand, errors from either side.
#include <algorithm>
#include <string>
#include <vector>

#include "dataplane/worker/testing/worker_fixture.h"

namespace meltemi::worker {
namespace {

constexpr uint8_t kUnreachable = 3, kHost = 1, kPortCode = 3, kTooBigCode = 4;

class OpaqueIcmpTest : public WorkerTest {
 protected:
  // The service is opaque; the client has opened a connection. Returns the SYN to the endpoint.
  TcpFrame Begin(int workers) {
    Start({.workers = workers});
    plane_->Publish(config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                                  .http_port = 81,
                                  .tcp = {{.port = kService.port, .cluster = "c"}}}));
    Turn();
    from_ = PortOwnedBy(0);
    Send(from_, wire::kTcpSyn, 1000, 0);
    Turn();
    const std::vector<TcpFrame> answer = TakeTcp(kPod);
    EXPECT_EQ(answer.size(), 1u);
    service_isn_ = answer.at(0).sequence;
    Send(from_, wire::kTcpAck, 1001, service_isn_ + 1);
    AnswerArp();
    Turn();
    const std::vector<TcpFrame> syn = TakeTcp(kUplink);
    EXPECT_EQ(syn.size(), 1u);
    return syn.at(0);
  }
  // The endpoint says something; its numbers begin at 7000.
  void Reply(const TcpFrame& to, uint8_t flags, uint32_t sequence, uint32_t acknowledgment,
             std::string payload = "") {
    Put(kUplink, wire::Ip({.source = kServer, .destination = to.source.ip},
                          wire::Tcp({.source_port = 8080,
                                     .destination_port = to.source.port,
                                     .sequence = sequence,
                                     .acknowledgment = acknowledgment,
                                     .flags = flags,
                                     .payload = std::move(payload)})));
    Turn();
  }
  // An error about what has been sent, from the network before `id`.
  void Tell(ip::PortId id, uint8_t code, const TcpFrame& about, uint32_t rest = 0) {
    const IpAddr from = id == kPod ? kClient : kServer;
    Put(id, wire::Ip({.source = from, .destination = about.source.ip},
                     wire::Icmp({.type = kUnreachable,
                                 .code = code,
                                 .rest = rest,
                                 .payload = about.ip_packet.substr(0, 28)})));
    Turn();
  }
  static size_t IcmpFrames(const std::vector<std::string>& frames) {
    return static_cast<size_t>(std::count_if(frames.begin(), frames.end(), [](const auto& frame) {
      return frame.size() > 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == 1;
    }));
  }
  static std::vector<TcpFrame> TcpOf(const std::vector<std::string>& frames) {
    std::vector<TcpFrame> found;
    for (const std::string& frame : frames) {
      if (auto tcp = ParseTcp(frame)) found.push_back(*tcp);
    }
    return found;
  }
  static size_t Longest(const std::vector<TcpFrame>& frames) {
    size_t most = 0;
    for (const TcpFrame& frame : frames) most = std::max(most, frame.payload.size());
    return most;
  }
  uint64_t Counted(uint64_t tcp::TcpCounters::*counter) { return plane_->TcpTotals().*counter; }

  uint16_t from_ = 0;
  uint32_t service_isn_ = 0;
};

TEST_F(OpaqueIcmpTest, AnUnreachableEndpointEndsTheOpenAndTheClientIsReset) {
  for (const int workers : {1, 2}) {
    const TcpFrame syn = Begin(workers);
    Tell(kUplink, kHost, syn);
    EXPECT_EQ(Counted(&tcp::TcpCounters::icmp_hard_errors), 1u);
    const std::vector<std::string> said = Take(kPod);
    EXPECT_EQ(IcmpFrames(said), 0u);  // it has a connection to the service, not to the endpoint
    const std::vector<TcpFrame> answer = TcpOf(said);
    ASSERT_FALSE(answer.empty());
    EXPECT_NE(answer.back().flags & wire::kTcpRst, 0);
  }
}

TEST_F(OpaqueIcmpTest, ErrorsAboutAnOpenConnectionEndNothing) {
  for (const int workers : {1, 2}) {
    const TcpFrame syn = Begin(workers);
    Reply(syn, wire::kTcpSyn | wire::kTcpAck, 7000, syn.sequence + 1);
    Send(from_, wire::kTcpAck, 1001, service_isn_ + 1, "hello");
    Turn();
    const std::vector<TcpFrame> up = TakeTcp(kUplink);
    ASSERT_FALSE(up.empty());
    ASSERT_EQ(up.back().payload, "hello");
    Tell(kUplink, kPortCode, up.back());
    EXPECT_EQ(Counted(&tcp::TcpCounters::icmp_soft_errors), 1u);
    Reply(syn, wire::kTcpAck, 7001, syn.sequence + 6, "world");
    const std::vector<std::string> down = Take(kPod);
    EXPECT_EQ(IcmpFrames(down), 0u);
    ASSERT_FALSE(TcpOf(down).empty());
    EXPECT_EQ(TcpOf(down).back().payload, "world");
  }
}

TEST_F(OpaqueIcmpTest, EachSideObeysThePathMtuOfItsOwn) {
  for (const int workers : {1, 2}) {
    const TcpFrame syn = Begin(workers);
    Reply(syn, wire::kTcpSyn | wire::kTcpAck, 7000, syn.sequence + 1);
    TakeTcp(kUplink);
    // Without the MSS option a peer takes 536 bytes: two such segments are on their way.
    Send(from_, wire::kTcpAck, 1001, service_isn_ + 1, std::string(1072, 'u'));
    Turn();
    const std::vector<TcpFrame> up = TakeTcp(kUplink);
    ASSERT_EQ(Longest(up), 536u);
    Take(kPod);
    Tell(kUplink, kTooBigCode, up.front(), 560);
    const std::vector<TcpFrame> again = TakeTcp(kUplink);
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front().sequence, up.front().sequence);
    EXPECT_EQ(Longest(again), 520u);  // less both headers
    EXPECT_EQ(IcmpFrames(Take(kPod)), 0u);

    // Of the other side's segments nothing is known: they are as long as before. Then the pod
    // tells of its path, to the service's address.
    Reply(syn, wire::kTcpAck, 7001, syn.sequence + 1073, std::string(1072, 'd'));
    const std::vector<TcpFrame> down = TakeTcp(kPod);
    ASSERT_EQ(Longest(down), 536u);
    Take(kUplink);
    Tell(kPod, kTooBigCode, down.front(), 552);
    const std::vector<TcpFrame> shorter = TakeTcp(kPod);
    ASSERT_FALSE(shorter.empty());
    EXPECT_EQ(shorter.front().sequence, down.front().sequence);
    EXPECT_EQ(Longest(shorter), 512u);
    EXPECT_EQ(IcmpFrames(Take(kUplink)), 0u);
  }
}

}  // namespace
}  // namespace meltemi::worker
