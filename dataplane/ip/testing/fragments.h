// Fragments of echo requests to the plane, for tests of reassembly.
#ifndef MELTEMI_DATAPLANE_IP_TESTING_FRAGMENTS_H_
#define MELTEMI_DATAPLANE_IP_TESTING_FRAGMENTS_H_

#include <string>

#include "dataplane/ip/testing/node.h"

namespace meltemi::ip {

// Who sends to whom.
struct Ends {
  IpAddr a, gateway;
  uint16_t ip_bytes = 20;
};
inline const Ends kEnds4{Addr("10.1.0.11"), Addr("10.1.0.1"), 20};
inline const Ends kEnds6{Addr("fd00:1::11"), Addr("fd00:1::1"), 40};

// An echo request as ICMP: 8 bytes and `n` more.
inline std::string EchoBytes(const Ends& ends, size_t n) {
  std::string payload(n, '\0');
  for (size_t i = 0; i < n; ++i) payload[i] = static_cast<char>(i * 7 + i / 256);
  const wire::IpFields fields{.source = ends.a, .destination = ends.gateway};
  const bool v4 = ends.a.v4();
  const wire::IcmpFields icmp{
      .type = v4 ? uint8_t{wire::kIcmpEchoRequest} : uint8_t{wire::kIcmpv6EchoRequest},
      .rest = 0x00010002,
      .payload = payload};
  return (v4 ? wire::Icmp(icmp) : wire::Icmpv6(icmp)).bytes(fields);
}

// The fragment with `bytes` of `payload` from `at`. `protocol` 0: the family's ICMP.
inline std::string Part(const Ends& ends, const std::string& payload, size_t at, size_t bytes,
                        bool more = true, uint8_t protocol = 0, uint16_t id = 7, uint8_t ecn = 0) {
  if (protocol == 0) protocol = ends.a.v4() ? wire::kProtoIcmp : wire::kProtoIcmpv6;
  return wire::Ip({.source = ends.a,
                   .destination = ends.gateway,
                   .ecn = ecn,
                   .id = id,
                   .dont_fragment = false,
                   .more_fragments = more,
                   .fragment_offset = static_cast<uint16_t>(at)},
                  wire::Raw(protocol, payload.substr(at, bytes)));
}

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_TESTING_FRAGMENTS_H_
