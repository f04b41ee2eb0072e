#include "control/pilot/servable/publisher.h"

#include <utility>

#include "control/common/log.h"
#include "control/pilot/servable/servable.h"

namespace meltemi::control::pilot::servable {

Publisher::Publisher(const model::MeshConfig& mesh, common::Metrics* metrics,
                     ads_server::AdsServer* ads)
    : mesh_(mesh), metrics_(metrics), ads_(ads) {
  using Kind = common::Metrics::Kind;
  metrics_->Declare("pilot_services", Kind::kGauge, "Services known to Pilot.");
  metrics_->Declare("pilot_virt_services", Kind::kGauge, "VirtualServices in force.");
  metrics_->Declare("pilot_config_problems", Kind::kGauge,
                    "Problems that keep the registry's present content from being in force.");
  metrics_->Declare("pilot_config_unsupported", Kind::kGauge,
                    "Places in objects in force that the data plane cannot carry out yet.");
  metrics_->Declare("pilot_config_updates", Kind::kCounter, "Changes of the registry, by outcome.");
}

void Publisher::OnChange(const registry::FileRegistry::State& state) {
  metrics_->Set("pilot_config_problems", static_cast<double>(state.problems.size()));
  if (!state.problems.empty() || state.model == nullptr) {
    metrics_->Add("pilot_config_updates", 1, "outcome=\"refused\"");
    return;
  }
  metrics_->Add("pilot_config_updates", 1, "outcome=\"accepted\"");
  metrics_->Set("pilot_services", static_cast<double>(state.model->services().size()));
  metrics_->Set("pilot_virt_services", static_cast<double>(state.model->virtual_services().size()));
  Servable servable = MakeServable(*state.model, mesh_);
  metrics_->Set("pilot_config_unsupported", static_cast<double>(servable.unsupported.size()));
  for (const model::Problem& problem : servable.unsupported) {
    common::Log(common::Level::kWarning, "configuration not served", {{"why", ToString(problem)}});
  }
  {
    const absl::MutexLock lock(&mutex_);
    unsupported_ = std::move(servable.unsupported);
  }
  ads_->Publish(ads_session::MakeSnapshot(servable.resources));
}

model::Problems Publisher::unsupported() const {
  const absl::MutexLock lock(&mutex_);
  return unsupported_;
}

model::Problems Publisher::Unsupported(const model::Model& model) const {
  return MakeServable(model, mesh_).unsupported;
}

}  // namespace meltemi::control::pilot::servable
