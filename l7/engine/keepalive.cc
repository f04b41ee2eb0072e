// connection_keepalive of HTTP/2, as Envoy's codec has it: PING at an interval after the last
// answer (with jitter) or before a stream of a connection that was silent, and the connection ends
// when nothing at all has come for the timeout.
#include <algorithm>
#include <memory>
#include <utility>

#include "l7/engine/impl.h"

namespace meltemi::engine {

void Engine::Impl::BeginKeepalive(Conn& carrier, const config::Http2Options& options, Instant now) {
  if (!options.keepalive.has_value()) return;
  carrier.http2->keepalive = std::make_unique<Keepalive>(*options.keepalive, carrier.id.bits());
  AwaitPing(*carrier.http2->keepalive, now);
}

// Until the next PING is due.
void Engine::Impl::AwaitPing(Keepalive& keepalive, Instant now) {
  keepalive.waiting = false;
  Duration wait = keepalive.settings.interval;
  if (wait.zero()) return timers_->Cancel(&keepalive.timer);
  const auto spread =
      static_cast<uint64_t>(static_cast<double>(wait.nanos()) * keepalive.settings.jitter / 100);
  if (spread > 0) wait = wait + Duration::Nanos(static_cast<int64_t>(prng_->Below(spread)));
  timers_->Schedule(&keepalive.timer, now + wait);
}

void Engine::Impl::AskAlive(Conn& carrier, Instant now) {
  Keepalive& keepalive = *carrier.http2->keepalive;
  keepalive.waiting = true;
  carrier.http2->session.SendPing();
  FlushLater(carrier);
  timers_->Schedule(&keepalive.timer, now + keepalive.settings.timeout);
}

// A connection that has said nothing for long may be gone without a word.
void Engine::Impl::AskBeforeStream(Conn& carrier, Instant now) {
  const Keepalive* const keepalive = carrier.http2->keepalive.get();
  if (keepalive == nullptr || keepalive->waiting) return;
  const Duration idle = keepalive->settings.connection_idle;
  const Instant heard = std::max(carrier.http2->session.last_frame(), carrier.opened);
  if (!idle.zero() && now - heard > idle) AskAlive(carrier, now);
}

void Engine::Impl::OnPong(Conn& carrier, Instant now) {
  Keepalive* const keepalive = carrier.http2->keepalive.get();
  if (keepalive != nullptr && keepalive->waiting) AwaitPing(*keepalive, now);
}

void Engine::Impl::OnKeepaliveTimer(Conn& carrier, Instant now) {
  Keepalive& keepalive = *carrier.http2->keepalive;
  if (!keepalive.waiting) return AskAlive(carrier, now);
  // Whoever sends anything is there: its answer may be stuck behind it.
  const Instant extended = carrier.http2->session.last_frame() + keepalive.settings.timeout;
  if (extended > now) {
    timers_->Schedule(&keepalive.timer, extended);
    return;
  }
  keepalive.expired = true;
  cluster::Cluster* const cluster = carrier.cluster;
  cluster::Host* const host = carrier.host;
  const ConnId id = carrier.id;
  if (host != nullptr) {
    ++cluster->stats.http2_keepalive_timeout;
    RemoveCarrier(carrier);
  } else {
    ++counters_.http2_keepalive_timeout;
  }
  StreamsGone(id, AttemptFailure::kTermination, now);
  // Nobody is there to take a FIN.
  if (Conn* const left = conns_.Find(id)) EndConn(*left, Action::Kind::kAbort);
  if (host != nullptr) ServeWaiter(cluster, host, now);
}

}  // namespace meltemi::engine
