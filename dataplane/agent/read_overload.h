// ReadOverload: the bootstrap file's `overload_manager`, in the shape of
// envoy.config.overload.v3.OverloadManager. What the plane has not is refused by name, through the
// reader's error.
#ifndef MELTEMI_DATAPLANE_AGENT_READ_OVERLOAD_H_
#define MELTEMI_DATAPLANE_AGENT_READ_OVERLOAD_H_

#include "dataplane/agent/yaml_reader.h"
#include "l7/policy/overload.h"

namespace meltemi::agent {

policy::OverloadSettings ReadOverload(Reader manager);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_READ_OVERLOAD_H_
