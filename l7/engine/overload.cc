// What the overload manager has the engine do, in Envoy's words.
#include "l7/engine/impl.h"

namespace meltemi::engine {

using policy::OverloadAction;
using policy::OverloadActions;

bool Engine::Impl::Happens(OverloadAction action) {
  const uint16_t share = overload_.share(action);
  return share != 0 && (share == OverloadActions::kWhole ||
                        prng_->Chance(share, uint64_t{OverloadActions::kWhole}));
}

bool Engine::Impl::AdmitConnection() {
  if (Happens(OverloadAction::kRejectIncomingConnections)) {
    ++counters_.downstream_rejected;
    return false;
  }
  if (options_.downstream_connections != nullptr &&
      !options_.downstream_connections->AddBelow(options_.downstream_connections_max)) {
    ++counters_.downstream_overflow;
    return false;
  }
  return true;
}

void Engine::Impl::LeaveConnection() {
  if (options_.downstream_connections != nullptr) options_.downstream_connections->Subtract(1);
}

bool Engine::Impl::ShedRequest(Exchange& x, Instant now) {
  if (Happens(OverloadAction::kDisableHttpKeepalive)) {
    ++counters_.keepalive_disabled;
    Conn& down = conns_[x.down];
    x.close_after = true;
    if (down.is_stream()) DrainCarrier(conns_[down.carrier]);
  }
  if (!Happens(OverloadAction::kStopAcceptingRequests)) return false;
  ++counters_.requests_shed;
  Reply(x,
        {.status = 503,
         .body = "envoy overloaded",
         .details = "overload",
         .flags = telemetry::kOverloadManager},
        now);
  return true;
}

}  // namespace meltemi::engine
