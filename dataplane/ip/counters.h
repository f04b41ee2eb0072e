// Counters of the network layer: one per way a packet can end.
#ifndef MELTEMI_DATAPLANE_IP_COUNTERS_H_
#define MELTEMI_DATAPLANE_IP_COUNTERS_H_

#include "l7/base/counter.h"

namespace meltemi::ip {

#define MELTEMI_IP_COUNTERS(C)                                                                    \
  C(packets_in, "packets", "frames received from ports")                                         \
  C(tcp_in, "packets", "TCP packets handed to the worker for a decision")                         \
  C(forwarded, "packets", "packets routed from one port to another")                             \
  C(tcp_out, "packets", "TCP packets of the plane itself sent")                                  \
  C(arp_requests_in, "packets", "ARP requests received")                                         \
  C(arp_replies_in, "packets", "ARP replies received")                                           \
  C(arp_replies_out, "packets", "ARP requests answered, for our addresses and as proxy")          \
  C(arp_requests_out, "packets", "ARP requests sent")                                            \
  C(arp_ignored, "packets", "ARP messages not for us")                                           \
  C(nd_solicitations_in, "packets", "neighbour solicitations received")                          \
  C(nd_advertisements_in, "packets", "neighbour advertisements received")                        \
  C(nd_advertisements_out, "packets", "neighbour solicitations answered")                        \
  C(nd_solicitations_out, "packets", "neighbour solicitations sent")                             \
  C(nd_ignored, "packets", "other neighbour discovery messages (router solicitations ...)")       \
  C(echo_replies_out, "packets", "ICMP and ICMPv6 echo requests answered")                       \
  C(icmp_errors_in, "packets", "ICMP errors about our TCP connections")                          \
  C(icmp_errors_out, "packets", "ICMP errors sent")                                              \
  C(icmp_errors_limited, "packets", "ICMP errors not sent: rate limit")                          \
  C(icmp_ignored, "packets", "ICMP messages to us that want no answer")                          \
  C(drop_port_gone, "packets", "dropped: the port is not attached")                              \
  C(drop_ethernet, "packets", "dropped: truncated or not Ethernet II")                           \
  C(drop_not_our_mac, "packets", "dropped: for another station")                                 \
  C(drop_vlan, "packets", "dropped: VLAN tagged (not supported)")                                \
  C(drop_ethertype, "packets", "dropped: neither ARP, IPv4 nor IPv6")                            \
  C(drop_arp, "packets", "dropped: malformed ARP")                                               \
  C(drop_ip_header, "packets", "dropped: malformed or truncated IP header")                      \
  C(drop_ip_checksum, "packets", "dropped: wrong IPv4 header checksum")                          \
  C(drop_martian, "packets", "dropped: a source or destination address that may not be there")    \
  C(drop_spoofed, "packets", "dropped: a pod port sent from an address that is not the pod's")    \
  C(drop_extension, "packets", "dropped: IPv6 extension headers we refuse")                      \
  C(drop_fragment, "packets", "dropped: a fragment of TCP, or of something for the plane")        \
  C(drop_icmp, "packets", "dropped: malformed ICMP or wrong checksum")                           \
  C(drop_nd, "packets", "dropped: malformed neighbour discovery (RFC 4861 7.1)")                 \
  C(drop_ttl, "packets", "dropped: TTL or hop limit ran out")                                    \
  C(drop_no_route, "packets", "dropped: no route")                                               \
  C(drop_too_big, "packets", "dropped: larger than the next link's MTU")                         \
  C(drop_multicast, "packets", "dropped: multicast or broadcast, not routed")                    \
  C(drop_not_served, "packets", "dropped: for the plane itself, not a protocol it speaks")        \
  C(drop_neighbour_unresolved, "packets", "dropped: the neighbour does not answer")              \
  C(drop_neighbour_full, "packets", "dropped: too many packets wait for neighbours")             \
  C(drop_no_memory, "packets", "dropped: no packet memory")                                      \
  C(gso_packets_out, "packets", "packets cut out of super-frames in software")                   \
  C(checksums_in_software, "packets", "checksums completed in software on the way out")
MELTEMI_COUNTER_TABLE(IpCounters, "meltemi_ip", MELTEMI_IP_COUNTERS)

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_COUNTERS_H_
