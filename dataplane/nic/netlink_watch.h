// NetlinkWatch: news of network devices from the kernel: came, went, went up or down.
//
// Owns: one netlink socket, in the network namespace of the thread that opens it. Must not know:
// ports. Called on the control thread: wait for fd() in epoll, then Read until it is empty. Bound:
// kDatagramsPerRead datagrams a call. When the kernel had to drop news, the caller is told to look
// at every port's state() itself. rtnetlink(7).
#ifndef MELTEMI_DATAPLANE_NIC_NETLINK_WATCH_H_
#define MELTEMI_DATAPLANE_NIC_NETLINK_WATCH_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/nic/netdev.h"
#include "dataplane/nic/port.h"

namespace meltemi::nic {

struct LinkEvent {
  int index = 0;
  std::string name;
  PortState state = PortState::kDown;

  bool operator==(const LinkEvent&) const = default;
};

struct LinkNews {
  std::vector<LinkEvent> events;
  bool lost = false;  // the kernel dropped events: look at every port
};

// One datagram of rtnetlink messages, parsed; whatever is not about links is passed over.
void ParseLinkMessages(std::span<const uint8_t> datagram, std::vector<LinkEvent>* events);

class NetlinkWatch {
 public:
  static absl::StatusOr<NetlinkWatch> Open();

  int fd() const { return fd_.get(); }
  // Never waits.
  LinkNews Read();

 private:
  static constexpr int kDatagramsPerRead = 64;
  explicit NetlinkWatch(OwnedFd fd) : fd_(std::move(fd)) {}
  OwnedFd fd_;
};

}  // namespace meltemi::nic

#endif  // MELTEMI_DATAPLANE_NIC_NETLINK_WATCH_H_
