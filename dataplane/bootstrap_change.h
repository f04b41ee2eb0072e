// CheckReload: may a running node go on with another bootstrap file? Ports, workloads and routes
// may differ; whatever else does needs a restart and is named.
//
// Owns nothing; pure. Called on the control thread.
#ifndef MELTEMI_DATAPLANE_BOOTSTRAP_CHANGE_H_
#define MELTEMI_DATAPLANE_BOOTSTRAP_CHANGE_H_

#include "absl/status/status.h"
#include "dataplane/agent/bootstrap.h"

namespace meltemi {

// The error names the first field that cannot change while running.
absl::Status CheckReload(const agent::Bootstrap& running, const agent::Bootstrap& next);

// A port of it is driven by DPDK: packet memory must be DPDK's from the start of the process.
bool NeedsDpdkMemory(const agent::Bootstrap& bootstrap);

}  // namespace meltemi

#endif  // MELTEMI_DATAPLANE_BOOTSTRAP_CHANGE_H_
