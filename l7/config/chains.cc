#include "l7/config/chains.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace meltemi::config {
namespace {

// How well a step of a match fits: kNo, 0 for one that asks nothing, else the more the better.
using Rank = int32_t;
constexpr Rank kNo = -1;
constexpr Rank kExactName = INT32_MAX;
constexpr size_t kSteps = 9;

// An exact name best, then the longest wildcard.
Rank NameRank(const std::vector<std::string>& names, std::string_view sni) {
  if (names.empty()) return 0;
  Rank best = kNo;
  for (const std::string_view name : names) {
    if (name == sni) return kExactName;
    if (name.starts_with("*.") && sni.ends_with(name.substr(1))) {
      best = std::max(best, static_cast<Rank>(name.size()));
    }
  }
  return best;
}

// The longest prefix. One of no bits is all of its family: no prefix at all says the same.
Rank PrefixRank(const std::vector<IpPrefix>& prefixes, const IpAddr& address) {
  if (prefixes.empty()) return 0;
  Rank best = kNo;
  for (const IpPrefix& prefix : prefixes) {
    if (prefix.bits > best && prefix.Contains(address)) best = prefix.bits;
  }
  return best;
}

// By the first one that the client prefers.
Rank ProtocolRank(const std::vector<std::string>& protocols, const Heard& heard,
                  const std::string** by) {
  if (protocols.empty()) return 0;
  for (size_t i = 0; i < heard.protocols.size(); ++i) {
    const auto at = std::find(protocols.begin(), protocols.end(), heard.protocols[i]);
    if (at == protocols.end()) continue;
    *by = &*at;
    return static_cast<Rank>(heard.protocols.size() - i);
  }
  return kNo;
}

bool IsLoopback(const IpAddr& a) {
  constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return a.v4() ? a.v4_host_order() >> 24 == 127 : a == IpAddr::V6(kLoopback);
}

Rank SourceTypeRank(SourceType type, const Heard& heard) {
  const bool local = heard.remote.ip == heard.local.ip || IsLoopback(heard.remote.ip);
  switch (type) {
    case SourceType::kAny:
      return 0;
    case SourceType::kSameIpOrLoopback:
      return local ? 1 : kNo;
    case SourceType::kExternal:
      return local ? kNo : 1;
  }
  return kNo;
}

template <typename T>
Rank ValueRank(const T& wanted, const T& any, const T& seen) {
  if (wanted == any) return 0;
  return wanted == seen ? 1 : kNo;
}

Rank RankOf(const ChainMatch& match, size_t step, const Heard& heard, const std::string** by) {
  switch (step) {
    case 0:
      return ValueRank(match.destination_port, uint16_t{0}, heard.local.port);
    case 1:
      return PrefixRank(match.destinations, heard.local.ip);
    case 2:
      return NameRank(match.server_names, heard.sni);
    case 3:
      return ValueRank(match.transport, Transport::kAny, heard.transport);
    case 4:
      return ProtocolRank(match.protocols, heard, by);
    case 5:
      return PrefixRank(match.direct_sources, heard.direct_remote);
    case 6:
      return SourceTypeRank(match.source_type, heard);
    case 7:
      return PrefixRank(match.sources, heard.remote.ip);
    default: {
      const auto& ports = match.source_ports;
      if (ports.empty()) return 0;
      return std::binary_search(ports.begin(), ports.end(), heard.remote.port) ? 1 : kNo;
    }
  }
}

}  // namespace

// The walk through Envoy's tree of maps is the greatest sequence of ranks, step by step; one that
// ends with kNo is a branch where nothing was found.
ChainChoice ChooseChain(std::span<const ListenerChain> chains, const Heard& heard) {
  std::array<Rank, kSteps> best;
  best.fill(kNo);
  const ListenerChain* chosen = nullptr;
  uint32_t fallback = kNoIndex;
  const std::string* protocol = nullptr;
  bool whole = false;  // `chosen` fits in every step
  for (const ListenerChain& chain : chains) {
    if (chain.match.fallback) {
      fallback = chain.listener;
      continue;
    }
    const std::string* by = nullptr;
    std::array<Rank, kSteps> ranks;
    ranks.fill(kNo);
    bool better = chosen == nullptr, fits = true;
    for (size_t step = 0; step < kSteps && fits; ++step) {
      ranks[step] = RankOf(chain.match, step, heard, &by);
      if (!better && ranks[step] < best[step]) break;
      better |= ranks[step] > best[step];
      fits = ranks[step] != kNo;
    }
    if (!better) continue;
    best = ranks;
    chosen = &chain;
    protocol = by;
    whole = fits;
  }
  if (!whole) return {.listener = fallback};
  return {.listener = chosen->listener,
          .protocol = protocol == nullptr ? std::string_view() : *protocol};
}

}  // namespace meltemi::config
