// Merge: software GRO. TCP packets of one burst that follow each other become one segment, so that
// TCP, L7 and ports that take super-frames see a few long ones instead of many.
//
// Pure: no state between calls; what is merged lies in the burst. Called by the worker once a turn,
// before TCP. Bounds: kMergeRunsMax runs at a time; a merged packet stays an IP packet (65,535
// bytes) of at most kMergePiecesMax pieces.
//
// Nothing is lost by it: what is merged keeps its own headers in front of its text, and Unmerge
// gives the very packets back.
//
//     head:      [IP|TCP|text 0] -> [(IP|TCP)|text 1] -> [(IP|TCP)|text 2]
//                                     not in the chain's bytes, still in the room
#ifndef MELTEMI_DATAPLANE_IP_MERGE_H_
#define MELTEMI_DATAPLANE_IP_MERGE_H_

#include <cstdint>
#include <vector>

#include "dataplane/ip/ip.h"

namespace meltemi::ip {

// Joins in place; what stays keeps its order. Returns how many packets were joined to another.
//
// B follows A in a run when (as in Linux's tcp_gro_receive)
//   - port, addresses, TTL, traffic class with ECN, flow label, ACK, window and TCP options, with
//     timestamps, are the same, and so are the flags but for PSH and FIN, which end the run;
//   - IPv4: no options, and DF, with which the identification means nothing (RFC 6864 4.1);
//     IPv6: no extension headers;
//   - B's text begins where A's ends, and is as long as the run's first, or shorter and the last;
//   - neither has SYN, RST, URG or CWR, nor is a super-frame already;
//   - the checksums of both are right: verified here, when the port has not done it. TCP need not
//     do it again; packets that find no other are left for TCP to verify.
int Merge(std::vector<Segment>* segments);

// Takes a merged segment apart, to `out`, in order.
void Unmerge(const Segment& merged, std::vector<Segment>* out);

// The IP header's length field (and checksum) become those of the merged packet, and it is marked
// as a port marks the super-frames it receives. The packet begins at its IP header.
void MarkSuperFrame(packet::Packet* packet, uint16_t part_bytes);

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_MERGE_H_
