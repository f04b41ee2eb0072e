#include "control/cli/describe.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "control/cli/table.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "google/protobuf/util/json_util.h"

namespace meltemi::control::cli {
namespace {

using envoy::config::core::v3::Address;
using envoy::config::route::v3::Route;
using envoy::config::route::v3::RouteMatch;
using Rows = std::vector<std::vector<std::string>>;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string AddressText(const Address& address) {
  const auto& socket = address.socket_address();
  const bool v6 = socket.address().find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", socket.address(), v6 ? "]" : "", ":", socket.port_value());
}

std::string Seconds(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(absl::Seconds(duration.seconds()) +
                              absl::Nanoseconds(duration.nanos()));
}

std::string StringText(const envoy::type::matcher::v3::StringMatcher& match) {
  if (match.has_exact()) return absl::StrCat("=", match.exact());
  if (match.has_prefix()) return absl::StrCat("=", match.prefix(), "*");
  return absl::StrCat("~", match.safe_regex().regex());
}

std::string MatchText(const RouteMatch& match) {
  std::vector<std::string> parts;
  if (match.has_path()) {
    parts.push_back(match.path());
  } else if (match.has_safe_regex()) {
    parts.push_back(absl::StrCat("~", match.safe_regex().regex()));
  } else {
    parts.push_back(absl::StrCat(match.prefix(), "*"));
  }
  for (const auto& header : match.headers()) {
    parts.push_back(
        absl::StrCat(header.invert_match() ? "!" : "", header.name(),
                     header.has_string_match() ? StringText(header.string_match()) : ""));
  }
  for (const auto& parameter : match.query_parameters()) {
    parts.push_back(
        absl::StrCat("?", parameter.name(),
                     parameter.has_string_match() ? StringText(parameter.string_match()) : ""));
  }
  return absl::StrJoin(parts, " ");
}

std::string ActionText(const Route& route) {
  if (route.has_redirect()) {
    return absl::StrCat("redirect ", route.redirect().host_redirect(),
                        route.redirect().path_redirect());
  }
  if (route.has_direct_response()) {
    return absl::StrCat("answer ", route.direct_response().status());
  }
  if (!route.route().has_weighted_clusters()) return route.route().cluster();
  std::vector<std::string> parts;
  for (const auto& cluster : route.route().weighted_clusters().clusters()) {
    parts.push_back(absl::StrCat(cluster.name(), " ", cluster.weight().value()));
  }
  return absl::StrJoin(parts, ", ");
}

std::string PolicyText(const Route& route) {
  std::vector<std::string> parts;
  const auto& action = route.route();
  if (action.timeout().seconds() != 0 || action.timeout().nanos() != 0) {
    parts.push_back(absl::StrCat("timeout ", Seconds(action.timeout())));
  }
  if (action.has_retry_policy()) {
    parts.push_back(absl::StrCat("retries ", action.retry_policy().num_retries().value()));
  }
  for (const auto& mirror : action.request_mirror_policies()) {
    parts.push_back(absl::StrCat("mirror ", mirror.cluster()));
  }
  if (route.typed_per_filter_config().contains("envoy.filters.http.cors")) parts.push_back("CORS");
  const auto it = route.typed_per_filter_config().find("envoy.filters.http.fault");
  envoy::extensions::filters::http::fault::v3::HTTPFault fault;
  if (it != route.typed_per_filter_config().end() && it->second.UnpackTo(&fault)) {
    if (fault.has_delay()) {
      parts.push_back(absl::StrCat("delay ", Seconds(fault.delay().fixed_delay()), " ",
                                   fault.delay().percentage().numerator() / 1e4, "%"));
    }
    if (fault.has_abort()) {
      parts.push_back(absl::StrCat("abort ", fault.abort().http_status(), " ",
                                   fault.abort().percentage().numerator() / 1e4, "%"));
    }
  }
  return OrDash(absl::StrJoin(parts, ", "));
}

// A resource that is not what the type says, or from a Pilot of another version, is left out.
template <typename Message, typename Row>
Rows Table(const v1::ProxyConfigResponse& config, std::vector<std::string> heading, Row row) {
  Rows rows = {std::move(heading)};
  for (const auto& resource : config.resources()) {
    Message message;
    if (resource.resource().UnpackTo(&message)) row(message, &rows);
  }
  return rows;
}

std::string TypeCell(const v1::StatusResponse::Node& node, const std::string& suffix) {
  for (const auto& type : node.types()) {
    const std::string& url = type.type_url();
    if (url.size() < suffix.size() ||
        url.compare(url.size() - suffix.size(), suffix.size(), suffix) != 0) {
      continue;
    }
    if (!type.error().empty()) return "REFUSED";
    if (type.in_sync()) return absl::StrCat("SYNCED (", type.resources(), ")");
    return type.version_sent().empty() ? "NOT SENT" : "STALE";
  }
  return "-";
}

}  // namespace

std::string ToString(const v1::Problem& problem) {
  std::string out;
  for (const std::string* part : {&problem.file(), &problem.object(), &problem.path()}) {
    if (!part->empty()) absl::StrAppend(&out, *part, ": ");
  }
  return out + problem.message();
}

std::string DescribeStatus(const v1::StatusResponse& status) {
  const auto time = [](const google::protobuf::Timestamp& t) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixSeconds(t.seconds()),
                            absl::UTCTimeZone());
  };
  std::string out = absl::StrCat(
      "Configuration: ",
      status.version().empty() ? "none yet"
                               : absl::StrCat(status.version(), " since ", time(status.changed()),
                                              ", ", status.services(), " services"),
      ", ", status.objects(), " objects in the registry\n");
  if (status.problems_size() > 0) {
    out += "The registry's present content is NOT in force:\n";
    for (const auto& problem : status.problems()) {
      absl::StrAppend(&out, "  ", ToString(problem), "\n");
    }
  }
  if (status.unsupported_size() > 0) {
    out += "In force, but not carried out by the nodes:\n";
    for (const auto& problem : status.unsupported()) {
      absl::StrAppend(&out, "  ", ToString(problem), "\n");
    }
  }
  if (status.nodes_size() == 0) return out + "\nNo node is connected.\n";
  Rows rows = {{"NODE", "ADDRESS", "CONNECTED", "CDS", "EDS", "LDS", "RDS", "SDS"}};
  for (const auto& node : status.nodes()) {
    rows.push_back({node.id(), node.address(), time(node.connected()), TypeCell(node, ".Cluster"),
                    TypeCell(node, ".ClusterLoadAssignment"), TypeCell(node, ".Listener"),
                    TypeCell(node, ".RouteConfiguration"), TypeCell(node, ".Secret")});
  }
  absl::StrAppend(&out, "\n", FormatTable(rows));
  for (const auto& node : status.nodes()) {
    for (const auto& type : node.types()) {
      if (type.error().empty()) continue;
      absl::StrAppend(&out, "\n", node.id(), " refused ",
                      type.type_url().substr(type.type_url().rfind('.') + 1), " ",
                      type.version_nacked(), ": ", type.error(), "\n");
    }
  }
  return out;
}

std::string DescribeClusters(const v1::ProxyConfigResponse& config) {
  using envoy::config::cluster::v3::Cluster;
  return FormatTable(Table<Cluster>(config, {"CLUSTER", "TYPE", "BALANCER", "CONNECT TIMEOUT"},
                                    [](const Cluster& cluster, Rows* rows) {
                                      rows->push_back({cluster.name(),
                                                       Cluster::DiscoveryType_Name(cluster.type()),
                                                       Cluster::LbPolicy_Name(cluster.lb_policy()),
                                                       Seconds(cluster.connect_timeout())});
                                    }));
}

std::string DescribeEndpoints(const v1::ProxyConfigResponse& config) {
  using envoy::config::endpoint::v3::ClusterLoadAssignment;
  return FormatTable(Table<ClusterLoadAssignment>(
      config, {"ENDPOINT", "HEALTH", "WEIGHT", "CLUSTER"},
      [](const ClusterLoadAssignment& assignment, Rows* rows) {
        for (const auto& locality : assignment.endpoints()) {
          for (const auto& endpoint : locality.lb_endpoints()) {
            rows->push_back({AddressText(endpoint.endpoint().address()),
                             envoy::config::core::v3::HealthStatus_Name(endpoint.health_status()),
                             absl::StrCat(endpoint.load_balancing_weight().value()),
                             assignment.cluster_name()});
          }
        }
      }));
}

std::string DescribeListeners(const v1::ProxyConfigResponse& config) {
  using envoy::config::listener::v3::Listener;
  return FormatTable(Table<Listener>(
      config, {"LISTENER", "ADDRESS", "DIRECTION", "FILTER"},
      [](const Listener& listener, Rows* rows) {
        std::string filter;
        for (const auto& chain : listener.filter_chains()) {
          for (const auto& f : chain.filters()) {
            filter = f.name().substr(f.name().rfind('.') + 1);
          }
        }
        rows->push_back(
            {listener.name(), AddressText(listener.address()),
             envoy::config::core::v3::TrafficDirection_Name(listener.traffic_direction()),
             OrDash(filter)});
      }));
}

std::string DescribeRoutes(const v1::ProxyConfigResponse& config) {
  using envoy::config::route::v3::RouteConfiguration;
  return FormatTable(Table<RouteConfiguration>(
      config, {"CONFIG", "HOST", "ROUTE", "MATCH", "TO", "POLICY"},
      [](const RouteConfiguration& routes, Rows* rows) {
        for (const auto& host : routes.virtual_hosts()) {
          for (const auto& route : host.routes()) {
            rows->push_back({routes.name(), host.name(), OrDash(route.name()),
                             MatchText(route.match()), ActionText(route), PolicyText(route)});
          }
        }
      }));
}

std::string ToJson(const v1::ProxyConfigResponse& config) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string out = "[";
  bool first = true;
  for (const auto& resource : config.resources()) {
    std::string json;
    const auto status =
        google::protobuf::util::MessageToJsonString(resource.resource(), &json, options);
    if (!status.ok()) json = absl::StrCat("{\"name\": \"", resource.name(), "\"}");
    absl::StrAppend(&out, first ? "\n" : ",\n", absl::StripTrailingAsciiWhitespace(json));
    first = false;
  }
  return out + "\n]\n";
}

}  // namespace meltemi::control::cli
