// Goal: real pods talk through veth and TAP ports, with super-frames and without finished
// checksums. Method: this process makes network namespaces; kernel sockets in two of them are the
// pods, a loop that hands packets from one port to the other is the plane. Needs root or `unshare
// -Urn`.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "arpa/inet.h"
#include "dataplane/nic/af_packet_port.h"
#include "dataplane/nic/netlink_watch.h"
#include "dataplane/nic/tap_port.h"
#include "dataplane/packet/heap_pool.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

using packet::Packet;

constexpr int kTurnsMax = 2'000'000;  // bounds every loop below

// A network namespace; the thread is inside after construction and inside `host` after Leave.
class Netns {
 public:
  Netns() {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno) << ": run as root or under unshare";
    fd_ = OwnedFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  void Enter() const { ASSERT_EQ(setns(fd_.get(), CLONE_NEWNET), 0); }
  std::string path() const { return Cat("/proc/", getpid(), "/fd/", fd_.get()); }

 private:
  OwnedFd fd_;
};

void Shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

struct Pod {
  Netns netns;
  std::string netdev;  // the host end, or the TAP's name
  std::unique_ptr<Port> port;
};

class Pods : public ::testing::TestWithParam<const char*> {
 protected:
  Pods() {
    for (int i = 0; i < 2; ++i) Add(i, &pods_[i]);
    host_.Enter();
  }
  ~Pods() override {
    for (Pod& pod : pods_) {
      if (pod.port == nullptr) continue;
      pod.port->LetGo(0, pool_);
      pod.port->Close();
    }
    EXPECT_EQ(pool_.outstanding(), 0);
  }

  void Add(int i, Pod* pod) {
    host_.Enter();
    pod->netdev = Cat("v", i);
    const std::string inside = Cat("p", i);
    if (std::string_view(GetParam()) == "veth") {
      Shell(Cat("ip link add ", pod->netdev, " type veth peer name ", inside));
      ASSERT_TRUE(MoveToNetns(inside, pod->netns.path()).ok());
      Open(pod, AfPacketPort::Open({.netdev = pod->netdev, .mtu = 1500, .workers = 1}));
    } else {
      pod->netdev = inside;
      Open(pod, TapPort::Open(
                    {.netdev = inside, .netns = pod->netns.path(), .mtu = 1500, .workers = 1}));
    }
    pod->netns.Enter();
    Shell(Cat("ip addr add 10.9.0.", i + 1, "/24 dev ", inside));
    Shell(Cat("ip -6 addr add fd09::", i + 1, "/64 dev ", inside, " nodad"));
    Shell(Cat("ip link set ", inside, " up"));
  }
  void Open(Pod* pod, absl::StatusOr<std::unique_ptr<Port>> port) {
    ASSERT_TRUE(port.ok()) << port.status();
    pod->port = *std::move(port);
  }

  // One turn of the plane: what comes in at one port goes out at the other.
  int Turn() {
    int moved = 0;
    for (int i = 0; i < 2; ++i) {
      std::array<Packet*, 32> burst;
      const int n = pods_[i].port->RxBurst(0, pool_, burst);
      for (int k = 0; k < n; ++k) largest_ = std::max(largest_, burst[k]->pkt_len);
      const int sent = pods_[1 - i].port->TxBurst(0, pool_, std::span(burst).first(n));
      for (int k = sent; k < n; ++k) pool_.Free(burst[k]);
      moved += n;
    }
    return moved;
  }

  OwnedFd SocketIn(const Pod& pod, int family, int type) {
    pod.netns.Enter();
    OwnedFd fd(socket(family, type | SOCK_NONBLOCK, 0));
    EXPECT_TRUE(fd.valid());
    host_.Enter();
    return fd;
  }

  void Transfer(int family);

  Netns host_;
  packet::HeapPacketPool pool_;
  Pod pods_[2];
  uint32_t largest_ = 0;
};

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address MakeAddress(int family, int pod, uint16_t port) {
  Address a;
  if (family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&a.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET, Cat("10.9.0.", pod + 1).c_str(), &in->sin_addr), 1);
    a.size = sizeof(*in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET6, Cat("fd09::", pod + 1).c_str(), &in6->sin6_addr), 1);
    a.size = sizeof(*in6);
  }
  return a;
}

TEST_P(Pods, ADatagramArrivesAndWakesThePort) {
  const OwnedFd from = SocketIn(pods_[0], AF_INET, SOCK_DGRAM);
  const OwnedFd to = SocketIn(pods_[1], AF_INET, SOCK_DGRAM);
  const Address address = MakeAddress(AF_INET, 1, 5000);
  ASSERT_EQ(bind(to.get(), address.get(), address.size), 0);
  const std::string text = "hello through the plane";
  ASSERT_GT(sendto(from.get(), text.data(), text.size(), 0, address.get(), address.size), 0);
  pollfd wake{.fd = pods_[0].port->event_fd(0), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&wake, 1, 5000), 1);
  char buffer[100];
  ssize_t got = -1;
  for (int i = 0; i < kTurnsMax && got < 0; ++i) {
    Turn();
    got = recv(to.get(), buffer, sizeof(buffer), 0);
  }
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string(buffer, got), text);
  EXPECT_EQ(pods_[0].port->state(), PortState::kUp);
}

uint8_t PatternAt(size_t i) { return static_cast<uint8_t>(i * 7 + i / 251); }

void Pods::Transfer(int family) {
  constexpr size_t kTotal = 32 << 20;
  const OwnedFd listener = SocketIn(pods_[1], family, SOCK_STREAM);
  const OwnedFd client = SocketIn(pods_[0], family, SOCK_STREAM);
  const Address address = MakeAddress(family, 1, 6000);
  ASSERT_EQ(bind(listener.get(), address.get(), address.size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(connect(client.get(), address.get(), address.size), -1);
  OwnedFd server;
  for (int i = 0; i < kTurnsMax && !server.valid(); ++i) {
    Turn();
    server = OwnedFd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
  }
  ASSERT_TRUE(server.valid());
  size_t sent = 0, received = 0;
  std::string out(256 << 10, 0), in(256 << 10, 0);
  bool equal = true;
  for (int turn = 0; turn < kTurnsMax && received < kTotal; ++turn) {
    const size_t part = std::min(out.size(), kTotal - sent);
    for (size_t i = 0; i < part; ++i) out[i] = static_cast<char>(PatternAt(sent + i));
    sent += std::max<ssize_t>(0, part == 0 ? 0 : send(client.get(), out.data(), part, 0));
    Turn();
    const ssize_t got = recv(server.get(), in.data(), in.size(), 0);
    for (ssize_t i = 0; i < got; ++i) {
      equal = equal && static_cast<uint8_t>(in[i]) == PatternAt(received + i);
    }
    received += std::max<ssize_t>(0, got);
  }
  EXPECT_EQ(received, kTotal);
  EXPECT_TRUE(equal);
}

TEST_P(Pods, SuperFramesPassWholeIpv4) {
  Transfer(AF_INET);
  EXPECT_GT(largest_, 60'000u);
  EXPECT_GT(pods_[0].port->rx_counters(0).rx_super_frames, 0u);
  EXPECT_GT(pods_[1].port->tx_counters(0).tx_super_frames, 0u);
  EXPECT_EQ(pods_[0].port->rx_counters(0).rx_bad_frames, 0u);
  EXPECT_EQ(pods_[1].port->tx_counters(0).tx_errors, 0u);
}

TEST_P(Pods, SuperFramesPassWholeIpv6) {
  Transfer(AF_INET6);
  EXPECT_GT(largest_, 60'000u);
}

TEST_P(Pods, ADeletedDeviceIsGoneAndThePortGoesOnWithoutHarm) {
  std::array<Packet*, 32> burst;
  while (Turn() > 0) {
  }
  pods_[0].netns.Enter();
  Shell("ip link del p0");
  host_.Enter();
  EXPECT_EQ(pods_[0].port->state(), PortState::kGone);
  for (int i = 0; i < 1000; ++i) {
    const int n = pods_[0].port->RxBurst(0, pool_, burst);
    for (int k = 0; k < n; ++k) pool_.Free(burst[k]);  // what was queued before
    Packet* p = pool_.Alloc();
    std::memset(packet::Append(p, 60), 0xff, 60);
    std::array<Packet*, 1> one = {p};
    ASSERT_EQ(pods_[0].port->TxBurst(0, pool_, one), 1);
  }
  EXPECT_EQ(pods_[0].port->tx_counters(0).tx_errors, 1000u);
  EXPECT_EQ(pods_[1].port->state(), PortState::kUp);
}

TEST_P(Pods, APodThatIsDownIsDownNotGone) {
  pods_[0].netns.Enter();
  Shell("ip link set p0 down");
  host_.Enter();
  EXPECT_EQ(pods_[0].port->state(), PortState::kDown);
  pods_[0].netns.Enter();
  Shell("ip link set p0 up");
  host_.Enter();
  EXPECT_EQ(pods_[0].port->state(), PortState::kUp);
}

TEST_P(Pods, AnExhaustedPoolIsCountedAndRecovers) {
  packet::HeapPacketPool small({0, 9, 9}, nullptr);
  std::array<Packet*, 32> burst;
  EXPECT_EQ(pods_[0].port->RxBurst(0, small, burst), 0);
  EXPECT_EQ(pods_[0].port->rx_counters(0).rx_no_memory, 1u);
  pods_[0].port->LetGo(0, small);
  EXPECT_EQ(small.outstanding(), 0);
}

// Sent text may hold all large segments until its ACK comes: the ACK has to get in without them.
TEST_P(Pods, WithoutLargeSegmentsSmallFramesArriveAndLongOnesAreCounted) {
  pods_[0].netns.Enter();
  Shell("ip link set p0 mtu 9000");
  host_.Enter();
  if (std::string_view(GetParam()) == "veth") Shell("ip link set v0 mtu 9000");
  while (Turn() > 0) {
  }
  pods_[0].port->LetGo(0, pool_);
  packet::HeapPacketPool few({64, 0, 64}, nullptr);
  const OwnedFd from = SocketIn(pods_[0], AF_INET, SOCK_DGRAM);
  const Address address = MakeAddress(AF_INET, 1, 5000);
  pods_[0].netns.Enter();
  Shell("ip neigh replace 10.9.0.2 dev p0 lladdr 02:00:00:00:00:02");
  host_.Enter();
  std::array<Packet*, 32> burst;
  const auto frames_of = [&](size_t bytes) {  // how many come in of that length
    const std::string text(bytes, 'x');
    EXPECT_EQ(sendto(from.get(), text.data(), bytes, 0, address.get(), address.size),
              static_cast<ssize_t>(bytes));
    const uint64_t bad = pods_[0].port->rx_counters(0).rx_bad_frames;
    int found = 0;
    for (int i = 0; i < kTurnsMax && found == 0; ++i) {
      const int n = pods_[0].port->RxBurst(0, few, burst);
      for (int k = 0; k < n; ++k) {
        found += burst[k]->pkt_len == bytes + 42;
        few.Free(burst[k]);
      }
      if (pods_[0].port->rx_counters(0).rx_bad_frames > bad) break;
    }
    return found;
  };
  EXPECT_EQ(frames_of(1400), 1);
  EXPECT_EQ(frames_of(5000), 0);
  EXPECT_EQ(pods_[0].port->rx_counters(0).rx_bad_frames, 1u);
  EXPECT_EQ(frames_of(1400), 1);
  EXPECT_EQ(few.counters().alloc_failures, 0u);
  pods_[0].port->LetGo(0, few);
  EXPECT_EQ(few.outstanding(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Pods, ::testing::Values("veth", "tap"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Pods, ADeviceUnderAnotherNameIsGone) {
  if (std::string_view(GetParam()) != "veth") return;  // a TAP is ours whatever it is called
  host_.Enter();
  EXPECT_NE(pods_[0].port->state(), PortState::kGone);
  Shell("ip link set v0 down && ip link set v0 name w0");
  EXPECT_EQ(pods_[0].port->state(), PortState::kGone);
}

TEST_P(Pods, NetlinkTellsOfADeletedDevice) {
  if (std::string_view(GetParam()) != "veth") return;  // a TAP lives in the pod's namespace
  host_.Enter();
  auto watch = NetlinkWatch::Open();
  ASSERT_TRUE(watch.ok());
  EXPECT_TRUE(watch->Read().events.empty());
  Shell("ip link del v0");
  pollfd wake{.fd = watch->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&wake, 1, 5000), 1);
  const LinkNews news = watch->Read();
  ASSERT_FALSE(news.events.empty());
  EXPECT_EQ(news.events.back().name, "v0");
  EXPECT_EQ(news.events.back().state, PortState::kGone);
}

TEST(Open, NamesWhatIsWrong) {
  const auto missing = AfPacketPort::Open({.netdev = "nosuch0", .mtu = 0, .workers = 1});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().ToString().find("nosuch0"), std::string::npos);
  const auto nowhere =
      TapPort::Open({.netdev = "t0", .netns = "/no/such/ns", .mtu = 0, .workers = 1});
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.status().ToString().find("/no/such/ns"), std::string::npos);
}

}  // namespace
}  // namespace meltemi::nic
