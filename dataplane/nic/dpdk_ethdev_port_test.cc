// Goal: ports that DPDK drives carry packets whole, give everything back, and can come and go.
// Method: EAL on ordinary pages; rings, the null device, and vhost-user against virtio-user, all in
// this process: neither root nor a network namespace.
#include "dataplane/nic/dpdk_ethdev_port.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <thread>

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

constexpr int kPollsMax = 50'000'000;  // bounds every wait below

class Eal : public ::testing::Environment {
 public:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as main does: virtio-user writes to a server that is gone
    const absl::Status status = InitEal({.memory_mb = 64});
    ASSERT_TRUE(status.ok()) << status;
  }
};
const auto* const kEal = ::testing::AddGlobalTestEnvironment(new Eal);  // gtest owns it

class EthdevPort : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pool = DpdkPacketPool::Create(
        {.name = "t", .small_count = 4095, .large_count = 127, .header_count = 1023});
    ASSERT_TRUE(pool.ok()) << pool.status();
    pool_ = *std::move(pool);
    ASSERT_EQ(pool_->InUse(), 0);
  }
  void TearDown() override { EXPECT_EQ(pool_->InUse(), 0); }

  std::unique_ptr<Port> Open(const std::string& device, const std::string& name) {
    auto port = MakePort(device, {.name = name, .workers = 1, .pools = {pool_.get()}});
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *std::move(port) : nullptr;
  }

  // An Ethernet + IPv4 + UDP frame whose payload is `text`; no checksums.
  Packet* Frame(std::string_view text) {
    Packet* p = pool_->Alloc();
    uint8_t* data = packet::Append(p, static_cast<uint16_t>(42 + text.size()));
    std::memset(data, 0, 42);
    data[12] = 0x08;
    data[14] = 0x45;
    data[23] = 17;
    std::memcpy(data + 42, text.data(), text.size());
    return p;
  }

  std::string Receive(Port& port) {
    std::array<Packet*, 32> burst;
    for (int i = 0; i < kPollsMax; ++i) {
      const int n = port.RxBurst(0, *pool_, burst);
      if (n == 0) continue;
      EXPECT_EQ(n, 1);
      std::string text;
      for (const Packet* s = burst[0]; s != nullptr; s = s->next) {
        text.append(reinterpret_cast<const char*>(packet::Data(s)), s->data_len);
      }
      pool_->Free(burst[0]);
      return text.substr(42);
    }
    return "nothing came";
  }

  bool WaitUp(const Port& port) {
    for (int i = 0; i < kPollsMax; ++i) {
      if (port.state() == PortState::kUp) return true;
    }
    return false;
  }

  void SendOne(Port& port, Packet* p) {
    std::array<Packet*, 1> one = {p};
    ASSERT_EQ(port.TxBurst(0, *pool_, one), 1);
  }

  std::unique_ptr<DpdkPacketPool> pool_;
};

TEST_F(EthdevPort, TwoRingsOfOneNameAreJoined) {
  for (int round = 0; round < 3; ++round) {  // they can come and go
    auto a = Open("ring:wire", "a");
    auto b = Open("ring:wire", "b");
    ASSERT_TRUE(a != nullptr && b != nullptr);
    EXPECT_FALSE(MakePort("ring:wire", {.name = "c", .pools = {pool_.get()}}).ok());
    SendOne(*a, Frame("from a"));
    SendOne(*b, Frame("from b"));
    EXPECT_EQ(Receive(*b), "from a");
    EXPECT_EQ(Receive(*a), "from b");
    EXPECT_EQ(pool_->outstanding(), 0);
    SendOne(*a, Frame("never read"));
    a->Close();
    b->Close();
    EXPECT_EQ(pool_->InUse(), 0);  // the ring freed what was in it
  }
}

TEST_F(EthdevPort, ARingHandsOverRoomsNotViews) {
  auto a = Open("ring:wire", "a");
  auto b = Open("ring:wire", "b");
  Chain bytes;
  ASSERT_TRUE(AppendCopy(pool_.get(), std::string(5000, 'q'), &bytes));
  Packet* p = Frame("head ");
  ASSERT_TRUE(pool_->AppendBytes(p, bytes, 0, 5000, 0));
  EXPECT_GT(p->nb_segs, 1);
  SendOne(*a, p);
  bytes.Clear();
  EXPECT_EQ(Receive(*b), "head " + std::string(5000, 'q'));
  EXPECT_EQ(pool_->outstanding(), 0);
}

TEST_F(EthdevPort, AFullRingLeavesTheRestToTheCaller) {
  auto a = Open("ring:wire", "a");
  auto b = Open("ring:wire", "b");
  int sent = 0;
  for (bool full = false; !full;) {
    Packet* p = Frame("x");
    std::array<Packet*, 1> one = {p};
    full = a->TxBurst(0, *pool_, one) == 0;
    if (full) pool_->Free(one[0]);
    sent += full ? 0 : 1;
  }
  EXPECT_EQ(sent, 1023);  // a ring of 1024 slots
  EXPECT_EQ(a->tx_counters(0).tx_full, 1u);
  for (int i = 0; i < sent;) {
    std::array<Packet*, 32> burst;
    const int n = b->RxBurst(0, *pool_, burst);
    for (int k = 0; k < n; ++k) pool_->Free(burst[k]);
    i += n;
  }
  EXPECT_EQ(pool_->outstanding(), 0);
}

TEST_F(EthdevPort, NullTakesEverythingAndGivesNothing) {
  auto port = Open("null:", "nowhere");
  for (int i = 0; i < 10'000; ++i) SendOne(*port, Frame("x"));
  std::array<Packet*, 32> burst;
  EXPECT_EQ(port->RxBurst(0, *pool_, burst), 0);
  EXPECT_EQ(port->tx_counters(0).tx_packets, 10'000u);
}

class VhostPair : public EthdevPort {
 protected:
  void SetUp() override {
    EthdevPort::SetUp();
    path_ = Cat("/tmp/meltemi_vhost_test_", getpid());
    vhost_ = Open(Cat("vhost:", path_), "server");
    virtio_ = Open(Cat("virtio:", path_), "client");
    ASSERT_TRUE(vhost_ != nullptr && virtio_ != nullptr);
    ASSERT_TRUE(WaitUp(*vhost_));
  }
  void TearDown() override {
    virtio_.reset();
    vhost_.reset();
    EthdevPort::TearDown();
  }
  std::string path_;
  std::unique_ptr<Port> vhost_, virtio_;
};

TEST_F(VhostPair, CarriesPacketsBothWays) {
  for (int i = 0; i < 2000; ++i) {  // more than a queue has slots
    SendOne(*virtio_, Frame(Cat("up ", i)));
    ASSERT_EQ(Receive(*vhost_), Cat("up ", i));
    SendOne(*vhost_, Frame(Cat("down ", i)));
    ASSERT_EQ(Receive(*virtio_), Cat("down ", i));
  }
}

TEST_F(VhostPair, TakesBorrowedRoomsAndGivesThemBack) {
  for (int i = 0; i < 100; ++i) {
    for (Port* from : {virtio_.get(), vhost_.get()}) {
      Port* to = from == vhost_.get() ? virtio_.get() : vhost_.get();
      Chain bytes;
      ASSERT_TRUE(AppendCopy(pool_.get(), std::string(1000, 'b'), &bytes));
      Packet* p = Frame("head ");
      ASSERT_TRUE(pool_->AppendBytes(p, bytes, 0, 1000, 0));
      ASSERT_EQ(p->nb_segs, 2);
      SendOne(*from, p);
      ASSERT_EQ(Receive(*to), "head " + std::string(1000, 'b'));
    }
  }
}

// What leaves with the checksum to be completed is trusted on the other side, and says how to go
// on.
TEST_F(VhostPair, APartialChecksumStaysTrusted) {
  for (Port* from : {virtio_.get(), vhost_.get()}) {
    ASSERT_TRUE(from->caps().tx_checksum);
    Port* to = from == vhost_.get() ? virtio_.get() : vhost_.get();
    Packet* p = Frame("sum me");
    uint8_t* l3 = packet::Data(p) + 14;
    l3[3] = static_cast<uint8_t>(p->pkt_len - 14);       // IPv4 total length
    l3[20 + 5] = static_cast<uint8_t>(p->pkt_len - 34);  // UDP length
    p->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4;
    p->l2_len = 14;
    p->l3_len = 20;
    SendOne(*from, p);
    std::array<Packet*, 32> burst;
    int n = 0;
    for (int i = 0; i < kPollsMax && n == 0; ++i) n = to->RxBurst(0, *pool_, burst);
    ASSERT_EQ(n, 1);
    EXPECT_EQ(burst[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    EXPECT_EQ(burst[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
    EXPECT_EQ(burst[0]->l2_len + burst[0]->l3_len, 34);
    pool_->Free(burst[0]);
  }
}

TEST_F(VhostPair, APeerThatGoesIsDownAndComesBack) {
  virtio_.reset();
  int polls = 0;
  while (vhost_->state() == PortState::kUp && ++polls < kPollsMax) {
  }
  EXPECT_EQ(vhost_->state(), PortState::kDown);
  std::array<Packet*, 1> one = {Frame("into the void")};
  if (vhost_->TxBurst(0, *pool_, one) == 0) pool_->Free(one[0]);
  virtio_ = Open(Cat("virtio:", path_), "client");
  ASSERT_TRUE(WaitUp(*vhost_));
  SendOne(*virtio_, Frame("again"));
  EXPECT_EQ(Receive(*vhost_), "again");
}

// A virtio-user client does not connect again: whoever holds the port makes it anew.
TEST_F(VhostPair, AClientWithoutItsServerIsGone) {
  vhost_.reset();
  int polls = 0;
  while (virtio_->state() != PortState::kGone && ++polls < kPollsMax) {
  }
  EXPECT_EQ(virtio_->state(), PortState::kGone);
  virtio_.reset();
  vhost_ = Open(Cat("vhost:", path_), "server");
  virtio_ = Open(Cat("virtio:", path_), "client");
  ASSERT_TRUE(WaitUp(*vhost_));
  SendOne(*virtio_, Frame("again"));
  EXPECT_EQ(Receive(*vhost_), "again");
}

// One end of the link on a thread of its own, asleep whenever nothing is there: as a worker is.
class Sleeper {
 public:
  Sleeper(Port* port, DpdkPacketPool* pool) : port_(port), pool_(pool), epoll_(epoll_create1(0)) {
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = 0}};
    EXPECT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, port->event_fd(0), &event), 0);
  }
  bool Wait(int timeout_ms) {
    epoll_event event;
    return epoll_wait(epoll_.get(), &event, 1, timeout_ms) > 0;
  }
  // The next packet; null when no wake-up came.
  Packet* Next() {
    std::array<Packet*, 1> one;
    for (;;) {
      if (port_->RxBurst(0, *pool_, one) == 1) return one[0];
      port_->ArmWake(0);
      const int n = port_->RxBurst(0, *pool_, one);  // once more after arming
      const bool lost = n == 0 && !Wait(5000);
      sleeps += n == 0;
      port_->DisarmWake(0);
      if (n == 1) return one[0];
      if (lost) return nullptr;
    }
  }
  bool Send(Packet* packet) {
    std::array<Packet*, 1> one = {packet};
    return port_->TxBurst(0, *pool_, one) == 1;
  }

  int sleeps = 0;

 private:
  Port* const port_;
  DpdkPacketPool* const pool_;
  const OwnedFd epoll_;
};

TEST_F(VhostPair, NoWakeUpIsLostInTenThousandPingPongs) {
  constexpr int kCount = 10'000;
  ASSERT_TRUE(vhost_->caps().armed_wake);
  EXPECT_FALSE(virtio_->caps().armed_wake);
  auto pool = DpdkPacketPool::Create(
      {.name = "echo", .small_count = 2047, .large_count = 63, .header_count = 511});
  ASSERT_TRUE(pool.ok()) << pool.status();
  virtio_.reset();
  auto client = MakePort(Cat("virtio:", path_), {.name = "echo", .pools = {pool->get()}});
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(WaitUp(*vhost_));
  int echoed = 0;
  std::thread echo([&] {  // polls
    std::array<Packet*, 1> one;
    for (int polls = 0; echoed < kCount && polls < kPollsMax; ++polls) {
      if ((*client)->RxBurst(0, **pool, one) == 0) {
        std::this_thread::yield();
        continue;
      }
      polls = 0;
      echoed += (*client)->TxBurst(0, **pool, one);
    }
  });
  Sleeper end(vhost_.get(), pool_.get());
  int returned = 0;
  for (; returned < kCount; ++returned) {
    EXPECT_TRUE(end.Send(Frame("ping")));
    Packet* p = end.Next();
    if (p == nullptr) break;
    pool_->Free(p);
  }
  echo.join();
  EXPECT_EQ(returned, kCount);
  EXPECT_EQ(echoed, kCount);
  EXPECT_GT(end.sleeps, 100);
  client->reset();
  EXPECT_EQ((*pool)->InUse(), 0);
}

TEST_F(VhostPair, ThePeersComingWakes) {
  virtio_.reset();
  Sleeper end(vhost_.get(), pool_.get());
  while (end.Wait(100)) {  // what its going told
  }
  vhost_->ArmWake(0);
  virtio_ = Open(Cat("virtio:", path_), "client");
  EXPECT_TRUE(end.Wait(5000));
  ASSERT_TRUE(WaitUp(*vhost_));
  SendOne(*virtio_, Frame("first"));
  EXPECT_EQ(Receive(*vhost_), "first");
}

// What nobody can receive is dropped, not kept: it would keep the worker awake.
TEST_F(EthdevPort, WhatIsSentToASocketWithoutPeerIsDropped) {
  const auto port = Open(Cat("vhost:/tmp/meltemi_vhost_alone_", getpid()), "alone");
  std::array<Packet*, 3> three = {Frame("1"), Frame("2"), Frame("3")};
  EXPECT_EQ(port->TxBurst(0, *pool_, three), 3);
  EXPECT_EQ(port->tx_counters(0).tx_errors, 3u);
  EXPECT_EQ(port->tx_counters(0).tx_packets, 0u);
  EXPECT_EQ(pool_->outstanding(), 0);
}

TEST_F(EthdevPort, ASocketLeftByADeadServerIsReplacedAndOneInUseIsNot) {
  const std::string path = Cat("/tmp/meltemi_vhost_left_", getpid());
  {
    const OwnedFd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(dead.get(), 1), 0);
    const auto in_use = MakePort(Cat("vhost:", path), {.name = "x", .pools = {pool_.get()}});
    EXPECT_EQ(in_use.status().code(), absl::StatusCode::kAlreadyExists) << in_use.status();
  }
  EXPECT_NE(Open(Cat("vhost:", path), "x"), nullptr);
}

TEST_F(EthdevPort, WhoIsPolledAndWhoWakes) {
  for (const char* device : {"null:", "ring:wire"}) {
    const auto port = Open(device, "p");
    EXPECT_EQ(port->event_fd(0), -1) << device;
    EXPECT_FALSE(port->caps().armed_wake) << device;
  }
}

TEST_F(EthdevPort, RefusalsNameTheDevice) {
  const std::string devices[] = {"pci:ff:1f.7", "virtio:/no/such/socket", "af_xdp:nosuch0",
                                 "bad:thing"};
  for (const std::string& device : devices) {
    const auto port = MakePort(device, {.name = "p", .pools = {pool_.get()}});
    ASSERT_FALSE(port.ok()) << device;
    EXPECT_NE(port.status().ToString().find(device), std::string::npos) << port.status();
  }
  const auto no_pool = MakePort("null:", {.name = "p"});
  EXPECT_EQ(no_pool.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EthdevPort, ThePoolRefusesAtItsBound) {
  auto pool = DpdkPacketPool::Create(
      {.name = "tiny", .small_count = 3, .large_count = 1, .header_count = 1});
  ASSERT_TRUE(pool.ok()) << pool.status();
  std::vector<Packet*> all;
  while (Packet* p = (*pool)->Alloc()) all.push_back(p);
  EXPECT_EQ(all.size(), 3u);
  EXPECT_EQ((*pool)->counters().alloc_failures, 1u);
  for (Packet* p : all) (*pool)->Free(p);
  EXPECT_EQ((*pool)->InUse(), 0);
}

}  // namespace
}  // namespace meltemi::nic
