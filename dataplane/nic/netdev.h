// What we ask of the kernel about network devices: an ioctl or one rtnetlink request each.
//
// Owns: nothing between calls. Must not know: packets, ports. Called on the control thread. The
// calls act in the network namespace of the calling thread.
#ifndef MELTEMI_DATAPLANE_NIC_NETDEV_H_
#define MELTEMI_DATAPLANE_NIC_NETDEV_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace meltemi::nic {

// A descriptor that is closed with its owner.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept;
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// "<what>: <strerror>", with the code that fits errno.
absl::Status ErrnoStatus(const std::string& what);

absl::StatusOr<int> InterfaceIndex(const std::string& netdev);
absl::StatusOr<std::array<uint8_t, 6>> InterfaceMac(const std::string& netdev);
absl::Status SetMtu(const std::string& netdev, int mtu);

// This process's sockets of an address family, sorted: finds those that a driver keeps to itself.
std::vector<int> SocketsOfFamily(int family);

// Makes the host end of a pod's veth a bare wire: up, no ARP, no IPv6 of its own. An `mtu` of 0
// leaves the MTU as it is.
absl::Status PrepareHostEnd(const std::string& netdev, int mtu);

// A socket's file stays behind when its server is killed, and would be in its successor's way. One
// that somebody serves is an error.
absl::Status RemoveDeadSocket(const std::string& path);

// A name means /var/run/netns/<name>, as ip-netns(8) has it; anything with a slash is a path.
std::string NetnsPath(const std::string& name_or_path);
absl::Status MoveToNetns(const std::string& netdev, const std::string& netns);

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_NETDEV_H_
