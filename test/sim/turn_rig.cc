#include "test/sim/turn_rig.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "dataplane/wire/builders.h"
#include "l7/base/check.h"

namespace meltemi::sim {
namespace {

constexpr uint16_t kFirstClientPort = 20'000;
constexpr size_t kServersMax = 16;
constexpr int kTurnsToSilence = 100'000;

IpAddr Addr(const char* text) { return *IpAddr::Parse(text); }
nic::MacAddr FarMac(ip::PortId id) { return {2, 0, 0, 0, 1, static_cast<uint8_t>(id)}; }

struct TcpSeen {
  SockAddr source, destination;
  wire::TcpHeader tcp;
  uint32_t text_bytes = 0;
};

std::optional<TcpSeen> ParseTcp(const std::string& frame) {
  const auto* p = reinterpret_cast<const uint8_t*>(frame.data()) + wire::kEthernetBytes;
  const size_t n = frame.size() - wire::kEthernetBytes;
  TcpSeen seen;
  size_t at = 0;
  if (n >= 40 && p[0] == 0x45 && p[9] == wire::kProtoTcp) {
    seen.source.ip = IpAddr::V4(p + 12);
    seen.destination.ip = IpAddr::V4(p + 16);
    at = 20;
  } else if (n >= 60 && p[0] >> 4 == 6 && p[6] == wire::kProtoTcp) {
    seen.source.ip = IpAddr::V6(p + 8);
    seen.destination.ip = IpAddr::V6(p + 24);
    at = 40;
  } else {
    return std::nullopt;
  }
  const auto tcp = wire::TcpHeader::Parse(p + at, n - at);
  if (!tcp) return std::nullopt;  // routed as it came
  seen.tcp = *tcp;
  seen.source.port = tcp->source_port;
  seen.destination.port = tcp->destination_port;
  seen.text_bytes = static_cast<uint32_t>(n - at - tcp->header_bytes);
  return seen;
}

}  // namespace

TurnRig::TurnRig() {
  PlaneOptions options{.workers = 2, .conn_count_max = 64, .l7_conn_count_max = 96};
  options.check_turns = true;
  options.record_slots = 256;
  for (const ip::PortId id : {kPod, kUplink}) {
    ports_[id] = std::make_unique<worker::MemoryPort>(worker::MemoryPortOptions{
        .caps = id == kPod ? worker::OffloadCaps() : worker::PlainCaps()});
  }
  plane_ = std::make_unique<Plane>(options, now_);
  PlanePort pod{.name = "pod", .port = ports_[kPod].get(), .workload = &workload_};
  pod.ip = {.kind = ip::PortKind::kPod,
            .mac = PlaneMac(kPod),
            .addresses = PodSubnets(1),
            .own = PodGateways(1),
            .pod_addresses = PodAddresses(1, 11)};
  PlanePort uplink{.name = "uplink", .port = ports_[kUplink].get()};
  uplink.ip = {.kind = ip::PortKind::kUplink,
               .mac = PlaneMac(kUplink),
               .addresses = UplinkSubnets(),
               .own = UplinkAddresses(1)};
  plane_->AddPort(pod);
  plane_->AddPort(uplink);
  std::vector<ip::Route> routes;
  for (const IpPrefix& prefix : UplinkSubnets()) routes.push_back({prefix, kUplink, std::nullopt});
  for (const IpAddr& address : PodAddresses(1, 11)) {
    const auto bits = static_cast<uint8_t>(address.v4() ? 32 : 128);
    routes.push_back({{address, bits}, kPod, std::nullopt});
  }
  plane_->SetRoutes(routes);
  for (int i = 0; i < kClients; ++i) {
    const bool v6 = i >= 2;
    const auto port = static_cast<uint16_t>(kFirstClientPort + i);
    clients_[i].own = {PodAddresses(1, 11)[v6 ? 1 : 0], port};
    clients_[i].plane = {Addr(v6 ? "fd00:96::1" : "10.96.0.1"),
                         static_cast<uint16_t>(i % 2 == 0 ? 80 : 90)};
  }
  Change(0);
  Turn();
}

void TurnRig::PutPacket(ip::PortId port, const std::string& packet, const nic::VnetHeader& header) {
  auto frame = std::make_unique<worker::Frame>();
  frame->header = header;
  frame->bytes = wire::Ethernet({.destination = PlaneMac(port), .source = FarMac(port)}, packet);
  ports_[port]->Put(0, std::move(frame));
}

void TurnRig::Turn() {
  now_ = now_ + Duration::Micros(3);
  plane_->Run(now_);
  TakeAll();
}

void TurnRig::Change(int what) {
  if (what == 0) {
    ConfigSpec spec{.clusters = {{.name = "http", .endpoints = {{Addr("172.16.0.11"), 8080}}},
                                 {.name = "tcp", .endpoints = {{Addr("fd00:f::11"), 9090}}}},
                    .routes = {{.cluster = version_ % 3 == 2 ? "tcp" : "http",
                                .timeout = Duration::Seconds(version_ % 2 * 5),
                                .retry_count = static_cast<uint32_t>(version_ % 3)}},
                    .tcp = {{.port = 90, .cluster = "tcp", .connect_attempt_count_max = 2}}};
    ++version_;
    return plane_->Publish(config_.Make(spec));
  }
  if (what == 1) return plane_->Drain();
  if (what == 2 && attached_) {
    attached_ = false;
    ports_[kPod]->set_state(nic::PortState::kGone);
    plane_->Detach(kPod);
  } else if (what == 3 && !attached_ && plane_->detached(kPod)) {
    attached_ = true;
    ports_[kPod]->set_state(nic::PortState::kUp);
    plane_->Attach(kPod);
  }
}

void TurnRig::TakeAll() {
  for (const ip::PortId port : {kPod, kUplink}) {
    std::deque<worker::FramePtr> sent;
    sent.swap(ports_[port]->sent());
    for (const worker::FramePtr& frame : sent) See(port, frame->bytes);
  }
}

void TurnRig::See(ip::PortId port, const std::string& frame) {
  const auto seen = ParseTcp(frame);
  if (!seen) return AnswerNeighbour(port, frame);
  const bool syn = (seen->tcp.flags & wire::kTcpSyn) != 0;
  const uint32_t next = seen->tcp.sequence + seen->text_bytes + (syn ? 1 : 0) +
                        ((seen->tcp.flags & wire::kTcpFin) != 0 ? 1 : 0);
  if (port == kUplink && syn && servers_.size() < kServersMax) {
    servers_.push_back({.own = seen->destination, .plane = seen->source});
  }
  const auto update = [&](Peer& peer) {
    const bool mine = peer.own == seen->destination && peer.plane == seen->source;
    if (mine && (syn || static_cast<int32_t>(next - peer.ack) > 0)) peer.ack = next;
  };
  for (Peer& peer : clients_) update(peer);
  for (Peer& peer : servers_) update(peer);
}

void TurnRig::AnswerNeighbour(ip::PortId port, const std::string& frame) {
  const auto* p = reinterpret_cast<const uint8_t*>(frame.data()) + wire::kEthernetBytes;
  const size_t n = frame.size() - wire::kEthernetBytes;
  if (wire::Load16(p - 2) == wire::kEtherArp) {
    const auto arp = wire::ArpMessage::Parse(p, n);
    if (!arp || arp->operation != wire::kArpRequest) return;
    return PutPacket(port, wire::Arp({.operation = wire::kArpReply,
                                      .sender_mac = FarMac(port),
                                      .sender_ip = arp->target_ip,
                                      .target_mac = arp->sender_mac,
                                      .target_ip = arp->sender_ip}));
  }
  const auto header = wire::Ipv6Header::Parse(p, n);
  if (!header || header->next_header != wire::kProtoIcmpv6) return;
  const auto ns = wire::NdMessage::Parse(p + wire::kIpv6Bytes, n - wire::kIpv6Bytes);
  if (!ns || ns->type != wire::kIcmpv6NeighbourSolicitation) return;
  PutPacket(port, wire::Ip({.source = ns->target, .destination = header->source, .ttl = 255},
                           wire::Nd({.type = wire::kIcmpv6NeighbourAdvertisement,
                                     .flags = wire::kNaSolicited | wire::kNaOverride,
                                     .target = ns->target,
                                     .link_address = FarMac(port)})));
}

void TurnRig::Silence() {
  const Instant end = now_ + Duration::Seconds(4 * 3600);
  int turns = 0;
  for (; plane_->NextAt() < end; now_ = std::max(now_ + Duration::Micros(3), plane_->NextAt())) {
    CHECK(++turns < kTurnsToSilence);
    plane_->Run(now_);
    TakeAll();
  }
  CHECK(plane_->l7_connections() == 0);
  CHECK(plane_->exchanges() == 0);
  CHECK(plane_->tcp_connections() == 0);
  CHECK(plane_->packets_outstanding() == 0);
}

}  // namespace meltemi::sim
