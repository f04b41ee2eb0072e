#include "control/pilot/servable/servable.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/servable/attribute.h"
#include "control/pilot/translate/proto_util.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "l7/config/compile.h"

namespace meltemi::control::pilot::servable {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::listener::v3::Listener;
using envoy::config::route::v3::Route;
using envoy::config::route::v3::RouteConfiguration;
using envoy::config::route::v3::VirtualHost;
using Why = std::map<const google::protobuf::Message*, std::string>;

template <typename Message>
std::vector<const Message*> Pointers(const std::vector<Message>& from) {
  std::vector<const Message*> to;
  for (const Message& message : from) to.push_back(&message);
  return to;
}

// Each message that the node would refuse, with the compiler's reason.
Why Refused(const config::Compiler& compiler, const translate::Resources& resources) {
  const config::Resources given{.listeners = Pointers(resources.listeners),
                                .routes = Pointers(resources.routes),
                                .clusters = Pointers(resources.clusters),
                                .assignments = Pointers(resources.endpoints)};
  Why refused;
  for (config::Refusal& refusal : compiler.CheckEach(given)) {
    refused.emplace(refusal.resource, std::move(refusal.why));
  }
  return refused;
}

// Why the node would refuse one resource by itself; empty: it would not.
template <typename Message>
std::string RefusedAlone(const config::Compiler& compiler,
                         std::vector<const Message*> config::Resources::*list,
                         const Message& message) {
  config::Resources given;
  given.*list = {&message};
  const std::vector<config::Refusal> refusals = compiler.CheckEach(given);
  return refusals.empty() ? "" : refusals.front().why;
}

class Holder {
 public:
  Holder(const model::Model& model, translate::Resources* resources)
      : model_(model), resources_(*resources) {}

  model::Problems Run() {
    const Why refused = Refused(compiler_, resources_);
    if (refused.empty()) return {};
    HoldClusters(refused);
    HoldEndpoints(refused);
    HoldListeners(refused);
    for (RouteConfiguration& table : resources_.routes) {
      if (refused.contains(&table)) FixTable(&table);
    }
    return std::move(problems_);
  }

 private:
  void Add(model::Problem problem) {
    const bool known = std::find(problems_.begin(), problems_.end(), problem) != problems_.end();
    if (!known) problems_.push_back(std::move(problem));
  }

  // True: the cluster can be served without a setting that changes no request.
  bool Strip(Cluster* cluster, const std::string& why) {
    if (!absl::StartsWith(why, "upstream_connection_options")) return false;
    Add(ClusterProblem(model_, cluster->name(), why));
    cluster->clear_upstream_connection_options();
    return true;
  }

  void HoldClusters(const Why& refused) {
    std::set<std::string> held;
    for (Cluster& cluster : resources_.clusters) {
      const auto found = refused.find(&cluster);
      if (found == refused.end()) continue;
      std::string why = found->second;
      if (Strip(&cluster, why)) {
        why = RefusedAlone(compiler_, &config::Resources::clusters, cluster);
        if (why.empty()) continue;
      }
      Add(ClusterProblem(model_, cluster.name(), why));
      held.insert(cluster.name());
    }
    std::erase_if(resources_.clusters, [&](const Cluster& c) { return held.contains(c.name()); });
    for (auto& assignment : resources_.endpoints) {
      // Kept until all are named: `refused` refers to them by address.
      if (held.contains(assignment.cluster_name())) orphans_.insert(assignment.cluster_name());
    }
  }

  // An EDS cluster without an assignment would keep the node waiting: it gets an empty one.
  void HoldEndpoints(const Why& refused) {
    for (auto& assignment : resources_.endpoints) {
      const auto found = refused.find(&assignment);
      if (found == refused.end()) continue;
      Add(EndpointProblem(model_, assignment.cluster_name(), found->second));
      assignment.clear_endpoints();
    }
    std::erase_if(resources_.endpoints,
                  [&](const auto& a) { return orphans_.contains(a.cluster_name()); });
  }

  // A workload's own listener guards its port: without it whoever comes would be let through. So it
  // takes the connections, and ends them.
  static void Shut(Listener* listener) {
    envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
    proxy.set_stat_prefix(translate::kBlackHoleCluster);
    proxy.set_cluster(translate::kBlackHoleCluster);
    listener->clear_filter_chains();
    listener->clear_default_filter_chain();
    auto* filter = listener->add_filter_chains()->add_filters();
    filter->set_name("envoy.filters.network.tcp_proxy");
    *filter->mutable_typed_config() = translate::Pack(proxy);
  }

  void HoldListeners(const Why& refused) {
    std::set<std::string> held;
    for (Listener& listener : resources_.listeners) {
      const auto found = refused.find(&listener);
      if (found == refused.end()) continue;
      Add(ListenerProblem(model_, listener, found->second));
      if (listener.traffic_direction() == envoy::config::core::v3::INBOUND) {
        Shut(&listener);
        if (RefusedAlone(compiler_, &config::Resources::listeners, listener).empty()) continue;
      }
      held.insert(listener.name());
    }
    std::erase_if(resources_.listeners, [&](const auto& l) { return held.contains(l.name()); });
  }

  std::string TableRefused(const RouteConfiguration& table) const {
    return RefusedAlone(compiler_, &config::Resources::routes, table);
  }

  // A table with nothing else in it.
  static RouteConfiguration TableOf(const VirtualHost& host) {
    RouteConfiguration table;
    table.set_name(std::string("one"));
    *table.add_virtual_hosts() = host;
    return table;
  }
  static RouteConfiguration TableOf(const Route& route) {
    VirtualHost host;
    host.set_name(std::string("one"));
    host.add_domains(std::string("*"));
    *host.add_routes() = route;
    return TableOf(host);
  }

  // The virtual hosts that are wrong, one after the other; the others stay as they are.
  void FixTable(RouteConfiguration* table) {
    for (VirtualHost& host : *table->mutable_virtual_hosts()) {
      if (TableRefused(TableOf(host)).empty()) continue;
      for (int i = 0; i < host.routes_size(); ++i) FixRoute(host.name(), i, host.mutable_routes(i));
      const std::string why = TableRefused(TableOf(host));
      if (why.empty()) continue;
      Add(HostProblem(model_, host.name(), why));
      host.clear_domains();
    }
    auto* hosts = table->mutable_virtual_hosts();
    hosts->erase(std::remove_if(hosts->begin(), hosts->end(),
                                [](const VirtualHost& host) { return host.domains_size() == 0; }),
                 hosts->end());
    const std::string why = TableRefused(*table);
    if (why.empty()) return;
    Add({"", absl::StrCat("RouteConfiguration \"", table->name(), "\""), "",
         absl::StrCat("not supported by meltemi-node yet: ", why)});
    table->clear_virtual_hosts();
  }

  // The route answers for itself, in its place: later routes must not get its requests. If its
  // match is what is wrong, nobody can tell them apart, and it answers for all that come to it.
  void FixRoute(const std::string& host, int index, Route* route) {
    constexpr std::string_view kStep = "virtual_hosts[0].routes[0].";
    std::string why = TableRefused(TableOf(*route));
    if (why.empty()) return;
    if (why.starts_with(kStep)) why.erase(0, kStep.size());
    const model::Problem problem = RouteProblem(model_, host, index, *route, why);
    Route answer;
    answer.set_name(route->name());
    *answer.mutable_match() = route->match();
    answer.mutable_direct_response()->set_status(503);
    answer.mutable_direct_response()->mutable_body()->set_inline_string(
        absl::StrCat(problem.object, " ", problem.path, " is not supported yet\n"));
    if (!TableRefused(TableOf(answer)).empty()) {
      answer.mutable_match()->Clear();
      answer.mutable_match()->set_prefix("/");
    }
    *route = std::move(answer);
    Add(problem);
  }

  const model::Model& model_;
  translate::Resources& resources_;
  const config::Compiler compiler_{config::CompilerOptions{}};
  std::set<std::string> orphans_;  // assignments of clusters that are held back
  model::Problems problems_;
};

}  // namespace

model::Problems HoldBack(const model::Model& model, translate::Resources* resources) {
  return Holder(model, resources).Run();
}

Servable MakeServable(const model::Model& model, const model::MeshConfig& mesh) {
  Servable out{.resources = translate::Translate(model, mesh)};
  out.unsupported = HoldBack(model, &out.resources);
  for (const model::Problem& problem : out.resources.problems) out.unsupported.push_back(problem);
  return out;
}

}  // namespace meltemi::control::pilot::servable
