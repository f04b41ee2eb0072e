#include "dataplane/nic/af_packet_port.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/memory/memory.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

constexpr int kSocketBufferBytes = 8 << 20;
constexpr int kIgnoreOutgoing = 23;  // PACKET_IGNORE_OUTGOING, Linux 4.20

absl::Status Set(int fd, int level, int option, int value, const char* name) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) < 0) return ErrnoStatus(name);
  return absl::OkStatus();
}

// Larger than net.core.{r,w}mem_max if we may, else as large as they allow.
void SetBuffer(int fd, int forced, int modest) {
  if (!Set(fd, SOL_SOCKET, forced, kSocketBufferBytes, "").ok()) {
    Set(fd, SOL_SOCKET, modest, kSocketBufferBytes, "").IgnoreError();  // a smaller one works
  }
}

absl::Status Configure(int fd, int index) {
  absl::Status status = Set(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
  status.Update(Set(fd, SOL_PACKET, kIgnoreOutgoing, 1, "PACKET_IGNORE_OUTGOING"));
  status.Update(Set(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS"));
  if (!status.ok()) return status;
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = index;
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0) {
    return ErrnoStatus("PACKET_MR_PROMISC");
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = index;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    return ErrnoStatus("bind");
  }
  return absl::OkStatus();
}

}  // namespace

AfPacketPort::AfPacketPort(OwnedFd fd, const Options& options, int index, MacAddr mac)
    : KernelPort(std::move(fd), mac, options.workers, RxFrames::kFrameCountMax),
      netdev_(options.netdev),
      index_(index) {}

absl::StatusOr<std::unique_ptr<Port>> AfPacketPort::Open(const Options& options) {
  const absl::Status prepared = PrepareHostEnd(options.netdev, options.mtu);
  if (!prepared.ok()) return prepared;
  const absl::StatusOr<int> index = InterfaceIndex(options.netdev);
  if (!index.ok()) return index.status();
  const absl::StatusOr<MacAddr> mac = InterfaceMac(options.netdev);
  if (!mac.ok()) return mac.status();
  // Protocol 0: nothing arrives before bind, least of all another device's frames.
  OwnedFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(Cat("AF_PACKET socket for ", options.netdev));
  const absl::Status configured = Configure(fd.get(), *index);
  if (!configured.ok()) {
    return absl::Status(configured.code(),
                        Cat("netdev \"", options.netdev, "\": ", configured.message()));
  }
  return absl::WrapUnique<Port>(new AfPacketPort(std::move(fd), options, *index, *mac));
}

PortState AfPacketPort::state() const {
  ifreq request{};
  request.ifr_ifindex = index_;
  // Whoever configured the port meant the name: a netdev that is called otherwise now is another's.
  if (ioctl(fd(), SIOCGIFNAME, &request) < 0 || netdev_ != request.ifr_name) {
    return PortState::kGone;
  }
  if (ioctl(fd(), SIOCGIFFLAGS, &request) < 0) return PortState::kGone;
  constexpr int kBoth = IFF_UP | IFF_RUNNING;
  return (request.ifr_flags & kBoth) == kBoth ? PortState::kUp : PortState::kDown;
}

int AfPacketPort::Read(RxFrames* frames, int count, std::span<uint32_t> lengths) {
  std::array<mmsghdr, RxFrames::kFrameCountMax> messages;
  for (int i = 0; i < count; ++i) {
    const std::span<iovec> iov = frames->iov(i);
    messages[i] = mmsghdr{};
    messages[i].msg_hdr.msg_iov = iov.data();
    messages[i].msg_hdr.msg_iovlen = iov.size();
  }
  const int got = recvmmsg(fd(), messages.data(), count, MSG_DONTWAIT, nullptr);
  if (got < 0) return -errno;
  for (int i = 0; i < got; ++i) {
    const bool cut = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    lengths[i] = cut ? 0 : messages[i].msg_len;
  }
  return got;
}

int AfPacketPort::Write(TxBatch* batch, int from) {
  std::array<mmsghdr, TxBatch::kPacketCountMax> messages;
  const int count = batch->count() - from;
  for (int i = 0; i < count; ++i) {
    const std::span<iovec> iov = batch->iov(from + i);
    messages[i] = mmsghdr{};
    messages[i].msg_hdr.msg_iov = iov.data();
    messages[i].msg_hdr.msg_iovlen = iov.size();
  }
  const int sent = sendmmsg(fd(), messages.data(), count, MSG_DONTWAIT);
  return sent < 0 ? -errno : sent;
}

}  // namespace meltemi::nic
