#include "dataplane/ip/route_table.h"

#include <algorithm>
#include <cstring>

namespace meltemi::ip {
namespace {

constexpr RouteEntry kNoRoute;

// The first `bits` of the address, for its family.
IpAddr Masked(const IpAddr& address, uint8_t bits) {
  if (address.v4()) {
    const uint32_t mask = bits == 0 ? 0 : ~uint32_t{0} << (32 - bits);
    return IpAddr::V4(address.v4_host_order() & mask);
  }
  auto bytes = address.bytes();
  for (int i = 0; i < 16; ++i) {
    const int keep = std::clamp(bits - 8 * i, 0, 8);
    bytes[i] &= static_cast<uint8_t>(0xff00 >> keep);
  }
  return IpAddr::V6(bytes.data());
}

size_t CacheIndex(const IpAddr& address) {
  uint64_t high, low;
  std::memcpy(&high, address.bytes().data(), 8);
  std::memcpy(&low, address.bytes().data() + 8, 8);
  return ((high ^ low) * 0x9e3779b97f4a7c15) >> 56;
}

}  // namespace

void RouteTable::Clear() {
  v4_.clear();
  v6_.clear();
  cache_.fill(CacheSlot{});
}

void RouteTable::Add(const IpPrefix& prefix, const RouteEntry& entry) {
  cache_.fill(CacheSlot{});  // the maps may move their entries
  auto& lengths = prefix.address.v4() ? v4_ : v6_;
  auto at = std::find_if(lengths.begin(), lengths.end(),
                         [&](const Length& l) { return l.bits <= prefix.bits; });
  if (at == lengths.end() || at->bits != prefix.bits) {
    at = lengths.insert(at, Length{.bits = prefix.bits, .prefixes = {}});
  }
  at->prefixes.insert_or_assign(Masked(prefix.address, prefix.bits), entry);
}

const RouteEntry& RouteTable::Walk(const IpAddr& destination) const {
  for (const Length& length : destination.v4() ? v4_ : v6_) {
    const auto found = length.prefixes.find(Masked(destination, length.bits));
    if (found != length.prefixes.end()) return found->second;
  }
  return kNoRoute;
}

const RouteEntry& RouteTable::Find(const IpAddr& destination) {
  CacheSlot& slot = cache_[CacheIndex(destination)];
  if (slot.entry == nullptr || slot.destination != destination) {
    slot = {destination, &Walk(destination)};
  }
  return *slot.entry;
}

}  // namespace meltemi::ip
