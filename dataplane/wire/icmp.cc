#include "dataplane/wire/icmp.h"

namespace meltemi::wire {
namespace {

constexpr uint8_t kSourceLinkOption = 1;
constexpr uint8_t kTargetLinkOption = 2;

}  // namespace

std::optional<NdMessage> NdMessage::Parse(const uint8_t* p, size_t n) {
  if (n < kNdBytes || p[1] != 0) return std::nullopt;
  NdMessage message{.type = p[0], .flags = 0, .target = IpAddr::V6(p + 8), .link_address = {}};
  const bool advertisement = message.type == kIcmpv6NeighbourAdvertisement;
  if (!advertisement && message.type != kIcmpv6NeighbourSolicitation) return std::nullopt;
  if (message.target.multicast()) return std::nullopt;
  if (advertisement) message.flags = Load32(p + 4) & 0xe000'0000;
  const uint8_t wanted = advertisement ? kTargetLinkOption : kSourceLinkOption;
  size_t at = kNdBytes;
  for (int count = 0; at < n && count < kNdOptionsMax; ++count) {
    const size_t bytes = n - at >= 2 ? size_t{p[at + 1]} * 8 : 0;
    if (bytes == 0 || bytes > n - at) return std::nullopt;
    if (p[at] == wanted && bytes == kNdLinkOptionBytes && !message.link_address) {
      message.link_address = LoadMac(p + at + 2);
    }
    at += bytes;
  }
  return message;
}

uint16_t NdMessage::Emit(uint8_t* p) const {
  p[0] = type;
  p[1] = 0;
  Store16(p + 2, 0);
  Store32(p + 4, flags);
  std::memcpy(p + 8, target.bytes().data(), 16);
  if (!link_address) return kNdBytes;
  p[24] = type == kIcmpv6NeighbourAdvertisement ? kTargetLinkOption : kSourceLinkOption;
  p[25] = 1;
  StoreMac(p + 26, *link_address);
  return kNdBytes + kNdLinkOptionBytes;
}

IpAddr SolicitedNode(const IpAddr& address) {
  const auto& a = address.bytes();
  const uint8_t b[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a[13], a[14], a[15]};
  return IpAddr::V6(b);
}

IpAddr AllNodes() {
  const uint8_t b[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return IpAddr::V6(b);
}

}  // namespace meltemi::wire
