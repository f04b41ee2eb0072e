// What follows from outlier detection: hosts that are ejected, for the whole node by whoever has
// found them, and those that are back, which one worker says once an interval.
//
// A host's flags and counts are on the board. kBeingEjected is a worker's claim: between it and
// kFailedOutlierCheck, or letting go of it, nobody else writes when and how long, so that of two
// workers one ejects. NodeCluster::ejected is never above the share.
#include <algorithm>

#include "l7/cluster/cluster.h"

namespace meltemi::cluster {

namespace {

uint32_t TakeAll(SharedCell* cell) { return cell->Load() == 0 ? 0 : cell->Exchange(0); }

}  // namespace

bool Cluster::DetectsOutliers() const {
  // Where clients choose the host themselves there is nothing to keep it out of.
  return settings_.outlier.has_value() && settings_.discovery != config::Discovery::kOriginalDst;
}

void Cluster::Report(Host* host, Outcome outcome, Prng& prng, Instant now) {
  if (!settings_.outlier.has_value() || host->node == nullptr || host->removed) return;
  const Detected detected = CountOutcome(*settings_.outlier, outcome, &host->node->outlier);
  // In Envoy's order: the narrower streak first.
  for (const Cause cause : {Cause::kGateway, Cause::k5xx, Cause::kLocal}) {
    if (detected.streak[static_cast<size_t>(cause)] && !IsEjected(*host)) {
      OnOutlier(host, cause, prng, now);
    }
  }
}

bool Cluster::IsEjected(const Host& host) {
  return host.node != nullptr && (host.node->flags.Load() & kFailedOutlierCheck) != 0;
}

void Cluster::OnOutlier(Host* host, Cause cause, Prng& prng, Instant now) {
  const config::OutlierDetection& config = *settings_.outlier;
  const auto i = static_cast<size_t>(cause);
  ++outlier_stats.detected[i];
  if (IsEjected(*host)) return;  // by the other rate
  const bool in_total = cause == Cause::k5xx || cause == Cause::kSuccessRate;
  const uint32_t most = EjectedMax(config, member_count_);
  const uint32_t percent = EnforcingPercent(config, cause);
  if (percent < 100 && !prng.Chance(percent, 100)) {
    const bool room = node_->ejected.Load() < most;
    outlier_stats.overflow += !room;
    outlier_stats.total += room && in_total;
    return;
  }
  NodeHost& node = *host->node;
  if (!node.flags.Set(kBeingEjected)) return;  // another worker has found it too
  if (IsEjected(*host)) {
    node.flags.Clear(kBeingEjected);
    return;
  }
  if (!node_->ejected.AddBelow(most)) {
    node.flags.Clear(kBeingEjected);
    ++outlier_stats.overflow;
    return;
  }
  outlier_stats.total += in_total;
  ++outlier_stats.enforced[i];
  ++outlier_stats.enforced_total;
  Eject(host, prng, now);
}

// The host is claimed, and its place among the ejected taken.
void Cluster::Eject(Host* host, Prng& prng, Instant now) {
  const config::OutlierDetection& config = *settings_.outlier;
  HostOutlier& outlier = host->node->outlier;
  outlier.ejected_at.Store(now.nanos());
  const int64_t jitter_max = config.max_ejection_time_jitter.nanos();
  outlier.jitter.Store(
      jitter_max == 0 ? 0
                      : static_cast<int64_t>(prng.Below(static_cast<uint64_t>(jitter_max) + 1)));
  if (GrowsLonger(config, outlier.ejections.Load())) outlier.ejections.Add(1);
  host->node->flags.Set(kFailedOutlierCheck);
  host->node->flags.Clear(kBeingEjected);
  host->flags = host->node->flags.Load();
  MakePools();
  board_->Announce(node_.get());
}

// A new configuration has none: whoever is out is back.
void Cluster::EndDetection() {
  next_look_ = Instant::Never();
  bool back = false;
  for (const std::unique_ptr<Host>& host : hosts_) {
    back |= Uneject(host.get());
    host->back_at.reset();
  }
  if (back) board_->Announce(node_.get());
}

// True: it was ejected. Nobody is told yet. Whoever has left the cluster's board has done so
// before, and what has come since is for those who are still there.
bool Cluster::Uneject(Host* host) {
  if (host->node == nullptr || node_ == nullptr) return false;
  if (!host->node->flags.Clear(kFailedOutlierCheck)) return false;
  node_->ejected.Subtract(1);
  // Else a streak that was nearly long enough would have it out again at once (Envoy).
  for (SharedCell& errors : host->node->outlier.errors) errors.Store(0);
  host->flags = host->node->flags.Load();
  return true;
}

bool Cluster::PassedCheck(Host* host, Instant now) {
  if (!DetectsOutliers() || !settings_.outlier->check_unejects || host->removed) return false;
  if ((host->node->flags.Load() & kFailedActiveCheck) != 0 || !Uneject(host)) return false;
  host->back_at = now;
  MakePools();
  board_->Announce(node_.get());
  return true;
}

// Envoy's order: who is back, what this interval's answers say, then what is forgotten.
void Cluster::LookAgain(Prng& prng, Instant now) {
  if (now < next_look_) return;
  const config::OutlierDetection& config = *settings_.outlier;
  next_look_ = now + config.interval;
  bool back = false;
  for (const std::unique_ptr<Host>& host : std::span(hosts_.data(), member_count_)) {
    if (!IsEjected(*host)) continue;
    const HostOutlier& outlier = host->node->outlier;
    const Duration out =
        EjectionTime(config, outlier.ejections.Load()) + Duration::Nanos(outlier.jitter.Load());
    if (now - Instant::FromNanos(outlier.ejected_at.Load()) < out || !Uneject(host.get())) continue;
    host->back_at = now;
    back = true;
  }
  if (back) {
    MakePools();
    board_->Announce(node_.get());
  }
  EjectByRates(Origin::kExternal, prng, now);
  EjectByRates(Origin::kLocal, prng, now);
  for (const std::unique_ptr<Host>& host : std::span(hosts_.data(), member_count_)) {
    if (IsEjected(*host) || !host->back_at.has_value() || now - *host->back_at < config.interval) {
      continue;
    }
    SharedCell& ejections = host->node->outlier.ejections;
    if (ejections.Load() > 0) ejections.Subtract(1);
  }
}

// What all workers have counted since the last time.
void Cluster::EjectByRates(Origin origin, Prng& prng, Instant now) {
  rates_.clear();
  for (const std::unique_ptr<Host>& host : std::span(hosts_.data(), member_count_)) {
    HostOutlier::Answers& answers = host->node->outlier.answers.of[static_cast<size_t>(origin)];
    rates_.push_back({.succeeded = TakeAll(&answers.succeeded),
                      .failed = TakeAll(&answers.failed),
                      .ejected = IsEjected(*host)});
  }
  FindRateOutliers(*settings_.outlier, rates_, &rate_outliers_);
  const bool local = origin == Origin::kLocal;
  for (const uint32_t i : rate_outliers_.by_success_rate) {
    OnOutlier(hosts_[i].get(), local ? Cause::kLocalSuccessRate : Cause::kSuccessRate, prng, now);
  }
  for (const uint32_t i : rate_outliers_.by_failures) {
    OnOutlier(hosts_[i].get(), local ? Cause::kLocalFailurePercentage : Cause::kFailurePercentage,
              prng, now);
  }
}

}  // namespace meltemi::cluster
