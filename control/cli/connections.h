// Who talks to whom, and as whom: read from the istio_* metrics of nodes. Pure.
#ifndef MELTEMI_CONTROL_CLI_CONNECTIONS_H_
#define MELTEMI_CONTROL_CLI_CONNECTIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/v1/control.pb.h"

namespace meltemi::control::cli {

// Two that talk. Principals are "spiffe://..."; "" is what nobody knows.
struct Talk {
  std::string source;  // "workload.namespace"
  std::string source_principal;
  std::string destination;  // the service's host
  std::string destination_principal;
  bool mutual_tls = false;  // both have proven who they are: by mutual TLS, or as pods of one node
  uint64_t requests = 0;
  uint64_t failed = 0;       // of them, answered with 5xx or not at all
  uint64_t connections = 0;  // opaque ones that have ended
};

// From Prometheus texts, one of each node. What both sides of a connection tell of is there once,
// as the client's side tells it. Sorted by source, destination.
std::vector<Talk> ReadTalks(const std::vector<std::string>& metrics);

// "HOST:PORT" of the nodes' admin addresses, by name: the host that each has its stream to Pilot
// from. `names` empty: all. The error names one that is not connected.
absl::StatusOr<std::map<std::string, std::string>> AdminAddresses(
    const v1::StatusResponse& status, const std::vector<std::string>& names,
    const std::string& port);

std::string DescribeTalks(const std::vector<Talk>& talks);  // a table
std::string TalksToJson(const std::vector<Talk>& talks);

}  // namespace meltemi::control::cli

#endif  // MELTEMI_CONTROL_CLI_CONNECTIONS_H_
