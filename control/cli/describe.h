// Envoy resources and Pilot's status as tables: what `meltemi proxy-config` and `meltemi status`
// print. Pure.
#ifndef MELTEMI_CONTROL_CLI_DESCRIBE_H_
#define MELTEMI_CONTROL_CLI_DESCRIBE_H_

#include <string>

#include "control/v1/control.pb.h"

namespace meltemi::control::cli {

std::string DescribeStatus(const v1::StatusResponse& status);
std::string DescribeClusters(const v1::ProxyConfigResponse& config);
std::string DescribeEndpoints(const v1::ProxyConfigResponse& config);
std::string DescribeListeners(const v1::ProxyConfigResponse& config);
std::string DescribeRoutes(const v1::ProxyConfigResponse& config);
// A JSON list of the resources.
std::string ToJson(const v1::ProxyConfigResponse& config);
// "file: object: path: message"
std::string ToString(const v1::Problem& problem);

}  // namespace meltemi::control::cli

#endif  // MELTEMI_CONTROL_CLI_DESCRIBE_H_
