// A new configuration, for the connections that stand.
#include <utility>
#include <vector>

#include "l7/engine/impl.h"

namespace meltemi::engine {
namespace {

uint32_t IndexOf(const std::vector<config::Listener>& listeners, const std::string& name,
                 uint32_t hint) {
  if (hint < listeners.size() && listeners[hint].name == name) return hint;
  for (uint32_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].name == name) return i;
  }
  return config::kNoIndex;
}

const config::Listener& ParentOf(const config::Snapshot& snapshot, const config::Listener& chain) {
  return chain.parent == config::kNoIndex ? chain : snapshot.listeners[chain.parent];
}

}  // namespace

void Engine::Impl::UseSnapshot(const config::Snapshot* snapshot, Instant now) {
  if (snapshot == snapshot_) return;
  ++counters_.snapshots;
  snapshot_ = snapshot;
  rbac_stats_.Forget();
  closing_.clear();
  clusters_.Update(*snapshot, *prng_, now, &closing_);
  LookAtEjected();
  CloseAll(closing_);
  LookAtChecks(now);
  std::vector<ConnId> idle;  // downstream connections nobody listens for any more
  std::vector<ConnId> opaque;
  conns_.ForEach([&](ConnId id, Conn& conn) {
    if (conn.host != nullptr || conn.is_stream() || conn.listener_gone) return;
    if (conn.kind == Conn::Kind::kProbe) return;
    FollowSnapshot(conn, snapshot);
    if (conn.kind == Conn::Kind::kTcpDown) return opaque.push_back(id);
    if (conn.listener_gone && conn.kind == Conn::Kind::kHttp2Down) return DrainCarrier(conn);
    if (conn.listener_gone && conn.kind == Conn::Kind::kHttpDown && !conn.exchange.valid() &&
        conn.in.empty()) {
      idle.push_back(id);
    }
  });
  rate_limits_.Follow(*snapshot, pins_, now);
  for (const ConnId id : idle) EndConn(conns_[id], Action::Kind::kRelease);
  for (const ConnId id : opaque) FollowTcp(conns_[id], now);
}

// The same listener in the new snapshot, by name. Gone or of another kind: what is under way goes
// on with the old one, and the connection ends after it.
void Engine::Impl::FollowSnapshot(Conn& conn, const config::Snapshot* snapshot) {
  const config::Snapshot* old = conn.snapshot;
  const size_t kind = old->listeners[conn.listener].filter.index();
  const uint32_t index = Successor(conn, *snapshot);
  if (index == config::kNoIndex || snapshot->listeners[index].filter.index() != kind) {
    conn.listener_gone = conn.drain = true;
    Pin(old);
    return;
  }
  conn.snapshot = snapshot;
  conn.listener = index;
}

// Where addresses alone decide, before and now, the client may be another chain's from now on: its
// workload has other labels, or chains have come. Else nobody knows what it has said at first.
uint32_t Engine::Impl::Successor(Conn& conn, const config::Snapshot& snapshot) const {
  const std::vector<config::Listener>& listeners = snapshot.listeners;
  const config::Listener& old = conn.snapshot->listeners[conn.listener];
  const config::Listener& old_parent = ParentOf(*conn.snapshot, old);
  if (!old_parent.sniffs()) {
    const uint32_t hint = old.parent == config::kNoIndex ? conn.listener : old.parent;
    const uint32_t parent = IndexOf(listeners, old_parent.name, hint);
    if (parent != config::kNoIndex && !listeners[parent].sniffs() &&
        !(listeners[parent].chains.empty() && old_parent.chains.empty())) {
      const uint32_t index =
          config::ChooseChain(
              listeners[parent], parent,
              {.local = conn.local, .remote = conn.remote, .direct_remote = conn.remote.ip})
              .listener;
      // It has begun with TLS, or without.
      if (index == config::kNoIndex || listeners[index].tls != old.tls) return config::kNoIndex;
      if (listeners[index].name != conn.listener_name) conn.listener_name = listeners[index].name;
      return index;
    }
  }
  const uint32_t index = IndexOf(listeners, conn.listener_name, conn.listener);
  const bool whole = index != config::kNoIndex && listeners[index].chains.empty();
  return whole ? index : config::kNoIndex;
}

}  // namespace meltemi::engine
