// Filter chains: what of a connection decides which of a listener's chains takes it. Part of the
// Snapshot. Built by l7/config/compile_chains.cc, asked by workers when a connection comes and by
// the engine when the configuration has changed.
#ifndef MELTEMI_L7_CONFIG_CHAINS_H_
#define MELTEMI_L7_CONFIG_CHAINS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/ip_addr.h"

namespace meltemi::config {

inline constexpr uint32_t kNoIndex = UINT32_MAX;

enum class Transport : uint8_t { kAny, kPlain, kTls };
enum class SourceType : uint8_t { kAny, kSameIpOrLoopback, kExternal };

// filter_chain_match, in the order in which Envoy asks. What is empty, 0 or kAny asks nothing.
struct ChainMatch {
  uint16_t destination_port = 0;
  std::vector<IpPrefix> destinations;     // prefix_ranges
  std::vector<std::string> server_names;  // lower case; "*.x": any name that ends with .x
  Transport transport = Transport::kAny;
  std::vector<std::string> protocols;    // application_protocols: one of them is offered by ALPN
  std::vector<IpPrefix> direct_sources;  // direct_source_prefix_ranges: of the packets
  SourceType source_type = SourceType::kAny;
  std::vector<IpPrefix> sources;       // source_prefix_ranges
  std::vector<uint16_t> source_ports;  // sorted
  bool fallback = false;               // default_filter_chain: when nothing else matches
  bool operator==(const ChainMatch&) const = default;

  // It cannot be told by addresses alone.
  bool needs_bytes() const {
    return !server_names.empty() || transport != Transport::kAny || !protocols.empty();
  }
  bool needs_addresses() const {
    return destination_port != 0 || !destinations.empty() || !direct_sources.empty() ||
           source_type != SourceType::kAny || !sources.empty() || !source_ports.empty();
  }
};
struct ListenerChain {
  ChainMatch match;
  uint32_t listener = kNoIndex;  // whose tls and filter it is
};

// What is known of a client: what its first bytes have said, and the addresses of its connection.
struct Heard {
  Transport transport = Transport::kPlain;
  std::string_view sni;                    // in lower case; empty: none
  std::span<const std::string> protocols;  // offered by ALPN, as the client prefers them
  SockAddr local, remote;                  // a PROXY header's, where there is one
  IpAddr direct_remote;                    // always the packets'
};
struct ChainChoice {
  uint32_t listener = kNoIndex;  // kNoIndex: no chain takes it
  std::string_view protocol;     // that it was chosen by, in the snapshot; empty: by none
};

// Envoy's order: the destination's port, the longest prefix of its address, the most specific
// server name, the transport, the protocols, the longest prefix of who has sent the packets, the
// source's type, the longest prefix of its address, its port. Each step keeps the chains that fit
// best, and none that it has passed over is tried again: where those that are left ask more than
// the client has, it is the default chain's.
ChainChoice ChooseChain(std::span<const ListenerChain> chains, const Heard& heard);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_CHAINS_H_
