// A gRPC listener over TLS: its certificate changes while it serves, and what the peer of a call
// showed. Clients are asked for a certificate that gRPC does not verify: who serves does, by its
// own clock and the roots of the moment; that a client holds its key is proven by the handshake.
// Called by gRPC on its threads.
#ifndef MELTEMI_CONTROL_COMMON_GRPC_TLS_H_
#define MELTEMI_CONTROL_COMMON_GRPC_TLS_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace meltemi::control::common {

struct ListenerPem {
  std::string key;
  std::string chain;     // the leaf and what leads to the root
  std::string trusted;   // the roots of client certificates, told to clients
  uint64_t version = 0;  // changes with the content; never 0
};

// Asked for each new connection, on any thread. While it fails, what was there last is served with.
using ListenerPemSource = std::function<absl::StatusOr<ListenerPem>()>;

// To be kept as long as a server serves with it: gRPC does not.
std::shared_ptr<grpc::ServerCredentials> ReloadingServerCredentials(ListenerPemSource source);

// Whether a call came over TLS, and the client's certificates as it showed them, the leaf first;
// "" when it showed none.
bool CameByTls(const grpc::AuthContext& auth);
std::string PeerChainPem(const grpc::AuthContext& auth);

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_GRPC_TLS_H_
