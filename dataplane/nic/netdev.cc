#include "dataplane/nic/netdev.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

absl::StatusOr<ifreq> Request(const std::string& netdev) {
  ifreq request{};
  if (netdev.empty() || netdev.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError(
        Cat("netdev \"", netdev, "\": a name has 1 to 15 characters"));
  }
  std::memcpy(request.ifr_name, netdev.data(), netdev.size());
  return request;
}

absl::Status Ioctl(unsigned long code, const char* what, ifreq* request) {
  const OwnedFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket");
  if (ioctl(fd.get(), code, request) < 0) {
    return ErrnoStatus(Cat("netdev \"", request->ifr_name, "\": ", what));
  }
  return absl::OkStatus();
}

// Keeps the kernel from speaking IPv6 on the device. A kernel without IPv6 has no such file.
absl::Status DisableIpv6(const std::string& netdev) {
  const std::string path = Cat("/proc/sys/net/ipv6/conf/", netdev, "/disable_ipv6");
  const OwnedFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(path);
  if (write(fd.get(), "1", 1) != 1) return ErrnoStatus(path);
  return absl::OkStatus();
}

}  // namespace

OwnedFd::OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
OwnedFd::~OwnedFd() { Reset(); }
void OwnedFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::Status ErrnoStatus(const std::string& what) { return absl::ErrnoToStatus(errno, what); }

absl::StatusOr<int> InterfaceIndex(const std::string& netdev) {
  absl::StatusOr<ifreq> request = Request(netdev);
  if (!request.ok()) return request.status();
  const absl::Status status = Ioctl(SIOCGIFINDEX, "index", &*request);
  if (!status.ok()) return status;
  return request->ifr_ifindex;
}

absl::StatusOr<std::array<uint8_t, 6>> InterfaceMac(const std::string& netdev) {
  absl::StatusOr<ifreq> request = Request(netdev);
  if (!request.ok()) return request.status();
  const absl::Status status = Ioctl(SIOCGIFHWADDR, "hardware address", &*request);
  if (!status.ok()) return status;
  std::array<uint8_t, 6> mac;
  std::memcpy(mac.data(), request->ifr_hwaddr.sa_data, mac.size());
  return mac;
}

absl::Status SetMtu(const std::string& netdev, int mtu) {
  absl::StatusOr<ifreq> request = Request(netdev);
  if (!request.ok()) return request.status();
  request->ifr_mtu = mtu;
  return Ioctl(SIOCSIFMTU, "mtu", &*request);
}

absl::Status PrepareHostEnd(const std::string& netdev, int mtu) {
  absl::StatusOr<ifreq> request = Request(netdev);
  if (!request.ok()) return request.status();
  absl::Status status = Ioctl(SIOCGIFFLAGS, "flags", &*request);
  // IPv6 first: the link going up is what makes the kernel announce itself.
  if (status.ok()) status = DisableIpv6(netdev);
  if (status.ok() && mtu != 0) status = SetMtu(netdev, mtu);
  if (!status.ok()) return status;
  request->ifr_flags |= IFF_UP | IFF_NOARP;
  return Ioctl(SIOCSIFFLAGS, "up", &*request);
}

std::vector<int> SocketsOfFamily(int family) {
  std::vector<int> found;
  DIR* const open_files = opendir("/proc/self/fd");
  if (open_files == nullptr) return found;
  while (const dirent* entry = readdir(open_files)) {
    int fd = -1;
    const std::string_view name = entry->d_name;
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc()) continue;
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == family) {
      found.push_back(fd);
    }
  }
  closedir(open_files);
  std::sort(found.begin(), found.end());
  return found;
}

absl::Status RemoveDeadSocket(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) < 0 || !S_ISSOCK(file.st_mode)) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return absl::OkStatus();  // bind will say so
  std::memcpy(address.sun_path, path.data(), path.size());
  const OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    return absl::AlreadyExistsError(Abs(Cat("socket ", path, ": another process serves it")));
  }
  if (errno == ECONNREFUSED && unlink(path.c_str()) < 0) return ErrnoStatus(path);
  return absl::OkStatus();
}

std::string NetnsPath(const std::string& name_or_path) {
  if (name_or_path.find('/') != std::string::npos) return name_or_path;
  return Cat("/var/run/netns/", name_or_path);
}

absl::Status MoveToNetns(const std::string& netdev, const std::string& netns) {
  const absl::StatusOr<int> index = InterfaceIndex(netdev);
  if (!index.ok()) return index.status();
  const std::string path = NetnsPath(netns);
  const OwnedFd target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target.valid()) return ErrnoStatus(Cat("network namespace ", path));
  const OwnedFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus("rtnetlink socket");

  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr attribute;
    int netns_fd;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_NEWLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.link.ifi_index = *index;
  request.attribute.rta_type = IFLA_NET_NS_FD;
  request.attribute.rta_len = RTA_LENGTH(sizeof(int));
  request.netns_fd = target.get();
  if (send(fd.get(), &request, sizeof(request), 0) < 0) return ErrnoStatus("rtnetlink request");

  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  if (recv(fd.get(), &answer, sizeof(answer), 0) < static_cast<ssize_t>(sizeof(answer)) ||
      answer.header.nlmsg_type != NLMSG_ERROR) {
    return absl::InternalError("rtnetlink: no acknowledgement");
  }
  errno = -answer.error.error;
  if (errno == 0) return absl::OkStatus();
  return ErrnoStatus(Cat("netdev \"", netdev, "\": move to ", path));
}

}  // namespace meltemi::nic
