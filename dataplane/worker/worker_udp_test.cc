// Goal: datagrams to a UDP service reach one endpoint of it and its answers the client, whichever
// workers receive them; what cannot be served is refused by name.
#include "dataplane/worker/testing/worker_fixture.h"

namespace meltemi::worker {
namespace {

const SockAddr kDns{*IpAddr::Parse("10.96.0.10"), 53};
const SockAddr kFirst{*IpAddr::Parse("172.16.0.21"), 5353};
const SockAddr kSecond{*IpAddr::Parse("172.16.0.22"), 5353};

// An IPv4 UDP frame, taken apart.
struct UdpFrame {
  SockAddr source, destination;
  std::string payload, ip_packet;
};

class WorkerUdpTest : public WorkerTest {
 protected:
  void Begin(int workers) {
    Start({.workers = workers});
    for (const SockAddr& endpoint : {kFirst, kSecond}) {
      Put(kUplink, wire::Arp({.operation = wire::kArpRequest,
                              .sender_mac = FarMac(kUplink),
                              .sender_ip = endpoint.ip,
                              .target_ip = kUplinkOwn}));
    }
    Use({kFirst, kSecond});
    Take(kUplink);
  }
  void Use(std::vector<SockAddr> endpoints) {
    plane_->Publish(config_.Make({.clusters = {{.name = "dns", .endpoints = std::move(endpoints)}},
                                  .udp = {{.addresses = {kDns}, .cluster = "dns"}}}));
    Turn();
  }
  std::vector<UdpFrame> TakeUdp(ip::PortId id) {
    std::vector<UdpFrame> found;
    for (const std::string& frame : Take(id)) {
      const auto* p = reinterpret_cast<const uint8_t*>(frame.data());
      if (frame.size() < 42 || wire::Load16(p + 12) != wire::kEtherIpv4 || p[23] != 17) continue;
      const size_t end = 14u + wire::Load16(p + 16);
      found.push_back({{IpAddr::V4(p + 26), wire::Load16(p + 34)},
                       {IpAddr::V4(p + 30), wire::Load16(p + 36)},
                       frame.substr(42, end - 42),
                       frame.substr(14, end - 14)});
    }
    return found;
  }
  std::vector<std::string> TakeIcmp(ip::PortId id) {
    std::vector<std::string> found;
    for (std::string& frame : Take(id)) {
      if (frame.size() > 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == 1) {
        found.push_back(std::move(frame));
      }
    }
    return found;
  }
  void Datagram(ip::PortId id, const SockAddr& from, const SockAddr& to, std::string payload) {
    Put(id, wire::Ip({.source = from.ip, .destination = to.ip},
                     wire::Udp({.source_port = from.port,
                                .destination_port = to.port,
                                .payload = std::move(payload)})));
    Turn();
  }
  // What reached an endpoint.
  UdpFrame Query(uint16_t port, const std::string& text) {
    Datagram(kPod, {kClient, port}, kDns, text);
    const std::vector<UdpFrame> out = TakeUdp(kUplink);
    EXPECT_EQ(out.size(), 1u) << "of port " << port;
    return out.empty() ? UdpFrame{} : out[0];
  }
  uint32_t sessions() {
    uint32_t count = 0;
    for (int w = 0; w < plane_->workers(); ++w) count += plane_->worker(w).udp().count();
    return count;
  }
  uint64_t Counted(uint64_t udp::UdpCounters::*counter) {
    uint64_t sum = 0;
    for (int w = 0; w < plane_->workers(); ++w) sum += plane_->worker(w).udp().counters().*counter;
    return sum;
  }
};

TEST_F(WorkerUdpTest, QueriesAndAnswersPassWhicheverWorkerOwnsThem) {
  for (const int workers : {1, 2, 4}) {
    Begin(workers);
    int to_first = 0;
    for (uint16_t port = 20'000; port < 20'032; ++port) {
      const UdpFrame query = Query(port, "who is there?");
      EXPECT_EQ(query.source.ip, kUplinkOwn);
      EXPECT_EQ(query.payload, "who is there?");
      ASSERT_TRUE(query.destination == kFirst || query.destination == kSecond);
      to_first += query.destination == kFirst ? 1 : 0;
      // Once more to the same one, from the same port.
      const UdpFrame again = Query(port, "again");
      EXPECT_EQ(again.destination, query.destination);
      EXPECT_EQ(again.source, query.source);
      Datagram(kUplink, query.destination, query.source, "nobody");
      const std::vector<UdpFrame> answer = TakeUdp(kPod);
      ASSERT_EQ(answer.size(), 1u);
      EXPECT_EQ(answer[0].source, kDns);
      EXPECT_EQ(answer[0].destination, (SockAddr{kClient, port}));
      EXPECT_EQ(answer[0].payload, "nobody");
    }
    // Round robin, by each worker for itself.
    EXPECT_NEAR(to_first, 16, workers == 1 ? 0 : workers);
    EXPECT_EQ(sessions(), 32u);
    EXPECT_EQ(Counted(&udp::UdpCounters::handed_over) > 0, workers > 1);
  }
}

TEST_F(WorkerUdpTest, ASessionEndsWhenNothingPassesAnyMore) {
  Begin(2);
  const UdpFrame query = Query(20'000, "x");
  now_ = now_ + Duration::Seconds(50);
  Turn();
  Datagram(kUplink, query.destination, query.source, "answer");
  now_ = now_ + Duration::Seconds(50);
  Turn();
  EXPECT_EQ(sessions(), 1u);
  now_ = now_ + Duration::Seconds(11);
  Turn();
  EXPECT_EQ(sessions(), 0u);
  Take(kPod);
  Datagram(kUplink, query.destination, query.source, "too late");
  EXPECT_TRUE(TakeUdp(kPod).empty());
  EXPECT_EQ(Counted(&udp::UdpCounters::not_a_session), 1u);
}

TEST_F(WorkerUdpTest, AnEndpointThatLeavesTakesItsSessionsAlong) {
  Begin(1);
  const SockAddr gone = Query(20'000, "x").destination;
  const SockAddr stays = gone == kFirst ? kSecond : kFirst;
  Use({stays});
  EXPECT_EQ(Query(20'000, "x").destination, stays);
  EXPECT_EQ(Counted(&udp::UdpCounters::sessions_endpoint_gone), 1u);
  Use({kFirst, kSecond});  // one that stays is not touched
  EXPECT_EQ(Query(20'000, "x").destination, stays);
  EXPECT_EQ(Counted(&udp::UdpCounters::sessions_opened), 2u);
}

TEST_F(WorkerUdpTest, WithoutEndpointsTheClientHearsThatNobodyIsThere) {
  Begin(1);
  Use({});
  Datagram(kPod, {kClient, 20'000}, kDns, "x");
  const std::vector<std::string> told = TakeIcmp(kPod);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].substr(34, 2), std::string({char{3}, char{3}}));
  EXPECT_EQ(Counted(&udp::UdpCounters::no_healthy_upstream), 1u);
  Datagram(kPod, {kClient, 20'000}, {kDns.ip, 54}, "no such port");
  EXPECT_EQ(TakeIcmp(kPod).size(), 1u);
}

TEST_F(WorkerUdpTest, ErrorsReachWhoeverSentTheDatagram) {
  for (const int workers : {1, 2}) {
    Begin(workers);
    const UdpFrame query = Query(20'000, "x");
    Put(kUplink, wire::Ip({.source = query.destination.ip, .destination = kUplinkOwn},
                          wire::Icmp({.type = 3, .code = 3, .payload = query.ip_packet})));
    Turn();
    const std::vector<std::string> told = TakeIcmp(kPod);
    ASSERT_EQ(told.size(), 1u);
    const auto* p = reinterpret_cast<const uint8_t*>(told[0].data());
    EXPECT_EQ(told[0].substr(34, 2), std::string({char{3}, char{3}}));
    EXPECT_EQ(IpAddr::V4(p + 26), kDns.ip);
    EXPECT_EQ(IpAddr::V4(p + 54), kClient);  // the quoted packet
    EXPECT_EQ(IpAddr::V4(p + 58), kDns.ip);
    EXPECT_EQ(wire::Load16(p + 62), 20'000);
    EXPECT_EQ(wire::Load16(p + 64), 53);

    // And the client's error about an answer reaches the endpoint.
    Datagram(kUplink, query.destination, query.source, "answer");
    const std::vector<UdpFrame> answer = TakeUdp(kPod);
    ASSERT_EQ(answer.size(), 1u);
    Put(kPod, wire::Ip({.source = kClient, .destination = kDns.ip},
                       wire::Icmp({.type = 3, .code = 3, .payload = answer[0].ip_packet})));
    Turn();
    bool heard = false;
    for (const std::string& frame : TakeIcmp(kUplink)) {
      const auto* q = reinterpret_cast<const uint8_t*>(frame.data());
      heard |=
          IpAddr::V4(q + 30) == query.destination.ip && wire::Load16(q + 64) == query.source.port;
    }
    EXPECT_TRUE(heard);
    EXPECT_EQ(Counted(&udp::UdpCounters::errors_passed_on), 2u);
  }
}

TEST_F(WorkerUdpTest, OnlyPodsMaySpeakToServices) {
  Begin(1);
  Datagram(kUplink, kFirst, kDns, "let me in");
  EXPECT_EQ(sessions(), 0u);
  EXPECT_TRUE(TakeUdp(kUplink).empty());
}

}  // namespace
}  // namespace meltemi::worker
