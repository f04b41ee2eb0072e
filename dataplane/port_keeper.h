// PortKeeper: which ports the node should have, and which it has. Opens them, gives them to every
// worker, takes them back when their device is gone or the configuration no longer names them, and
// opens them again when the device returns.
//
// Owns: the ports, and who lives behind each. Must not know: clocks, sockets, threads. Thread: the
// control thread. A port number (PortId) is used again once every worker has let go of the port
// that had it. Bounds: limits::kPortCountMax numbers; a device that cannot be opened is tried once
// when it appears and then every kRetry.
#ifndef MELTEMI_DATAPLANE_PORT_KEEPER_H_
#define MELTEMI_DATAPLANE_PORT_KEEPER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/common/log.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/nic/make_port.h"
#include "dataplane/nic/netlink_watch.h"
#include "dataplane/nic/port.h"
#include "dataplane/worker/mail.h"
#include "l7/base/time.h"

namespace meltemi {

struct PortStatus {
  std::string name, device;  // empty: the number is not in use
  bool attached = false;
  std::string error;  // why it is not attached
  nic::PortCounters counters;
};

class PortKeeper {
 public:
  static constexpr Duration kRetry = Duration::Seconds(1);

  using OpenPort = std::function<absl::StatusOr<std::unique_ptr<nic::Port>>(
      const std::string& device, const nic::MakePortOptions& options)>;
  using Send = std::function<void(int worker, worker::Mail&& mail)>;
  struct Options {
    std::string node;  // part of the ports' MAC addresses
    int workers = 1;
    std::vector<packet::DpdkPacketPool*> pools;
    OpenPort open;  // nic::MakePort; tests have their own
    Send send;
  };
  explicit PortKeeper(Options options) : options_(std::move(options)) {}

  // Makes the ports, workloads and routes of `bootstrap` those of the node: what is as it was stays
  // untouched. The first call opens everything.
  void Use(const agent::Bootstrap& bootstrap, Instant now);
  // True if Use would need more port numbers than there are.
  bool WouldOverflow(const agent::Bootstrap& bootstrap) const;

  // What netlink tells: devices that came and went.
  void OnNews(const nic::LinkNews& news, Instant now);
  // Every turn of the control loop: what is due to be tried again, devices netlink does not see.
  void Watch(Instant now);
  void OnReleased(ip::PortId id, Instant now);
  // Workers are letting go of a port: their replies are worth looking at soon.
  bool releasing() const;

  std::vector<PortStatus> Statuses() const;  // by PortId
  // After every worker has ended.
  void CloseAll();

 private:
  static constexpr Duration kLookAtSockets = Duration::Millis(100);

  // A port as the configuration wants it, with those who live behind it.
  struct Wanted {
    agent::PortConfig config;
    std::vector<config::Workload> workloads;
  };
  struct Slot {
    std::optional<Wanted> wanted;  // absent: to be taken away, or a free number
    std::string netdev;            // of wanted's device; empty: netlink does not see it
    Instant retry_at;
    int tried_index = 0;  // the netdev that was tried when it appeared
    std::string error;

    std::unique_ptr<nic::Port> port;
    Wanted running;        // what `port` was opened with: workers borrow from it
    int releases_due = 0;  // workers that still have it, after a detach
    bool free() const { return !wanted && port == nullptr; }
  };

  static Wanted Collect(const agent::Bootstrap& bootstrap, const agent::PortConfig& config);
  static bool Same(const Wanted& a, const Wanted& b);
  ip::PortId NewSlot();
  void Open(ip::PortId id, Instant now);
  void Attach(ip::PortId id);
  void Detach(ip::PortId id, control::common::Level level, const char* why);
  void DetachIfGone(ip::PortId id);
  ip::PortOptions IpOptionsOf(const Slot& slot) const;
  std::vector<ip::Route> Routes(const agent::Bootstrap& bootstrap) const;
  ip::PortId IdOf(const std::string& name) const;

  const Options options_;
  std::vector<std::unique_ptr<Slot>> slots_;  // by PortId
  Instant look_at_sockets_, look_at_all_;
};

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_PORT_KEEPER_H_
