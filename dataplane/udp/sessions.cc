#include "dataplane/udp/sessions.h"

#include <algorithm>

#include "l7/base/check.h"
#include "l7/base/text.h"

namespace meltemi::udp {

Sessions::Sessions(uint32_t count_max, TimerWheel* timers) : timers_(timers), slots_(count_max) {}

Sessions::~Sessions() {
  while (oldest_ != nullptr) Close(oldest_);
}

Session* Sessions::Find(const SockAddr& client, const SockAddr& service) {
  const auto found = by_client_.find(Pair(client, service));
  return found == by_client_.end() ? nullptr : slots_.Find(found->second);
}

Session* Sessions::FindReply(const SockAddr& local, const SockAddr& endpoint) {
  const auto found = by_endpoint_.find(Pair(local, endpoint));
  return found == by_endpoint_.end() ? nullptr : slots_.Find(found->second);
}

Session* Sessions::Open(const SessionSpec& spec, Instant now) {
  if (slots_.size() == slots_.capacity()) {
    ++counters_.sessions_evicted;
    Close(oldest_);
  }
  const SessionId id = slots_.Emplace(spec);
  Session& session = slots_[id];
  session.id = id;
  session.timer.subject = id.bits();
  session.last_used = now;
  CHECK(by_client_.emplace(Pair(spec.client, spec.service), id).second);
  CHECK(by_endpoint_.emplace(Pair(spec.local, spec.endpoint), id).second);
  Append(&session);
  timers_->Schedule(&session.timer, now + spec.idle_timeout);
  ++counters_.sessions_opened;
  ++stats_[spec.stats].sess_total;
  ++stats_[spec.stats].sess_active;
  return &session;
}

// The timer is not moved: it looks at last_used when it fires.
void Sessions::Touch(Session* session, Instant now) {
  session->last_used = now;
  if (session == newest_) return;
  Unlink(session);
  Append(session);
}

void Sessions::Close(Session* session) {
  timers_->Cancel(&session->timer);
  Unlink(session);
  by_client_.erase(Pair(session->client, session->service));
  by_endpoint_.erase(Pair(session->local, session->endpoint));
  --stats_[session->stats].sess_active;
  slots_.Erase(session->id);
}

void Sessions::OnTimer(Timer& timer, Instant now) {
  Session* session = slots_.Find(SessionId::FromBits(timer.subject));
  if (session == nullptr) return;
  const Instant due = session->last_used + session->idle_timeout;
  if (due > now) {
    timers_->Schedule(&session->timer, due);
    return;
  }
  ++counters_.sessions_idle;
  ++stats_[session->stats].idle_timeout;
  Close(session);
}

uint32_t Sessions::StatsOf(std::string_view prefix) {
  const auto found = std::find_if(stats_.begin(), stats_.end(),
                                  [&](const ListenerStats& s) { return s.prefix == prefix; });
  if (found != stats_.end()) return static_cast<uint32_t>(found - stats_.begin());
  stats_.push_back({.prefix = std::string(prefix)});
  return static_cast<uint32_t>(stats_.size() - 1);
}

void Sessions::AppendSamples(std::vector<telemetry::Sample>* out) const {
  using telemetry::Sample;
  for (const ListenerStats& s : stats_) {
    const std::string label = telemetry::Label("envoy_udp_prefix", s.prefix);
    const auto add = [&](std::string_view name, uint64_t value, Sample::Kind kind) {
      out->push_back({Cat("envoy_udp_", name), label, static_cast<double>(value), kind, {}});
    };
    add("downstream_sess_total", s.sess_total, Sample::Kind::kCounter);
    add("downstream_sess_active", s.sess_active, Sample::Kind::kGauge);
    add("downstream_sess_no_route", s.sess_no_route, Sample::Kind::kCounter);
    add("downstream_sess_rx_bytes", s.rx_bytes, Sample::Kind::kCounter);
    add("downstream_sess_rx_datagrams", s.rx_datagrams, Sample::Kind::kCounter);
    add("downstream_sess_tx_bytes", s.tx_bytes, Sample::Kind::kCounter);
    add("downstream_sess_tx_datagrams", s.tx_datagrams, Sample::Kind::kCounter);
    add("idle_timeout", s.idle_timeout, Sample::Kind::kCounter);
  }
}

void Sessions::Append(Session* session) {
  session->older = newest_;
  session->newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = session;
  newest_ = session;
}

void Sessions::Unlink(Session* session) {
  (session->older != nullptr ? session->older->newer : oldest_) = session->newer;
  (session->newer != nullptr ? session->newer->older : newest_) = session->older;
}

}  // namespace meltemi::udp
