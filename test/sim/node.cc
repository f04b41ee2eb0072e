#include "test/sim/node.h"

#include "l7/base/text.h"

namespace meltemi::sim {
namespace {

IpAddr Addr(const std::string& text) { return *IpAddr::Parse(text); }

}  // namespace

std::vector<IpAddr> PodAddresses(int node, int last) {
  return {Addr(Cat("10.", node, ".0.", last)), Addr(Cat("fd00:", node, "::", last))};
}
std::vector<IpAddr> UplinkAddresses(int last) {
  return {Addr(Cat("172.16.0.", last)), Addr(Cat("fd00:f::", last))};
}
std::vector<IpPrefix> PodSubnets(int node) {
  return {*IpPrefix::Parse(Cat("10.", node, ".0.0/24")),
          *IpPrefix::Parse(Cat("fd00:", node, "::/64"))};
}
std::vector<IpAddr> PodGateways(int node) { return PodAddresses(node, 1); }
std::vector<IpPrefix> UplinkSubnets() {
  return {*IpPrefix::Parse("172.16.0.0/24"), *IpPrefix::Parse("fd00:f::/64")};
}

Node::Node(const NodeOptions& options, Wire* wire, Instant now)
    : options_(options), wire_(wire), plane_(options.plane, now) {}

nic::MacAddr Node::Mac(ip::PortId id) const {
  return {2, 0, 0, 0, static_cast<uint8_t>(options_.number - 1), static_cast<uint8_t>(id)};
}

worker::MemoryPort* Node::NewPort(const nic::PortCaps& caps) {
  ports_.push_back(std::make_unique<worker::MemoryPort>(
      worker::MemoryPortOptions{.caps = caps,
                                .rx_ring_frames = options_.rx_ring_frames,
                                .tx_ring_frames = options_.tx_ring_frames,
                                .probe = options_.plane.probe}));
  return ports_.back().get();
}

ip::PortId Node::AddPod(int last, const LinkOptions& link, Host* host) {
  worker::MemoryPort* mine =
      NewPort(options_.pod_offload ? worker::OffloadCaps() : worker::PlainCaps());
  const auto id = static_cast<ip::PortId>(ports_.size() - 1);
  const std::vector<IpAddr> addresses = PodAddresses(options_.number, last);
  workloads_.push_back({.name = host->options().name, .ns = "sim", .addresses = addresses});
  PlanePort port{.name = host->options().name, .port = mine, .workload = &workloads_.back()};
  port.ip = {.kind = ip::PortKind::kPod,
             .mac = Mac(id),
             .mtu = options_.pod_mtu,
             .addresses = PodSubnets(options_.number),
             .own = PodGateways(options_.number),
             .pod_addresses = addresses};
  CHECK(plane_.AddPort(port) == id);
  for (const IpAddr& address : addresses) {
    const auto bits = static_cast<uint8_t>(address.v4() ? 32 : 128);
    routes_.push_back({.prefix = {address, bits}, .port = id, .via = std::nullopt});
  }
  const int cable = wire_->AddLink(link);
  wire_->Plug(cable, mine, Mac(id));
  wire_->Plug(cable, &host->port(), host->options().mac);
  return id;
}

ip::PortId Node::AddUplink(int link) {
  nic::PortCaps caps = worker::PlainCaps();
  caps.rx_queues = options_.uplink_rx_queues;
  worker::MemoryPort* mine = NewPort(caps);
  uplink_ = static_cast<ip::PortId>(ports_.size() - 1);
  PlanePort port{.name = "uplink", .port = mine};
  port.ip = {.kind = ip::PortKind::kUplink,
             .mac = Mac(uplink_),
             .mtu = options_.uplink_mtu,
             .addresses = UplinkSubnets(),
             .own = UplinkAddresses(options_.number)};
  CHECK(plane_.AddPort(port) == uplink_);
  for (const IpPrefix& prefix : port.ip.addresses) {
    routes_.push_back({.prefix = prefix, .port = uplink_, .via = std::nullopt});
  }
  wire_->Plug(link, mine, Mac(uplink_));
  return uplink_;
}

void Node::AddPeer(int number) {
  const std::vector<IpPrefix> subnets = PodSubnets(number);
  const std::vector<IpAddr> via = UplinkAddresses(number);
  for (size_t i = 0; i < subnets.size(); ++i) {
    routes_.push_back({.prefix = subnets[i], .port = uplink_, .via = via[i]});
  }
}

}  // namespace meltemi::sim
