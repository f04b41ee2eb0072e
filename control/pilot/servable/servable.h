// What Pilot serves of a model: its translation without what meltemi-node would refuse, and why it
// is without it, in the words of the objects that operators wrote. The node's own compiler
// (l7/config) is the judge, so a node never refuses what Pilot sends it, and one object that is too
// new for the data plane does not keep the rest from being in force.
//
// What is held back fails loudly, never silently: requests to a cluster that is not served end with
// 503 NC, a route that cannot be carried out answers 503 itself, a workload's own listener stays
// and ends what comes, since without it everybody would be let in. Pure; called whenever the model
// changes. Bounds: those of the compiler.
#ifndef MELTEMI_CONTROL_PILOT_SERVABLE_SERVABLE_H_
#define MELTEMI_CONTROL_PILOT_SERVABLE_SERVABLE_H_

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/model.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::servable {

struct Servable {
  translate::Resources resources;
  // "not supported by meltemi-node yet: ...", one per place in an object.
  model::Problems unsupported;
};

Servable MakeServable(const model::Model& model, const model::MeshConfig& mesh);

// The second half: takes out of `resources`, a translation of `model`, what the node would refuse.
model::Problems HoldBack(const model::Model& model, translate::Resources* resources);

}  // namespace meltemi::control::pilot::servable

#endif  // MELTEMI_CONTROL_PILOT_SERVABLE_SERVABLE_H_
