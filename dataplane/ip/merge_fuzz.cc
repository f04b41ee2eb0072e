// Any burst of TCP packets, and any super-frame: what is merged is the bytes that came, whatever is
// taken apart is the packets that came, and what is cut is the bytes that were whole.
//
// Input: one byte: bit 0 ports without offloads, bit 1 IPv6, bits 2..7 pieces (units of 32 bytes).
// Then records of 4 bytes: flags of TCP; change (bit 0: sequence, 1 ACK, 2 window, 3 option, 4 ECN,
// 5 wrong checksum, 6 the other connection, 7 a super-frame); text in units of 8 bytes; a byte that
// changes one of the frame's own, when not 0.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/ip/merge.h"
#include "dataplane/ip/testing/node.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

struct Sender {
  bool v4 = true;
  uint32_t piece_bytes = 8000;
  uint32_t sequence[2] = {0xffff'ff00, 5};
};

std::string PacketOf(Sender* sender, const uint8_t* record) {
  const uint8_t change = record[1];
  const int flow = (change >> 6) & 1;
  const std::string text(size_t{record[2]} * 8, static_cast<char>(record[0]));
  uint32_t& next = sender->sequence[flow];
  next += change & 1;
  const wire::TcpFields tcp{.source_port = static_cast<uint16_t>(1000 + flow),
                            .sequence = next,
                            .acknowledgment = static_cast<uint32_t>((change >> 1) & 1),
                            .flags = static_cast<uint8_t>(record[0] | wire::kTcpAck),
                            .window = static_cast<uint16_t>((change >> 2) & 1),
                            .options = (change & 8) != 0 ? std::string(12, '\x01') : "",
                            .payload = text,
                            .bad_checksum = (change & 32) != 0};
  next += static_cast<uint32_t>(text.size());
  return wire::Ip({.source = Addr(sender->v4 ? "10.2.0.5" : "fd00:2::5"),
                   .destination = Addr(sender->v4 ? "10.1.0.11" : "fd00:1::11"),
                   .ecn = static_cast<uint8_t>((change & 16) != 0 ? 3 : 0)},
                  wire::Tcp(tcp));
}

void Send(TestNode* node, Sender* sender, const uint8_t* record) {
  std::string frame = wire::Ethernet({.destination = PlaneMac(kUplink), .source = PeerMac(kUplink)},
                                     PacketOf(sender, record));
  if (record[3] != 0) frame[record[3] % frame.size()] ^= static_cast<char>(record[3]);
  packet::Packet* p = wire::ToPacket(&node->pool, frame, sender->piece_bytes);
  if ((record[1] & 128) != 0) {
    p->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    p->tso_segsz = std::max<uint16_t>(1, record[2]);
  }
  node->SendPacket(kUplink, p);
}

std::vector<std::string> BytesOf(const std::vector<Segment>& segments) {
  std::vector<std::string> all;
  for (const Segment& s : segments) all.push_back(wire::ToString(s.packet));
  std::sort(all.begin(), all.end());
  return all;
}

void CheckMerged(const Segment& s) {
  size_t pieces = 0;
  uint32_t bytes = 0;
  for (const packet::Packet* p = s.packet; p != nullptr; p = p->next, ++pieces)
    bytes += p->data_len;
  CHECK(pieces == s.packet->nb_segs && bytes == s.packet->pkt_len);
  CHECK(s.parts == 1 || pieces <= limits::kMergePiecesMax);
  CHECK(s.parts == 1 || s.ip_header_bytes + bytes <= UINT16_MAX);
}

void Run(const uint8_t* data, size_t n) {
  if (n == 0) return;
  TestNode node({.offload = (data[0] & 1) == 0});
  node.Warm();
  Sender sender{.v4 = (data[0] & 2) == 0, .piece_bytes = 20 + (data[0] >> 2) * 32u};
  ++data;
  --n;
  for (int i = 0; n >= 4 && i < 64; data += 4, n -= 4, ++i) Send(&node, &sender, data);
  const std::vector<std::string> came = BytesOf(node.segments);
  const size_t count = node.segments.size();
  const int joined = Merge(&node.segments);
  CHECK(node.segments.size() + joined == count);
  std::vector<Segment> apart;
  for (const Segment& s : node.segments) {
    CheckMerged(s);
    if (s.parts > 1) {
      Unmerge(s, &apart);
    } else {
      apart.push_back(s);
    }
  }
  node.segments.swap(apart);
  CHECK(BytesOf(node.segments) == came);
  // And once more, out of the node.
  Merge(&node.segments);
  for (const Segment& s : node.segments) node.ip.Forward(s, node.now);
  node.segments.clear();
  CHECK(node.Balanced());
  for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  node.Advance(Duration::Seconds(61));
  node.CheckEmpty();
}

}  // namespace
}  // namespace meltemi::ip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::ip::Run(data, n);
  return 0;
}
