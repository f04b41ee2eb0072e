// Goal: an opaque stream is passed on in whole segments while its source has more to send at once,
// and never waits otherwise. Method: a client whose segments are pushed or not, full or not, and
// what its server gets; nobody's SYN has an MSS, so that a segment is of 536 bytes.
#include "dataplane/worker/testing/worker_fixture.h"

namespace meltemi::worker {
namespace {

constexpr size_t kMss = 536;

class OpaqueCork : public WorkerTest {
 protected:
  void SetUp() override {
    Start({.workers = 1});
    plane_->Publish(config_.Make({.clusters = {{.name = "c", .endpoints = {{kServer, 8080}}}},
                                  .routes = {{.cluster = "c"}},
                                  .http_port = 8000,
                                  .tcp = {{.port = kService.port, .cluster = "c"}}}));
    Turn();
    Put(kUplink, wire::Arp({.operation = wire::kArpRequest,
                            .sender_mac = FarMac(kUplink),
                            .sender_ip = kServer,
                            .target_ip = kUplinkOwn}));
    Turn();
    Take(kUplink);
    Send(from_, wire::kTcpSyn, 1000, 0);
    Turn();
    const std::vector<TcpFrame> syn_ack = TakeTcp(kPod);
    ASSERT_EQ(syn_ack.size(), 1u);
    client_acks_ = syn_ack[0].sequence + 1;
    Send(from_, wire::kTcpAck, 1001, client_acks_);
    Turn();
    const std::vector<TcpFrame> syn = TakeTcp(kUplink);
    ASSERT_EQ(syn.size(), 1u);
    upstream_ = syn[0];
    acked_ = upstream_.sequence + 1;
    Answer(wire::kTcpSyn | wire::kTcpAck, 7000);
  }
  void Answer(uint8_t flags, uint32_t sequence) {
    Put(kUplink, wire::Ip({.source = kServer, .destination = upstream_.source.ip},
                          wire::Tcp({.source_port = 8080,
                                     .destination_port = upstream_.source.port,
                                     .sequence = sequence,
                                     .acknowledgment = acked_,
                                     .flags = flags})));
    Turn();
    TakeTcp(kUplink);
  }
  // The client sends; the sizes of what its server gets at once.
  std::vector<size_t> PassedOn(size_t bytes, uint8_t flags) {
    Send(from_, wire::kTcpAck | flags, sequence_, client_acks_, std::string(bytes, 'x'));
    sequence_ += static_cast<uint32_t>(bytes);
    Turn();
    return Got();
  }
  // What the server has got, acknowledged at once: nothing is held by a window.
  std::vector<size_t> Got() {
    std::vector<size_t> sizes;
    for (const TcpFrame& frame : TakeTcp(kUplink)) {
      if (frame.payload.empty()) continue;
      sizes.push_back(frame.payload.size());
      acked_ += static_cast<uint32_t>(frame.payload.size());
    }
    Answer(wire::kTcpAck, 7001);
    return sizes;
  }

  const uint16_t from_ = 20'000;
  uint32_t sequence_ = 1001, client_acks_ = 0, acked_ = 0;
  TcpFrame upstream_;
};

using Sizes = std::vector<size_t>;

TEST_F(OpaqueCork, HoldsThePieceThatIsNoWholeSegment) {
  EXPECT_EQ(PassedOn(600, 0), Sizes({kMss}));
  EXPECT_EQ(PassedOn(600, 0), Sizes({kMss}));
  EXPECT_EQ(PassedOn(100, wire::kTcpPsh), Sizes({228}));
}

TEST_F(OpaqueCork, WhatIsPushedOrShortNeverWaits) {
  EXPECT_EQ(PassedOn(600, wire::kTcpPsh), Sizes({kMss, 64}));
  EXPECT_EQ(PassedOn(100, 0), Sizes({100}));  // a stack that never pushes: its last segment
  EXPECT_EQ(PassedOn(kMss, 0), Sizes({kMss}));
}

TEST_F(OpaqueCork, TheFinTakesWhatIsHeldAlong) {
  EXPECT_EQ(PassedOn(600, 0), Sizes({kMss}));
  EXPECT_EQ(PassedOn(0, wire::kTcpFin), Sizes({64}));
}

TEST_F(OpaqueCork, OfOneTurnTheLastSegmentDecides) {
  Send(from_, wire::kTcpAck, sequence_, client_acks_, std::string(600, 'x'));
  Send(from_, wire::kTcpAck | wire::kTcpPsh, sequence_ + 600, client_acks_, std::string(10, 'x'));
  Turn();
  EXPECT_EQ(Got(), Sizes({kMss, 74}));
}

TEST_F(OpaqueCork, WaitsForNoMoreThan200Milliseconds) {
  EXPECT_EQ(PassedOn(600, 0), Sizes({kMss}));
  now_ = now_ + Duration::Millis(198);
  Turn();
  EXPECT_EQ(Got(), Sizes());
  now_ = now_ + Duration::Millis(3);
  Turn();
  EXPECT_EQ(Got(), Sizes({64}));
  EXPECT_EQ(plane_->worker(0).tcp().counters().corks_timed_out, 1u);
}

}  // namespace
}  // namespace meltemi::worker
