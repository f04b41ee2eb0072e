#include "dataplane/ip/neighbours.h"

#include <algorithm>

#include "l7/base/check.h"

namespace meltemi::ip {

Neighbours::Neighbours(TimerWheel* timers) : timers_(timers) {
  index_.reserve(limits::kNeighbourCountMax);
  order_.reserve(limits::kNeighbourCountMax);
}

Neighbours::~Neighbours() {
  slots_.ForEach([this](NeighbourId, NeighbourEntry& n) { timers_->Cancel(&n.timer); });
}

NeighbourEntry* Neighbours::Find(PortId port, const IpAddr& address) {
  const auto found = index_.find(Key{port, address});
  return found == index_.end() ? nullptr : slots_.Find(found->second);
}

NeighbourEntry* Neighbours::FromTimer(const Timer& timer) {
  return slots_.Find(NeighbourId::FromBits(timer.subject));
}

NeighbourEntry* Neighbours::Create(PortId port, const IpAddr& address, bool* evicted) {
  *evicted = false;
  if (slots_.size() == slots_.capacity()) {
    if (!EvictOne()) return nullptr;
    *evicted = true;
  }
  const NeighbourId id = slots_.Emplace(port, address);
  NeighbourEntry* neighbour = slots_.Find(id);
  neighbour->timer.subject = id.bits();
  index_.emplace(Key{port, address}, id);
  order_.push_back(id);
  return neighbour;
}

void Neighbours::Erase(NeighbourEntry* neighbour) {
  CHECK(neighbour->pending_count == 0);
  timers_->Cancel(&neighbour->timer);
  const NeighbourId id = NeighbourId::FromBits(neighbour->timer.subject);
  index_.erase(Key{neighbour->port, neighbour->address});
  // Linear over at most kNeighbourCountMax handles; neighbours come and go by the second, not by
  // the packet.
  const auto at = std::find(order_.begin(), order_.end(), id);
  *at = order_.back();
  order_.pop_back();
  slots_.Erase(id);
}

std::vector<NeighbourEntry*> Neighbours::OfPort(PortId port) {
  std::vector<NeighbourEntry*> found;
  slots_.ForEach([&](NeighbourId, NeighbourEntry& n) {
    if (n.port == port) found.push_back(&n);
  });
  return found;
}

bool Neighbours::EvictOne() {
  NeighbourEntry* oldest = nullptr;
  for (int look = 0; look < kEvictionLook; ++look) {
    hand_ = (hand_ + 1) % order_.size();
    NeighbourEntry* n = slots_.Find(order_[hand_]);
    if (n->pending_count == 0 && (oldest == nullptr || n->used < oldest->used)) oldest = n;
  }
  if (oldest == nullptr) return false;
  Erase(oldest);
  return true;
}

}  // namespace meltemi::ip
