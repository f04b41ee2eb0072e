// IpCounters: what happened to every packet of the network layer, by name.
//
// Every packet that comes in ends in exactly one way, so at any moment between calls
//   rx_packets + segments_returned + tcp_out + originated + fragments_made + reassembled
//     = segments + transmitted + consumed + fragmented + fragments_joined + (sum of drop_*)
//       + packets waiting for a neighbour + fragments waiting for the rest.
// The other counters tell more about the same packets.
#ifndef MELTEMI_DATAPLANE_IP_COUNTERS_H_
#define MELTEMI_DATAPLANE_IP_COUNTERS_H_

#include "l7/base/counter.h"

#define MELTEMI_IP_COUNTERS(C)                                                                     \
  C(rx_packets, "packets", "packets received from ports")                                          \
  C(segments_returned, "packets", "TCP packets nobody here terminates, given back for forwarding") \
  C(tcp_out, "packets", "TCP packets made by the plane")                                           \
  C(originated, "packets", "ARP, ND and ICMP packets made by this layer")                          \
  C(segments, "packets", "TCP packets handed on")                                                  \
  C(transmitted, "packets", "packets queued at a port (a super-frame is one, cut or not)")         \
  C(consumed, "packets", "ARP, ND and ICMP packets understood and used up")                        \
  C(fragmented, "packets", "packets cut into fragments, being beyond a port's MTU")                \
  C(fragments_made, "packets", "fragments they were cut into")                                     \
  C(fragments_joined, "packets", "fragments that became part of a whole datagram")                 \
  C(reassembled, "packets", "datagrams made whole from fragments")                                 \
  C(datagrams_refused, "datagrams", "datagrams refused while fragments of them were held")         \
  C(datagrams_translated, "packets", "datagrams of UDP services sent on between other ends")       \
  C(icmp_errors_translated, "packets", "ICMP errors about translated datagrams passed on")         \
  C(forwarded, "packets", "packets routed from port to port")                                      \
  C(mss_clamped, "packets", "routed SYNs whose MSS was lowered to what the ports carry")           \
  C(arp_requests_out, "packets", "ARP requests sent")                                              \
  C(arp_replies_out, "packets", "ARP replies sent for addresses of the plane or proxied")          \
  C(arp_replies_in, "packets", "ARP replies received")                                             \
  C(ns_out, "packets", "Neighbour Solicitations sent")                                             \
  C(na_out, "packets", "Neighbour Advertisements sent")                                            \
  C(na_in, "packets", "Neighbour Advertisements received")                                         \
  C(announcements_out, "packets", "gratuitous ARP and unsolicited NA sent for own addresses")      \
  C(echo_replies_out, "packets", "ICMP and ICMPv6 echo requests answered")                         \
  C(icmp_errors_out, "packets", "ICMP and ICMPv6 errors sent")                                     \
  C(icmp_errors_suppressed, "packets", "ICMP errors that standards forbid to send")                \
  C(icmp_errors_limited, "packets", "ICMP errors not sent because of the rate limit")              \
  C(icmp_errors_in, "packets", "ICMP errors received about TCP connections")                       \
  C(icmp_error_overflow, "packets", "ICMP errors about TCP not told: too many in one turn")        \
  C(super_frames_cut, "packets", "super-frames cut in software for a port without segmentation")   \
  C(software_checksums, "packets", "L4 checksums computed in software on the way out")             \
  C(neighbour_failures, "neighbours", "neighbours that did not answer")                            \
  C(neighbour_evictions, "neighbours", "neighbours forgotten because the table was full")          \
  C(drop_port_gone, "packets", "dropped: the port does not exist or was removed")                  \
  C(drop_link_truncated, "packets", "dropped: shorter than an Ethernet header")                    \
  C(drop_link_address, "packets", "dropped: for another MAC, or from a group MAC")                 \
  C(drop_vlan, "packets", "dropped: VLAN tags are not supported")                                  \
  C(drop_ether_type, "packets", "dropped: neither ARP nor IPv4 nor IPv6")                          \
  C(drop_arp_malformed, "packets", "dropped: ARP message damaged or not IPv4 over Ethernet")       \
  C(drop_arp_spoofed, "packets", "dropped: ARP sender is not the pod's or is our own address")     \
  C(drop_arp_ignored, "packets", "dropped: ARP about addresses that do not concern us")            \
  C(drop_ip_truncated, "packets", "dropped: packet shorter than its IP header")                    \
  C(drop_ip_version, "packets", "dropped: IP version contradicts the EtherType")                   \
  C(drop_ip_header_length, "packets", "dropped: IPv4 header length below 20 or beyond the packet") \
  C(drop_ip_length, "packets", "dropped: IP length field contradicts the frame")                   \
  C(drop_ip_checksum, "packets", "dropped: wrong IPv4 header checksum")                            \
  C(drop_source_route, "packets", "dropped: IPv4 source route option (RFC 7126)")                  \
  C(drop_martian_source, "packets", "dropped: source address that nobody can have")                \
  C(drop_martian_destination, "packets", "dropped: destination that cannot be on a wire")          \
  C(drop_spoofed_source, "packets", "dropped: source address does not belong to that port")        \
  C(drop_link_broadcast, "packets", "dropped: unicast destination in a link-layer broadcast")      \
  C(drop_broadcast, "packets", "dropped: IPv4 broadcast")                                          \
  C(drop_multicast, "packets", "dropped: multicast other than Neighbour Discovery")                \
  C(drop_link_local, "packets", "dropped: link-local addresses are not forwarded")                 \
  C(drop_extension_header, "packets", "dropped: IPv6 extension headers damaged or refused")        \
  C(drop_fragment_tcp, "packets", "dropped: fragments of TCP are not supported")                   \
  C(drop_fragment_local, "packets",                                                                \
    "dropped: fragments for the plane, a protocol it does not serve")                              \
  C(drop_fragment_duplicate, "packets", "dropped: fragment that is here already")                  \
  C(drop_fragment_overlap, "packets", "dropped: fragments that overlap or contradict (RFC 5722)")  \
  C(drop_fragment_too_many, "packets", "dropped: more fragments than a datagram may have")         \
  C(drop_fragment_memory, "packets", "dropped: datagram beyond what its source may hold")          \
  C(drop_fragment_refused, "packets", "dropped: fragment of a datagram refused before")            \
  C(drop_fragment_evicted, "packets", "dropped: fragments held longest, to make room")             \
  C(drop_fragment_timeout, "packets", "dropped: the rest of the datagram did not come")            \
  C(drop_fragment_ecn, "packets", "dropped: fragments marked and not ECN capable (RFC 3168 5.3)")  \
  C(drop_fragment_invalid, "packets", "dropped: fragment whose length or place cannot be")         \
  C(drop_udp_length, "packets", "dropped: datagram whose length cannot be")                        \
  C(drop_udp_refused, "packets", "dropped: datagram to a service or port where nobody is")         \
  C(drop_icmp_malformed, "packets", "dropped: ICMP message shorter than it must be")               \
  C(drop_icmp_checksum, "packets", "dropped: wrong ICMP checksum")                                 \
  C(drop_icmp_ignored, "packets", "dropped: ICMP of a kind the plane does not act on")             \
  C(drop_nd_invalid, "packets", "dropped: ND message invalid (RFC 4861 7.1)")                      \
  C(drop_nd_spoofed, "packets", "dropped: ND about an address that is not the pod's")              \
  C(drop_nd_ignored, "packets", "dropped: ND about addresses that do not concern us")              \
  C(drop_protocol, "packets", "dropped: for the plane, a protocol or port it does not serve")      \
  C(drop_hop_limit, "packets", "dropped: TTL or hop limit used up")                                \
  C(drop_no_route, "packets", "dropped: no route to the destination")                              \
  C(drop_host_unreachable, "packets", "dropped: on a pod subnet, but no such pod")                 \
  C(drop_too_big, "packets", "dropped: beyond the MTU and must not be fragmented")                 \
  C(drop_needs_fragmentation, "packets", "dropped: beyond the MTU, and too much to be fragmented") \
  C(drop_super_frame, "packets", "dropped: super-frame that cannot be cut as it claims")           \
  C(drop_no_memory, "packets", "dropped: the packet pool was exhausted")                           \
  C(drop_neighbour_failed, "packets", "dropped: the next hop does not answer ARP or ND")           \
  C(drop_neighbour_queue_full, "packets", "dropped: too many packets wait for that next hop")      \
  C(drop_neighbour_table_full, "packets", "dropped: the neighbour table is full")                  \
  C(drop_tx_queue_full, "packets", "dropped: the port does not take packets fast enough")

namespace meltemi::ip {

MELTEMI_COUNTER_TABLE(IpCounters, "meltemi_ip", MELTEMI_IP_COUNTERS)

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_COUNTERS_H_
