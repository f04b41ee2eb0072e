// The PROXY protocol to servers: who the client is, before everything else on a connection.
#include "l7/proxy_protocol/proxy_header.h"

#include <optional>

#include "l7/engine/impl.h"

namespace meltemi::engine {

bool Engine::Impl::MakeProxyHeader(const cluster::Cluster& cluster, const Conn* down,
                                   Chain* out) const {
  const config::ProxyVersion wanted = cluster.settings().proxy_protocol;
  if (wanted == config::ProxyVersion::kNone) return true;
  std::optional<proxy_protocol::Addresses> addresses;
  if (down != nullptr) {
    addresses = {.source = CarrierOf(*down).remote, .destination = CarrierOf(*down).local};
  }
  const auto version = wanted == config::ProxyVersion::kV1 ? proxy_protocol::Version::kV1
                                                           : proxy_protocol::Version::kV2;
  return AppendCopy(pool_, proxy_protocol::Write(version, addresses), out);
}

}  // namespace meltemi::engine
