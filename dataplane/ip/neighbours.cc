// Who has which link address: ARP (RFC 826, 1027 proxy, 5227 announcements) and ND (RFC 4861).
#include <algorithm>

#include "dataplane/ip/ip_impl.h"
#include "dataplane/wire/checksum.h"

namespace meltemi::ip {
namespace {

constexpr Duration kRetry = Duration::Millis(250);
constexpr int kTries = 8;  // 2 s, then the waiting packets are dropped
constexpr Duration kFresh = Duration::Seconds(30);     // asked again after this when in use
constexpr Duration kForget = Duration::Seconds(300);   // not used
constexpr Duration kSweep = Duration::Seconds(5);

}  // namespace

// For whom we answer on a port: our own addresses there, and, since pods of one subnet sit on ports of
// their own, any address that is routed to another port.
bool Ip::Impl::AnswersFor(const PortState& port, PortId id, const IpAddr& target) const {
  const auto& own = port.options.own;
  if (std::find(own.begin(), own.end(), target) != own.end()) return true;
  if (target == port.link_local) return true;
  if (port.options.kind != PortKind::kPod || target.link_local()) return false;
  const auto& pods = port.options.pod_addresses;
  if (std::find(pods.begin(), pods.end(), target) != pods.end()) return false;  // the pod's own (DAD)
  const ip::Route* route = FindRoute(target);
  return route != nullptr && route->port != id;
}

void Ip::Impl::OnArp(packet::Packet* p, PortId id, Instant now) {
  const auto m = wire::ArpMessage::Parse(packet::Data(p), p->data_len);
  pool_->Free(p);
  if (!m) {
    ++counters_.drop_arp;
    return;
  }
  const PortState& port = ports_[id];
  const bool probe = m->sender_ip.unspecified();  // RFC 5227: nothing to learn from it
  if (!probe && Spoofed(port, m->sender_ip)) {
    ++counters_.drop_spoofed;
    return;
  }
  if (!probe) Learn(id, m->sender_ip, m->sender_mac, now);
  if (m->operation == wire::kArpReply) {
    ++counters_.arp_replies_in;
    return;
  }
  ++counters_.arp_requests_in;
  if (m->operation != wire::kArpRequest || !AnswersFor(port, id, m->target_ip)) {
    ++counters_.arp_ignored;
    return;
  }
  ++counters_.arp_replies_out;
  SendArp(id, wire::kArpReply, m->sender_mac, m->sender_ip, m->sender_mac, m->target_ip);
}

void Ip::Impl::SendArp(PortId id, uint16_t operation, const MacAddr& to, const IpAddr& target,
                       const MacAddr& target_mac, const IpAddr& sender) {
  packet::Packet* p = pool_->Alloc();
  if (p == nullptr) {
    ++counters_.drop_no_memory;
    return;
  }
  wire::ArpMessage{.operation = operation,
                   .sender_mac = ports_[id].options.mac,
                   .sender_ip = sender,
                   .target_mac = target_mac,
                   .target_ip = target}
      .Emit(packet::Append(p, wire::kArpBytes));
  ToPort(p, id, to, wire::kEtherArp);
}

void Ip::Impl::OnNd(const IpPacket& in, Instant now) {
  const uint8_t* at = packet::Data(in.packet) + in.header_bytes;
  const auto m = wire::NdMessage::Parse(at, in.packet->data_len - in.header_bytes);
  if (!m || in.ttl != 255) return Drop(in.packet, counters_.drop_nd);  // RFC 4861 7.1
  const PortState& port = ports_[in.port];
  if (m->type == wire::kIcmpv6NeighbourAdvertisement) {
    ++counters_.nd_advertisements_in;
    if (Spoofed(port, m->target)) return Drop(in.packet, counters_.drop_spoofed);
    if (m->link_address) Learn(in.port, m->target, *m->link_address, now);
    pool_->Free(in.packet);
    return;
  }
  ++counters_.nd_solicitations_in;
  const bool dad = in.source.unspecified();
  if (!dad && m->link_address) Learn(in.port, in.source, *m->link_address, now);
  if (AnswersFor(port, in.port, m->target)) {
    ++counters_.nd_advertisements_out;
    const IpAddr to = dad ? wire::AllNodes() : in.source;
    MacAddr mac = wire::MulticastMac(to);
    if (!dad) {
      const NeighbourEntry* known = NeighbourFor(in.port, in.source, now);
      if (known != nullptr && known->resolved) mac = known->mac;
    }
    SendNd(in.port,
           {.type = wire::kIcmpv6NeighbourAdvertisement,
            .flags = wire::kNaRouter | (dad ? 0 : wire::kNaSolicited) | wire::kNaOverride,
            .target = m->target,
            .link_address = port.options.mac},
           m->target.link_local() ? port.link_local : m->target, to, mac);
  }
  pool_->Free(in.packet);
}

void Ip::Impl::SendNd(PortId id, const wire::NdMessage& message, const IpAddr& source,
                      const IpAddr& destination, const MacAddr& to) {
  packet::Packet* p = pool_->Alloc();
  if (p == nullptr) {
    ++counters_.drop_no_memory;
    return;
  }
  uint8_t* at = packet::Append(p, wire::kNdBytes + wire::kNdLinkOptionBytes);
  const uint16_t bytes = message.Emit(at);
  packet::TrimTo(p, bytes);
  const uint16_t sum = wire::SumAdd(
      wire::SumBytes(at, bytes),
      wire::PseudoHeaderSum(source, destination, wire::kProtoIcmpv6, bytes));
  wire::Store16(at + wire::kIcmpChecksumOffset, static_cast<uint16_t>(~sum));
  wire::Ipv6Header{.payload_bytes = bytes,
                   .next_header = wire::kProtoIcmpv6,
                   .hop_limit = 255,
                   .source = source,
                   .destination = destination}
      .Emit(packet::Prepend(p, wire::kIpv6Bytes));
  ToPort(p, id, to, wire::kEtherIpv6);
}

// Asks who has `address`. From one of our own addresses of that link.
void Ip::Impl::Solicit(PortId id, const IpAddr& address) {
  const PortState& port = ports_[id];
  if (address.v4()) {
    const IpAddr* source = SourceOn(id, address);
    if (source == nullptr) return;
    ++counters_.arp_requests_out;
    SendArp(id, wire::kArpRequest, wire::kBroadcastMac, address, MacAddr{}, *source);
    return;
  }
  ++counters_.nd_solicitations_out;
  const IpAddr group = wire::SolicitedNode(address);
  SendNd(id,
         {.type = wire::kIcmpv6NeighbourSolicitation,
          .target = address,
          .link_address = port.options.mac},
         port.link_local, group, wire::MulticastMac(group));
}

void Ip::Impl::Learn(PortId id, const IpAddr& address, const MacAddr& mac, Instant now) {
  if (wire::IsGroupMac(mac) || Port(id) == nullptr) return;
  auto found = neighbours_.find({id, address});
  if (found == neighbours_.end()) {
    if (neighbours_.size() >= limits::kNeighbourCountMax) return;
    found = neighbours_.emplace(NeighbourKey{id, address}, NeighbourEntry{}).first;
    found->second.used = now;
  }
  NeighbourEntry& entry = found->second;
  const bool news = !entry.resolved || entry.mac != mac;
  entry.mac = mac;
  entry.resolved = true;
  entry.tries = 0;
  entry.confirmed = now;
  if (news) learned_.push_back({id, address, mac});
  if (!neighbour_timer_.pending()) timers_->Schedule(&neighbour_timer_, now + kSweep);
  std::vector<packet::Packet*> waiting;
  waiting.swap(entry.waiting);
  for (packet::Packet* p : waiting) {
    ToPort(p, id, mac, address.v4() ? wire::kEtherIpv4 : wire::kEtherIpv6);
  }
}

Ip::Impl::NeighbourEntry* Ip::Impl::NeighbourFor(PortId id, const IpAddr& address, Instant now) {
  const auto found = neighbours_.find({id, address});
  if (found != neighbours_.end()) {
    found->second.used = now;
    return &found->second;
  }
  if (neighbours_.size() >= limits::kNeighbourCountMax) return nullptr;
  NeighbourEntry& entry = neighbours_[{id, address}];
  entry.used = now;
  entry.next_try = now;
  return &entry;
}

// Resolves, or lets the packet wait. `p` begins at its IP header.
void Ip::Impl::ToNeighbour(packet::Packet* p, PortId id, const IpAddr& next_hop, Instant now) {
  NeighbourEntry* entry = NeighbourFor(id, next_hop, now);
  if (entry == nullptr) return Drop(p, counters_.drop_neighbour_full);
  if (entry->resolved) {
    return ToPort(p, id, entry->mac, next_hop.v4() ? wire::kEtherIpv4 : wire::kEtherIpv6);
  }
  if (entry->waiting.size() >= static_cast<size_t>(limits::kNeighbourPendingPackets)) {
    return Drop(p, counters_.drop_neighbour_full);
  }
  entry->waiting.push_back(p);
  if (now >= entry->next_try) {
    entry->next_try = now + kRetry;
    entry->tries = 1;
    Solicit(id, next_hop);
  }
  if (!neighbour_timer_.pending() || neighbour_timer_.deadline > now + kRetry) {
    timers_->Schedule(&neighbour_timer_, now + kRetry);
  }
}

// Asks again for what is missing or stale, gives up, forgets.
void Ip::Impl::OnNeighbourTimer(Instant now) {
  Instant next = neighbours_.empty() ? Instant::Never() : now + kSweep;
  std::vector<NeighbourKey> ask;
  for (auto& [key, entry] : neighbours_) {
    const bool stale = entry.resolved && entry.used - entry.confirmed > kFresh &&
                       now - entry.confirmed > kFresh;
    const bool wanted = (!entry.resolved && !entry.waiting.empty()) || stale;
    if (!wanted) continue;
    if (now >= entry.next_try) {
      if (++entry.tries > kTries) {
        counters_.drop_neighbour_unresolved += entry.waiting.size();
        for (packet::Packet* p : entry.waiting) pool_->Free(p);
        entry.waiting.clear();
        entry.resolved = false;
        continue;
      }
      entry.next_try = now + kRetry;
      ask.push_back(key);
    }
    next = std::min(next, entry.next_try);
  }
  // Addresses in order: the order of a hash map must not reach the wire.
  std::sort(ask.begin(), ask.end(), [](const NeighbourKey& a, const NeighbourKey& b) {
    return a.port != b.port ? a.port < b.port : a.address < b.address;
  });
  for (const NeighbourKey& key : ask) Solicit(key.port, key.address);
  absl::erase_if(neighbours_, [now](const auto& e) {
    return e.second.waiting.empty() && now - e.second.used > kForget;
  });
  timers_->Schedule(&neighbour_timer_, next);
}

}  // namespace meltemi::ip
