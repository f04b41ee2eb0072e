// Goal: AF_XDP on a veth carries frames both ways and goes when its netdev goes. Method: a veth in
// a new network namespace, a kernel packet socket on its other end. Needs root; skipped only where
// the kernel has no AF_XDP at all.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "dataplane/nic/dpdk_eal.h"
#include "dataplane/nic/make_port.h"
#include "dataplane/nic/netdev.h"
#include "dataplane/packet/dpdk_pool.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

using packet::DpdkPacketPool;
using packet::Packet;

constexpr int kPollsMax = 50'000'000;

OwnedFd PeerSocket() {
  OwnedFd fd(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x88b5);  // IEEE 802 local experimental: only our own frames
  address.sll_ifindex = static_cast<int>(if_nametoindex("peer"));
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// More frames than the driver has segments: each of them is good, and comes back.
void EchoMany(Port& port, DpdkPacketPool& pool, int peer, const std::string& frame) {
  constexpr int kFrames = 10'000;
  std::array<Packet*, 32> burst;
  char buffer[200];
  int echoed = 0;
  for (int i = 0; i < kFrames; ++i) {
    ASSERT_EQ(send(peer, frame.data(), frame.size(), 0), 100);
    int n = 0;
    for (int k = 0; k < kPollsMax / 100 && n == 0; ++k) n = port.RxBurst(0, pool, burst);
    ASSERT_GT(n, 0) << "after " << i << " frames";
    for (int k = 0; k < n; ++k) {
      std::array<Packet*, 1> back = {burst[k]};
      ASSERT_EQ(port.TxBurst(0, pool, back), 1);
    }
    while (recv(peer, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) ++echoed;
  }
  pollfd wake{.fd = peer, .events = POLLIN, .revents = 0};
  while (poll(&wake, 1, 200) == 1 && recv(peer, buffer, sizeof(buffer), 0) > 0) ++echoed;
  EXPECT_GE(echoed, kFrames);
}

bool KernelHasAfXdp() {
  const OwnedFd fd(socket(AF_XDP, SOCK_RAW, 0));
  return fd.get() >= 0 || errno != EAFNOSUPPORT;
}

TEST(AfXdp, CarriesFramesAndSeesItsNetdevGo) {
  if (!KernelHasAfXdp()) GTEST_SKIP() << "no CONFIG_XDP_SOCKETS in this kernel";
  ASSERT_EQ(unshare(CLONE_NEWNET), 0);
  // Without IPv6 nobody else speaks on the link: no multicast report may come between two checks.
  ASSERT_EQ(std::system("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1"), 0);
  ASSERT_EQ(
      std::system("ip link add xdp0 numrxqueues 1 numtxqueues 1 type veth peer name peer "
                  "numrxqueues 1 numtxqueues 1 && ip link set xdp0 up && ip link set peer up"),
      0);
  ASSERT_TRUE(InitEal({.memory_mb = 96}).ok());
  auto pool = DpdkPacketPool::Create(
      {.name = "t", .small_count = 2047, .large_count = 127, .header_count = 511});
  ASSERT_TRUE(pool.ok()) << pool.status();
  auto made = MakePort("af_xdp:xdp0", {.name = "up", .workers = 1, .pools = {pool->get()}});
  ASSERT_TRUE(made.ok()) << made.status();
  Port& port = **made;
  const OwnedFd peer = PeerSocket();

  std::string frame(100, 0);
  frame[12] = static_cast<char>(0x88);
  frame[13] = static_cast<char>(0xb5);
  frame.replace(14, 5, "hello");
  ASSERT_EQ(send(peer.get(), frame.data(), frame.size(), 0), 100);
  pollfd arrival{.fd = port.event_fd(0), .events = POLLIN, .revents = 0};
  ASSERT_GE(arrival.fd, 0);  // the driver's own socket was found
  ASSERT_EQ(poll(&arrival, 1, 5000), 1);
  std::array<Packet*, 32> burst;
  bool found = false;
  for (int i = 0; i < kPollsMax && !found; ++i) {
    const int n = port.RxBurst(0, **pool, burst);
    for (int k = 0; k < n; ++k) {
      found |=
          burst[k]->pkt_len == 100 && std::memcmp(packet::Data(burst[k]) + 14, "hello", 5) == 0;
      (*pool)->Free(burst[k]);
    }
  }
  EXPECT_TRUE(found);
  EXPECT_FALSE(port.caps().armed_wake);
  EXPECT_EQ(poll(&arrival, 1, 0), 0);

  Packet* answer = (*pool)->Alloc();
  frame.replace(14, 5, "reply");
  std::memcpy(packet::Append(answer, 100), frame.data(), 100);
  std::array<Packet*, 1> one = {answer};
  ASSERT_EQ(port.TxBurst(0, **pool, one), 1);
  pollfd wake{.fd = peer.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&wake, 1, 5000), 1);
  char buffer[200];
  ASSERT_EQ(recv(peer.get(), buffer, sizeof(buffer), 0), 100);
  EXPECT_EQ(std::string(buffer + 14, 5), "reply");

  EchoMany(port, **pool, peer.get(), frame);

  EXPECT_EQ(port.state(), PortState::kUp);
  ASSERT_EQ(std::system("ip link del xdp0"), 0);
  EXPECT_EQ(port.state(), PortState::kGone);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(port.RxBurst(0, **pool, burst), 0);
  port.Close();
  EXPECT_EQ((*pool)->InUse(), 0);
}

}  // namespace
}  // namespace meltemi::nic
