// From the name of an Envoy resource and the path of a field in it, back to the object and the
// field an operator wrote. Pure; private to control/pilot/servable.
#ifndef MELTEMI_CONTROL_PILOT_SERVABLE_ATTRIBUTE_H_
#define MELTEMI_CONTROL_PILOT_SERVABLE_ATTRIBUTE_H_

#include <string>

#include "control/pilot/model/model.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::servable {

// `why` is the compiler's: "field.path: what is wrong with it".
model::Problem ClusterProblem(const model::Model& model, const std::string& cluster,
                              const std::string& why);
model::Problem EndpointProblem(const model::Model& model, const std::string& cluster,
                               const std::string& why);
model::Problem ListenerProblem(const model::Model& model,
                               const envoy::config::listener::v3::Listener& listener,
                               const std::string& why);
// Of a virtual host as a whole ("host:port").
model::Problem HostProblem(const model::Model& model, const std::string& virtual_host,
                           const std::string& why);
// Of its route `index`, which is `route`; `why` is relative to the route.
model::Problem RouteProblem(const model::Model& model, const std::string& virtual_host, int index,
                            const envoy::config::route::v3::Route& route, const std::string& why);

}  // namespace meltemi::control::pilot::servable

#endif  // MELTEMI_CONTROL_PILOT_SERVABLE_ATTRIBUTE_H_
