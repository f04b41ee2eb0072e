// A plane of workers between a pod and an uplink, frames made by hand, turns one at a time.
//
//   port 0 (worker 0 receives): the pod 10.1.0.11 behind 10.1.0.1
//   port 1 (worker 1, when there are two): the uplink 172.16.0.1/24
#ifndef MELTEMI_DATAPLANE_WORKER_TESTING_WORKER_FIXTURE_H_
#define MELTEMI_DATAPLANE_WORKER_TESTING_WORKER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/wire/builders.h"
#include "dataplane/worker/testing/memory_port.h"
#include "dataplane/worker/worker.h"
#include "test/sim/config.h"
#include "test/sim/plane.h"

namespace meltemi::worker {

inline constexpr ip::PortId kPod = 0;     // received by worker 0
inline constexpr ip::PortId kUplink = 1;  // by worker 1, when there are two
inline const IpAddr kClient = *IpAddr::Parse("10.1.0.11");
inline const IpAddr kGateway = *IpAddr::Parse("10.1.0.1");
inline const IpAddr kServer = *IpAddr::Parse("172.16.0.11");
inline const IpAddr kUplinkOwn = *IpAddr::Parse("172.16.0.1");
inline const SockAddr kService{*IpAddr::Parse("10.96.0.1"), 80};

inline nic::MacAddr PlaneMac(ip::PortId id) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(id)}; }
inline nic::MacAddr FarMac(ip::PortId id) { return {2, 0, 0, 0, 1, static_cast<uint8_t>(id)}; }

// An IPv4 TCP frame, taken apart.
struct TcpFrame {
  SockAddr source, destination;
  uint32_t sequence, acknowledgment;
  uint8_t flags;
  std::string payload, ip_packet;
};

inline std::optional<TcpFrame> ParseTcp(const std::string& frame) {
  const auto* p = reinterpret_cast<const uint8_t*>(frame.data());
  if (frame.size() < 54 || wire::Load16(p + 12) != wire::kEtherIpv4 || p[23] != 6) return {};
  const size_t end = 14u + wire::Load16(p + 16);
  const size_t text = 34u + (p[46] >> 4) * 4u;
  return TcpFrame{{IpAddr::V4(p + 26), wire::Load16(p + 34)},
                  {IpAddr::V4(p + 30), wire::Load16(p + 36)},
                  wire::Load32(p + 38),
                  wire::Load32(p + 42),
                  p[47],
                  frame.substr(text, end - text),
                  frame.substr(14, end - 14)};
}

class WorkerTest : public ::testing::Test {
 protected:
  void Start(const sim::PlaneOptions& options, const MemoryPortOptions& port = {}) {
    plane_.reset();  // it borrows the ports
    pod_ = std::make_unique<MemoryPort>(port);
    uplink_ = std::make_unique<MemoryPort>(port);
    plane_ = std::make_unique<sim::Plane>(options, now_);
    workload_ = {.name = "client", .addresses = {kClient}};
    sim::PlanePort pod{.name = "pod", .port = pod_.get(), .workload = &workload_};
    pod.ip = {.kind = ip::PortKind::kPod,
              .mac = PlaneMac(kPod),
              .addresses = {*IpPrefix::Parse("10.1.0.0/24")},
              .own = {kGateway},
              .pod_addresses = {kClient}};
    sim::PlanePort uplink{.name = "uplink", .port = uplink_.get()};
    uplink.ip = {.kind = ip::PortKind::kUplink,
                 .mac = PlaneMac(kUplink),
                 .addresses = {*IpPrefix::Parse("172.16.0.0/24")},
                 .own = {kUplinkOwn}};
    plane_->AddPort(pod);
    plane_->AddPort(uplink);
    plane_->SetRoutes({{.prefix = *IpPrefix::Parse("10.1.0.11/32"), .port = kPod},
                       {.prefix = *IpPrefix::Parse("172.16.0.0/24"), .port = kUplink}});
    UseEndpoint({kServer, 8080});
    Turn();
    // The pod says who it is; what one worker hears of it, all know a turn later.
    Put(kPod, wire::Arp({.operation = wire::kArpRequest,
                         .sender_mac = FarMac(kPod),
                         .sender_ip = kClient,
                         .target_ip = kGateway}));
    Turn();
    Take(kPod);
    Take(kUplink);
  }

  void UseEndpoint(const SockAddr& endpoint) {
    plane_->Publish(config_.Make(
        {.clusters = {{.name = "c", .endpoints = {endpoint}}}, .routes = {{.cluster = "c"}}}));
  }
  // Some turns of every worker, a little time between them.
  void Turn(int rounds = 4) {
    for (int i = 0; i < rounds; ++i, now_ = now_ + Duration::Micros(10)) {
      for (int w = 0; w < plane_->workers(); ++w) plane_->worker(w).Turn(now_);
    }
  }
  MemoryPort& port(ip::PortId id) { return id == kPod ? *pod_ : *uplink_; }
  bool Put(ip::PortId id, const std::string& packet) {
    return port(id).Put(
        0, wire::Ethernet({.destination = PlaneMac(id), .source = FarMac(id)}, packet));
  }
  // The server says who it is.
  void AnswerArp() {
    Put(kUplink, wire::Arp({.operation = wire::kArpReply,
                            .sender_mac = FarMac(kUplink),
                            .sender_ip = kServer,
                            .target_mac = PlaneMac(kUplink),
                            .target_ip = kUplinkOwn}));
  }
  std::vector<std::string> Take(ip::PortId id) {
    std::vector<std::string> frames;
    for (FramePtr& frame : port(id).sent()) frames.push_back(std::move(frame->bytes));
    port(id).sent().clear();
    return frames;
  }
  std::vector<TcpFrame> TakeTcp(ip::PortId id) {
    std::vector<TcpFrame> found;
    for (const std::string& frame : Take(id)) {
      if (auto tcp = ParseTcp(frame)) found.push_back(*tcp);
    }
    return found;
  }
  // A source port of the client whose connection to the service the worker owns.
  uint16_t PortOwnedBy(int owner, int nth = 0) {
    for (uint16_t p = 20'000;; ++p) {
      const bool mine = static_cast<int>(SymmetricHash({kClient, p}, kService) %
                                         static_cast<uint32_t>(plane_->workers())) == owner;
      if (mine && nth-- == 0) return p;
    }
  }
  void Send(uint16_t from, uint8_t flags, uint32_t sequence, uint32_t acknowledgment,
            std::string payload = "") {
    Put(kPod, wire::Ip({.source = kClient, .destination = kService.ip},
                       wire::Tcp({.source_port = from,
                                  .destination_port = kService.port,
                                  .sequence = sequence,
                                  .acknowledgment = acknowledgment,
                                  .flags = flags,
                                  .payload = std::move(payload)})));
  }
  // Handshake, with the first data on the third segment. What the plane has answered in the end.
  std::vector<TcpFrame> Open(uint16_t from, std::string payload = "") {
    Send(from, wire::kTcpSyn, 1000, 0);
    Turn();
    const std::vector<TcpFrame> answer = TakeTcp(kPod);
    EXPECT_EQ(answer.size(), 1u);
    if (answer.size() != 1) return {};
    EXPECT_EQ(answer[0].flags, wire::kTcpSyn | wire::kTcpAck);
    Send(from, wire::kTcpAck, 1001, answer[0].sequence + 1, std::move(payload));
    Turn();
    return TakeTcp(kPod);
  }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::unique_ptr<MemoryPort> pod_, uplink_;
  config::Workload workload_;
  sim::ConfigMaker config_;
  std::unique_ptr<sim::Plane> plane_;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_TESTING_WORKER_FIXTURE_H_
