#include "dataplane/nic/tx_batch.h"

#include "dataplane/nic/vnet_header.h"

namespace meltemi::nic {

bool TxBatch::Add(const packet::Packet& packet) {
  int used = count_ == 0 ? 0 : first_[count_];
  if (count_ == kPacketCountMax || used + 1 + packet.nb_segs > kIovCountMax) return false;
  first_[count_] = static_cast<uint16_t>(used);
  headers_[count_] = ToVnet(packet);
  iov_[used++] = {&headers_[count_], sizeof(VnetHeader)};
  for (const packet::Packet* s = &packet; s != nullptr; s = s->next) {
    if (s->data_len == 0) continue;
    iov_[used++] = {const_cast<uint8_t*>(packet::Data(s)), s->data_len};  // iovec has no const
  }
  first_[++count_] = static_cast<uint16_t>(used);
  return true;
}

}  // namespace meltemi::nic
