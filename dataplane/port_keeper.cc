#include "dataplane/port_keeper.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/common/log.h"
#include "dataplane/nic/device.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using control::common::Level;
using control::common::Log;

// Deterministic, locally administered: the same port of the same node has the same address after a
// restart.
nic::MacAddr MacOf(const std::string& node, const std::string& port) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : Cat(node, "/", port)) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return {0x02,
          static_cast<uint8_t>(h >> 32),
          static_cast<uint8_t>(h >> 24),
          static_cast<uint8_t>(h >> 16),
          static_cast<uint8_t>(h >> 8),
          static_cast<uint8_t>(h)};
}

// The netdev in our own network namespace whose coming and going is the device's; empty: none.
std::string NetdevOf(const std::string& text) {
  const absl::StatusOr<nic::Device> device = nic::ParseDevice(text);
  if (!device.ok()) return "";
  switch (device->kind) {
    case nic::DeviceKind::kVeth:
    case nic::DeviceKind::kAfXdp:
      return device->target;
    case nic::DeviceKind::kTap:  // we make it, and it may be in a pod
    case nic::DeviceKind::kPci:
    case nic::DeviceKind::kVhost:
    case nic::DeviceKind::kVirtio:
    case nic::DeviceKind::kRing:
    case nic::DeviceKind::kNull:
      return "";
  }
  return "";
}

bool SameWorkload(const config::Workload& a, const config::Workload& b) {
  return a.name == b.name && a.ns == b.ns && a.service_account == b.service_account &&
         a.addresses == b.addresses && a.labels == b.labels;
}

}  // namespace

PortKeeper::Wanted PortKeeper::Collect(const agent::Bootstrap& bootstrap,
                                       const agent::PortConfig& config) {
  Wanted wanted{.config = config, .workloads = {}};
  for (const agent::WorkloadConfig& w : bootstrap.workloads) {
    if (w.port == config.name) wanted.workloads.push_back(w.workload);
  }
  return wanted;
}

bool PortKeeper::Same(const Wanted& a, const Wanted& b) {
  return a.config == b.config && std::equal(a.workloads.begin(), a.workloads.end(),
                                            b.workloads.begin(), b.workloads.end(), SameWorkload);
}

ip::PortId PortKeeper::IdOf(const std::string& name) const {
  for (ip::PortId id = 0; id < slots_.size(); ++id) {
    if (slots_[id]->wanted && slots_[id]->wanted->config.name == name) return id;
  }
  return ip::kNoPort;
}

bool PortKeeper::WouldOverflow(const agent::Bootstrap& bootstrap) const {
  // Ports that go keep their number until every worker has let go of them.
  size_t used = bootstrap.ports.size();
  for (const auto& slot : slots_) {
    if (slot->free()) continue;
    const bool stays = slot->wanted && std::any_of(bootstrap.ports.begin(), bootstrap.ports.end(),
                                                   [&](const agent::PortConfig& p) {
                                                     return p.name == slot->wanted->config.name;
                                                   });
    used += stays ? 0 : 1;
  }
  return used > limits::kPortCountMax;
}

ip::PortId PortKeeper::NewSlot() {
  for (ip::PortId id = 0; id < slots_.size(); ++id) {
    if (slots_[id]->free()) return id;
  }
  CHECK(slots_.size() < limits::kPortCountMax);  // WouldOverflow was asked
  slots_.push_back(std::make_unique<Slot>());
  return static_cast<ip::PortId>(slots_.size() - 1);
}

void PortKeeper::Use(const agent::Bootstrap& bootstrap, Instant now) {
  std::vector<ip::PortId> leaving;
  for (ip::PortId id = 0; id < slots_.size(); ++id) {
    if (slots_[id]->wanted) leaving.push_back(id);
  }
  std::vector<ip::PortId> arriving;
  for (const agent::PortConfig& config : bootstrap.ports) {
    Wanted wanted = Collect(bootstrap, config);
    ip::PortId id = IdOf(config.name);
    std::erase(leaving, id);
    if (id != ip::kNoPort && Same(*slots_[id]->wanted, wanted)) continue;
    const bool known = id != ip::kNoPort;
    if (!known) id = NewSlot();
    Slot& slot = *slots_[id];
    slot.wanted = std::move(wanted);
    slot.netdev = NetdevOf(config.device);
    slot.tried_index = 0;
    slot.error.clear();
    slot.retry_at = now;
    if (slot.port != nullptr) Detach(id, Level::kInfo, "its configuration changed");
    if (slot.port == nullptr) arriving.push_back(id);
  }
  for (const ip::PortId id : leaving) {
    Slot& slot = *slots_[id];
    slot.wanted.reset();
    slot.netdev.clear();
    slot.error.clear();
    if (slot.port != nullptr) Detach(id, Level::kInfo, "no longer configured");
  }
  const std::vector<ip::Route> routes = Routes(bootstrap);
  for (int i = 0; i < options_.workers; ++i) options_.send(i, worker::SetRoutes{routes});
  for (const ip::PortId id : arriving) Open(id, now);
}

void PortKeeper::Open(ip::PortId id, Instant now) {
  Slot& slot = *slots_[id];
  const agent::PortConfig& config = slot.wanted->config;
  auto port = options_.open(config.device, {.name = config.name,
                                            .mtu = config.mtu,
                                            .workers = options_.workers,
                                            .pools = options_.pools});
  if (!port.ok()) {
    const std::string error(port.status().message());
    if (error != slot.error) {
      Log(Level::kWarning, "port not attached, will try again",
          {{"port", config.name}, {"device", config.device}, {"error", error}});
    }
    slot.error = error;
    slot.retry_at = now + kRetry;
    return;
  }
  slot.port = *std::move(port);
  slot.running = *slot.wanted;
  slot.error.clear();
  Log(Level::kInfo, "port attached", {{"port", config.name}, {"device", config.device}});
  Attach(id);
}

ip::PortOptions PortKeeper::IpOptionsOf(const Slot& slot) const {
  const agent::PortConfig& config = slot.running.config;
  ip::PortOptions o;
  o.kind = config.kind == agent::PortRole::kPod ? ip::PortKind::kPod : ip::PortKind::kUplink;
  o.mac = config.mac.value_or(MacOf(options_.node, config.name));
  o.mtu = config.mtu;
  for (const auto& [own, prefix] : config.addresses) {
    o.own.push_back(own);
    o.addresses.push_back(prefix);
  }
  if (o.kind == ip::PortKind::kPod) {
    for (const config::Workload& w : slot.running.workloads) {
      o.pod_addresses.insert(o.pod_addresses.end(), w.addresses.begin(), w.addresses.end());
    }
  }
  const nic::PortCaps caps = slot.port->caps();
  o.tx_checksum = caps.tx_checksum;
  o.tx_segmentation = caps.tx_segmentation;
  o.super_frame_bytes_max = caps.super_frame_bytes_max;
  o.segment_bytes_min = caps.segment_bytes_min;
  return o;
}

void PortKeeper::Attach(ip::PortId id) {
  const Slot& slot = *slots_[id];
  const nic::PortCaps caps = slot.port->caps();
  const int n = options_.workers;
  for (int i = 0; i < n; ++i) {
    auto a = std::make_unique<worker::PortAttachment>();
    a->id = id;
    a->name = slot.running.config.name;
    a->port = slot.port.get();
    a->ip = IpOptionsOf(slot);
    // As many receive queues as workers: one each. Else one worker receives and shares out.
    a->rx_queue = caps.rx_queues >= n ? i : (id % n == i ? 0 : -1);
    a->tx_queue = std::min(i, caps.tx_queues - 1);
    if (a->ip.kind == ip::PortKind::kUplink) {
      for (const config::Workload& w : slot.running.workloads) a->gateways.push_back(&w);
    } else if (!slot.running.workloads.empty()) {
      a->workload = &slot.running.workloads.front();
    }
    options_.send(i, worker::AttachPort{std::move(a)});
  }
}

void PortKeeper::Detach(ip::PortId id, Level level, const char* why) {
  Slot& slot = *slots_[id];
  if (slot.releases_due > 0) return;
  Log(level, "port detached",
      {{"port", slot.running.config.name}, {"device", slot.running.config.device}, {"why", why}});
  slot.releases_due = options_.workers;
  for (int i = 0; i < options_.workers; ++i) options_.send(i, worker::DetachPort{id});
}

void PortKeeper::OnReleased(ip::PortId id, Instant now) {
  Slot& slot = *slots_[id];
  CHECK(slot.releases_due > 0);
  if (--slot.releases_due > 0) return;
  slot.port->Close();
  slot.port.reset();
  slot.running = Wanted{};
  slot.retry_at = now;  // the device may be back already
}

bool PortKeeper::releasing() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return slot->releases_due > 0; });
}

void PortKeeper::DetachIfGone(ip::PortId id) {
  const Slot& slot = *slots_[id];
  if (slot.port == nullptr || slot.releases_due > 0) return;
  if (slot.port->state() == nic::PortState::kGone)
    Detach(id, Level::kWarning, "its device is gone");
}

// News only says where to look: what is true now the port and the kernel are asked for.
void PortKeeper::OnNews(const nic::LinkNews& news, Instant now) {
  if (news.events.empty() && !news.lost) return;
  for (ip::PortId id = 0; id < slots_.size(); ++id) {
    DetachIfGone(id);
    Slot& slot = *slots_[id];
    if (!slot.wanted || slot.port != nullptr || slot.netdev.empty()) continue;
    bool appeared = news.lost;
    for (const nic::LinkEvent& event : news.events) {
      if (event.name != slot.netdev || event.state == nic::PortState::kGone) continue;
      // Once for each device: a try may itself be news, and what fails now is tried again by time.
      appeared |= event.index != slot.tried_index;
      slot.tried_index = event.index;
    }
    if (appeared) Open(id, now);
  }
}

void PortKeeper::Watch(Instant now) {
  const bool sockets = now >= look_at_sockets_;
  const bool all = now >= look_at_all_;
  if (sockets) look_at_sockets_ = now + kLookAtSockets;
  if (all) look_at_all_ = now + kRetry;
  for (ip::PortId id = 0; id < slots_.size(); ++id) {
    Slot& slot = *slots_[id];
    if (all || (sockets && slot.netdev.empty())) DetachIfGone(id);
    if (slot.wanted && slot.port == nullptr && now >= slot.retry_at) Open(id, now);
  }
}

std::vector<ip::Route> PortKeeper::Routes(const agent::Bootstrap& bootstrap) const {
  std::vector<ip::Route> routes;
  std::set<std::string> uplinks;
  for (const agent::PortConfig& port : bootstrap.ports) {
    if (port.kind != agent::PortRole::kUplink) continue;
    uplinks.insert(port.name);
    for (const auto& [own, prefix] : port.addresses) {
      routes.push_back({.prefix = prefix, .port = IdOf(port.name), .via = std::nullopt});
    }
  }
  for (const agent::RouteConfig& r : bootstrap.routes) {
    routes.push_back({.prefix = r.prefix, .port = IdOf(r.port), .via = r.via});
  }
  for (const agent::WorkloadConfig& w : bootstrap.workloads) {
    if (w.port.empty() || uplinks.contains(w.port)) continue;  // a gateway's address is our own
    for (const IpAddr& a : w.workload.addresses) {
      const auto bits = static_cast<uint8_t>(a.v4() ? 32 : 128);
      routes.push_back({.prefix = {a, bits}, .port = IdOf(w.port), .via = std::nullopt});
    }
  }
  return routes;
}

std::vector<PortStatus> PortKeeper::Statuses() const {
  std::vector<PortStatus> statuses;
  for (const auto& slot : slots_) {
    PortStatus& s = statuses.emplace_back();
    if (!slot->wanted) continue;
    s.name = slot->wanted->config.name;
    s.device = slot->wanted->config.device;
    s.attached = slot->port != nullptr && slot->releases_due == 0;
    s.error = slot->error;
  }
  return statuses;
}

void PortKeeper::CloseAll() {
  for (const auto& slot : slots_) {
    if (slot->port != nullptr) slot->port->Close();
  }
}

}  // namespace meltemi
