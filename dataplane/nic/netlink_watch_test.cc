// Goal: link news are read exactly, whatever the bytes. Method: datagrams by hand and at random.
#include "dataplane/nic/netlink_watch.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

#include "gtest/gtest.h"
#include "l7/base/prng.h"

namespace meltemi::nic {
namespace {

void AppendLink(uint16_t type, int index, unsigned flags, std::string_view name,
                std::vector<uint8_t>* out) {
  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr attribute;
    char name[16];
  } message{};
  message.header.nlmsg_type = type;
  message.link.ifi_index = index;
  message.link.ifi_flags = flags;
  message.attribute.rta_type = IFLA_IFNAME;
  message.attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(name.size() + 1));
  std::memcpy(message.name, name.data(), name.size());
  message.header.nlmsg_len =
      static_cast<uint32_t>(sizeof(message) - sizeof(message.name) + name.size() + 1);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&message);
  out->insert(out->end(), bytes, bytes + NLMSG_ALIGN(message.header.nlmsg_len));
}

TEST(ParseLinkMessages, TellsUpDownAndGone) {
  std::vector<uint8_t> datagram;
  AppendLink(RTM_NEWLINK, 3, IFF_UP | IFF_RUNNING, "vpp", &datagram);
  AppendLink(RTM_NEWLINK, 4, IFF_UP, "reviews", &datagram);  // the peer is down: no carrier
  AppendLink(RTM_NEWADDR, 5, IFF_UP, "other", &datagram);
  AppendLink(RTM_DELLINK, 3, IFF_UP | IFF_RUNNING, "vpp", &datagram);
  std::vector<LinkEvent> events;
  ParseLinkMessages(datagram, &events);
  const std::vector<LinkEvent> want = {
      {3, "vpp", PortState::kUp}, {4, "reviews", PortState::kDown}, {3, "vpp", PortState::kGone}};
  EXPECT_EQ(events, want);
}

TEST(ParseLinkMessages, SurvivesAnyBytes) {
  Prng prng(3);
  for (int round = 0; round < 50'000; ++round) {
    std::vector<uint8_t> datagram;
    AppendLink(RTM_NEWLINK, 3, IFF_UP, "abc", &datagram);
    AppendLink(RTM_NEWLINK, 4, IFF_UP, "defghi", &datagram);
    for (int i = 0; i < 4; ++i) datagram[prng.Below(datagram.size())] = prng.Below(256);
    datagram.resize(prng.Below(datagram.size() + 1));
    datagram.shrink_to_fit();
    std::vector<LinkEvent> events;
    ParseLinkMessages(datagram, &events);
    EXPECT_LE(events.size(), datagram.size() / sizeof(nlmsghdr));
  }
}

}  // namespace
}  // namespace meltemi::nic
