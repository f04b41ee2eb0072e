#include "dataplane/nic/dpdk_eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <string>
#include <vector>

#include "l7/base/text.h"

namespace meltemi::nic {

absl::Status InitEal(const EalOptions& options) {
  // EAL binds the calling thread to its first CPU: ours goes back to where it may run.
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
    return absl::InternalError("EAL: sched_getaffinity failed");
  }
  int first_cpu = 0;
  while (first_cpu + 1 < CPU_SETSIZE && !CPU_ISSET(first_cpu, &cpus)) ++first_cpu;

  std::vector<std::string> args = {
      "meltemi",        "--lcores", Cat("0@", first_cpu),  "--no-telemetry",
      "--iova-mode=va", "-m",       Cat(options.memory_mb)};
  args.emplace_back(Cat("--log-level=", options.verbose ? "info" : "error"));
  if (options.memory == EalMemory::kHugePages) {
    // virtio-user passes its memory to the peer as files: one file each keeps within its 8.
    args.insert(args.end(), {"--in-memory", "--single-file-segments"});
  } else {
    args.insert(args.end(), {"--no-huge", "--no-shconf"});
  }
  if (!options.pci) args.emplace_back("--no-pci");

  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  const int result = rte_eal_init(static_cast<int>(argv.size()), argv.data());
  const int error = rte_errno;
  sched_setaffinity(0, sizeof(cpus), &cpus);
  if (result >= 0) return absl::OkStatus();
  return absl::InternalError(
      Abs(Cat("EAL: ", rte_strerror(error), " (", options.memory_mb, " MB of ",
              options.memory == EalMemory::kHugePages ? "huge" : "ordinary", " pages)")));
}

}  // namespace meltemi::nic
