#include "dataplane/worker/port_set.h"

#include <algorithm>

namespace meltemi::worker {

void PortSet::Attach(const PortAttachment& attachment) {
  if (attachment.id >= entries_.size()) entries_.resize(attachment.id + 1);
  Entry& entry = entries_[attachment.id];
  CHECK(!entry.attached);
  entry = Entry{.attachment = attachment, .attached = true};
  if (attachment.rx_queue >= 0) {
    entry.has_event = attachment.port->event_fd(attachment.rx_queue) >= 0;
    entry.can_cool = entry.has_event && !attachment.port->caps().armed_wake;
    entry.hot = true;
    hot_.push_back(attachment.id);
  }
  for (const IpAddr& pod : attachment.ip.pod_addresses) pods_[pod] = attachment.id;
  for (const config::Workload* gateway : attachment.gateways) {
    for (const IpAddr& address : gateway->addresses) gateways_[address] = gateway;
  }
  ++version_;
}

const PortSet::Entry* PortSet::FindByPodAddress(const IpAddr& address) const {
  const auto found = pods_.find(address);
  return found == pods_.end() ? nullptr : &entries_[found->second];
}

const config::Workload* PortSet::FindGateway(const IpAddr& address) const {
  const auto found = gateways_.find(address);
  return found == gateways_.end() ? nullptr : found->second;
}

void PortSet::Detach(ip::PortId id, ip::Ip* ip, packet::PacketPool* pool) {
  if (id >= entries_.size() || !entries_[id].attached) return;
  for (packet::Packet* p : ip->tx(id)) pool->Free(p);
  ip->tx(id).clear();
  std::erase(hot_, id);
  for (const IpAddr& pod : entries_[id].attachment.ip.pod_addresses) pods_.erase(pod);
  for (const config::Workload* gateway : entries_[id].attachment.gateways) {
    for (const IpAddr& address : gateway->addresses) gateways_.erase(address);
  }
  const PortAttachment& attachment = entries_[id].attachment;
  if (attachment.rx_queue >= 0) attachment.port->LetGo(attachment.rx_queue, *pool);
  entries_[id] = Entry{};
  ++version_;
}

void PortSet::RxBurst(packet::PacketPool* pool, Instant now, std::vector<ip::RxPacket>* out) {
  std::array<packet::Packet*, limits::kRxBurst> burst;
  for (size_t i = 0; i < hot_.size();) {
    Entry& entry = entries_[hot_[i]];
    const PortAttachment& a = entry.attachment;
    const int n = a.port->RxBurst(a.rx_queue, *pool, burst);
    for (int k = 0; k < n; ++k) out->push_back({burst[k], a.id});
    if (n > 0) {
      entry.last_seen = now;
    } else if (entry.can_cool && now - entry.last_seen > kHotSpan) {
      entry.hot = false;
      a.port->LetGo(a.rx_queue, *pool);  // a thousand quiet pods hold no packets
      hot_[i] = hot_.back();
      hot_.pop_back();
      continue;
    }
    ++i;
  }
}

bool PortSet::TxBurst(ip::Ip* ip, packet::PacketPool* pool, WorkerCounters* counters) {
  bool sent_any = false;
  for (ip::PortId id = 0; id < entries_.size(); ++id) {
    Entry& entry = entries_[id];
    if (!entry.attached) continue;
    std::vector<packet::Packet*>& queue = ip->tx(id);
    if (queue.empty()) continue;
    size_t sent = 0;
    while (sent < queue.size()) {
      const size_t n = std::min<size_t>(queue.size() - sent, limits::kTxBurst);
      const int taken = entry.attachment.port->TxBurst(entry.attachment.tx_queue, *pool,
                                                       std::span(queue).subspan(sent, n));
      sent += taken;
      if (static_cast<size_t>(taken) < n) break;
    }
    sent_any |= sent > 0;
    queue.erase(queue.begin(), queue.begin() + sent);
    while (queue.size() > kTxQueueMax) {
      pool->Free(queue.back());
      queue.pop_back();
      ++counters->drop_port_full;
    }
  }
  return sent_any;
}

void PortSet::MarkHot(ip::PortId id, Instant now) {
  if (id >= entries_.size() || !entries_[id].attached || entries_[id].hot) return;
  entries_[id].hot = true;
  entries_[id].last_seen = now;
  hot_.push_back(id);
}

void PortSet::MarkAllHot(Instant now) {
  for (ip::PortId id = 0; id < entries_.size(); ++id) {
    if (entries_[id].attached && entries_[id].attachment.rx_queue >= 0) MarkHot(id, now);
  }
}

bool PortSet::AnyTxWaiting(ip::Ip* ip) {
  for (ip::PortId id = 0; id < entries_.size(); ++id) {
    if (entries_[id].attached && !ip->tx(id).empty()) return true;
  }
  return false;
}

}  // namespace meltemi::worker
