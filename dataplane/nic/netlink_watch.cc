#include "dataplane/nic/netlink_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace meltemi::nic {
namespace {

constexpr size_t Align4(size_t n) { return (n + 3) & ~size_t{3}; }

template <typename T>
bool ReadAt(std::span<const uint8_t> bytes, T* out) {
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(out, bytes.data(), sizeof(T));
  return true;
}

std::string FindName(std::span<const uint8_t> attributes) {
  rtattr attribute;
  while (ReadAt(attributes, &attribute)) {
    if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > attributes.size()) return "";
    if (attribute.rta_type == IFLA_IFNAME) {
      const auto value =
          attributes.subspan(sizeof(attribute), attribute.rta_len - sizeof(attribute));
      const auto* text = reinterpret_cast<const char*>(value.data());
      return std::string(text, strnlen(text, value.size()));
    }
    attributes = attributes.subspan(std::min(Align4(attribute.rta_len), attributes.size()));
  }
  return "";
}

PortState StateOf(uint16_t type, unsigned flags) {
  if (type == RTM_DELLINK) return PortState::kGone;
  constexpr unsigned kBoth = IFF_UP | IFF_RUNNING;
  return (flags & kBoth) == kBoth ? PortState::kUp : PortState::kDown;
}

}  // namespace

void ParseLinkMessages(std::span<const uint8_t> datagram, std::vector<LinkEvent>* events) {
  nlmsghdr header;
  while (ReadAt(datagram, &header)) {
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) return;
    const auto body = datagram.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    ifinfomsg link;
    const bool about_link = header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK;
    // A bridge tells of its members under its own family; the device itself stays.
    if (about_link && ReadAt(body, &link) && link.ifi_family == AF_UNSPEC) {
      events->push_back({.index = link.ifi_index,
                         .name = FindName(body.subspan(sizeof(link))),
                         .state = StateOf(header.nlmsg_type, link.ifi_flags)});
    }
    datagram = datagram.subspan(std::min(Align4(header.nlmsg_len), datagram.size()));
  }
}

absl::StatusOr<NetlinkWatch> NetlinkWatch::Open() {
  OwnedFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus("rtnetlink socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    return ErrnoStatus("rtnetlink bind");
  }
  return NetlinkWatch(std::move(fd));
}

LinkNews NetlinkWatch::Read() {
  LinkNews news;
  std::array<uint8_t, 32'768> buffer;  // the kernel's largest rtnetlink datagram
  for (int i = 0; i < kDatagramsPerRead; ++i) {
    const ssize_t bytes = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (bytes < 0 && errno == ENOBUFS) {
      news.lost = true;
      continue;
    }
    if (bytes <= 0) break;
    ParseLinkMessages(std::span(buffer).first(bytes), &news.events);
  }
  return news;
}

}  // namespace meltemi::nic
