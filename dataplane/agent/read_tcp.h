// The fields of a bootstrap file's `meltemi` section that concern TCP. Part of ParseBootstrap.
#ifndef MELTEMI_DATAPLANE_AGENT_READ_TCP_H_
#define MELTEMI_DATAPLANE_AGENT_READ_TCP_H_

#include "dataplane/agent/bootstrap.h"
#include "dataplane/agent/yaml_reader.h"

namespace meltemi::agent {

// `congestion_control` and `tcp_keepalive`.
void ReadTcp(Reader* in, Bootstrap* out);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_READ_TCP_H_
