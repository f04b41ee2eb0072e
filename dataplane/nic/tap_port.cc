#include "dataplane/nic/tap_port.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

// TUN_F_USO4 and _USO6, Linux 6.2: UDP super-frames.
constexpr unsigned kUdpOffloads = 0x20 | 0x40;
constexpr unsigned kTcpOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

absl::StatusOr<OwnedFd> Create(const std::string& netdev) {
  OwnedFd fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("/dev/net/tun");
  ifreq request{};
  if (netdev.empty() || netdev.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError("a netdev's name has 1 to 15 characters");
  }
  std::memcpy(request.ifr_name, netdev.data(), netdev.size());
  constexpr int kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_NAPI | IFF_TUN_EXCL;
  request.ifr_flags = static_cast<short>(kFlags);  // the kernel's type; the highest bit is in use
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) return ErrnoStatus("TUNSETIFF");
  int header_bytes = sizeof(VnetHeader);
  if (ioctl(fd.get(), TUNSETVNETHDRSZ, &header_bytes) < 0) return ErrnoStatus("TUNSETVNETHDRSZ");
  if (ioctl(fd.get(), TUNSETOFFLOAD, kTcpOffloads | kUdpOffloads) < 0 &&
      ioctl(fd.get(), TUNSETOFFLOAD, kTcpOffloads) < 0) {
    return ErrnoStatus("TUNSETOFFLOAD");
  }
  return fd;
}

}  // namespace

// The device's own address is the pod's end; ours is for the caller to choose.
TapPort::TapPort(OwnedFd fd, int workers) : KernelPort(std::move(fd), MacAddr{}, workers, 1) {}

absl::StatusOr<std::unique_ptr<Port>> TapPort::Open(const Options& options) {
  absl::StatusOr<OwnedFd> fd = Create(options.netdev);
  if (!fd.ok()) {
    return absl::Status(fd.status().code(),
                        Cat("TAP \"", options.netdev, "\": ", fd.status().message()));
  }
  if (options.mtu != 0) {
    const absl::Status status = SetMtu(options.netdev, options.mtu);
    if (!status.ok()) return status;
  }
  if (!options.netns.empty()) {
    const absl::Status status = MoveToNetns(options.netdev, options.netns);
    if (!status.ok()) return status;
  }
  return absl::WrapUnique<Port>(new TapPort(*std::move(fd), options.workers));
}

PortState TapPort::state() const {
  // The kernel says POLLERR for a device that is gone and POLLOUT only for one that is up.
  pollfd query{.fd = fd(), .events = POLLOUT, .revents = 0};
  if (poll(&query, 1, 0) < 0 || (query.revents & (POLLERR | POLLNVAL)) != 0) {
    return PortState::kGone;
  }
  return (query.revents & POLLOUT) != 0 ? PortState::kUp : PortState::kDown;
}

int TapPort::Read(RxFrames* frames, int count, std::span<uint32_t> lengths) {
  for (int i = 0; i < count; ++i) {
    const std::span<iovec> iov = frames->iov(i);
    const ssize_t bytes = readv(fd(), iov.data(), static_cast<int>(iov.size()));
    if (bytes < 0) return i > 0 ? i : -errno;
    // A full frame's room is more than any frame: what fills it was cut to one without large parts.
    size_t room = 0;
    for (const iovec& part : iov) room += part.iov_len;
    const bool cut = static_cast<size_t>(bytes) == room;
    lengths[i] = cut ? 0 : static_cast<uint32_t>(bytes);
  }
  return count;
}

int TapPort::Write(TxBatch* batch, int from) {
  for (int i = from; i < batch->count(); ++i) {
    const std::span<iovec> iov = batch->iov(i);
    if (writev(fd(), iov.data(), static_cast<int>(iov.size())) < 0) {
      return i > from ? i - from : -errno;
    }
  }
  return batch->count() - from;
}

}  // namespace meltemi::nic
