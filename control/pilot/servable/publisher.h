// From the registry to the nodes: whenever the registry's model changes, what can be served of it
// is published over ADS, and what cannot is kept for whoever asks. Any thread may call it; OnChange
// is called by the registry, one at a time.
#ifndef MELTEMI_CONTROL_PILOT_SERVABLE_PUBLISHER_H_
#define MELTEMI_CONTROL_PILOT_SERVABLE_PUBLISHER_H_

#include "absl/synchronization/mutex.h"
#include "control/common/metrics.h"
#include "control/pilot/ads_server/ads_server.h"
#include "control/pilot/model/mesh_config.h"
#include "control/pilot/registry/file/file_registry.h"

namespace meltemi::control::pilot::servable {

class Publisher {
 public:
  // `metrics` and `ads` outlive it.
  Publisher(const model::MeshConfig& mesh, common::Metrics* metrics, ads_server::AdsServer* ads);

  void OnChange(const registry::FileRegistry::State& state);
  // Of the model in force: what is written but not served.
  model::Problems unsupported() const;
  // The same of a model that is not in force.
  model::Problems Unsupported(const model::Model& model) const;

 private:
  const model::MeshConfig mesh_;
  common::Metrics* const metrics_;
  ads_server::AdsServer* const ads_;
  mutable absl::Mutex mutex_;
  model::Problems unsupported_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::control::pilot::servable

#endif  // MELTEMI_CONTROL_PILOT_SERVABLE_PUBLISHER_H_
