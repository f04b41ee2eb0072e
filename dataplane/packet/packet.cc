#include "dataplane/packet/packet.h"

#include <algorithm>
#include <cstring>

namespace meltemi::packet {

void TrimTo(Packet* p, uint32_t n) {
  CHECK(n <= p->pkt_len);
  p->pkt_len = n;
  for (Packet* segment = p; segment != nullptr; segment = segment->next) {
    segment->data_len = static_cast<uint16_t>(std::min<uint32_t>(segment->data_len, n));
    n -= segment->data_len;
  }
}

uint8_t* Pull(Packet* p, uint16_t n) {
  if (p->data_len >= n) return Data(p);
  if (p->pkt_len < n || p->data_len + Tailroom(p) < n) return nullptr;
  for (Packet* from = p->next; p->data_len < n; from = from->next) {
    const auto part = std::min<uint16_t>(from->data_len, n - p->data_len);
    std::memcpy(Data(p) + p->data_len, Data(from), part);
    p->data_len += part;
    from->data_off += part;
    from->data_len -= part;
  }
  return Data(p);
}

}  // namespace meltemi::packet
