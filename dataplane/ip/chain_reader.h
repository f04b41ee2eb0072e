// ChainReader: reads a packet's chain from front to back, into linear copies.
// Private to dataplane/ip. Borrows the packet; CHECKs that the bytes asked for exist.
#ifndef MELTEMI_DATAPLANE_IP_CHAIN_READER_H_
#define MELTEMI_DATAPLANE_IP_CHAIN_READER_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "dataplane/packet/packet.h"
#include "l7/base/check.h"

namespace meltemi::ip {

class ChainReader {
 public:
  explicit ChainReader(const packet::Packet* packet) : segment_(packet) {}

  void Skip(uint32_t n) { Move(nullptr, n); }
  void Copy(uint8_t* to, uint32_t n) { Move(to, n); }

 private:
  void Move(uint8_t* to, uint32_t n) {
    while (n > 0) {
      CHECK(segment_ != nullptr);
      const uint32_t here = std::min<uint32_t>(segment_->data_len - at_, n);
      if (to != nullptr) {
        std::memcpy(to, packet::Data(segment_) + at_, here);
        to += here;
      }
      at_ += here;
      n -= here;
      if (at_ == segment_->data_len) {
        segment_ = segment_->next;
        at_ = 0;
      }
    }
  }

  const packet::Packet* segment_;
  uint32_t at_ = 0;
};

}  // namespace meltemi::ip

#endif  // MELTEMI_DATAPLANE_IP_CHAIN_READER_H_
