#include "control/pilot/translate/translate.h"

#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::translate {

std::string ClusterName(uint32_t port, const std::string& subset, const std::string& host) {
  return absl::StrCat("outbound|", port, "|", subset, "|", host);
}

std::string UdpClusterName(uint32_t port, const std::string& host) {
  return absl::StrCat("outbound_udp|", port, "||", host);
}

std::string DestinationCluster(const model::Model& model, const model::Meta& rule,
                               const model::Destination& destination, uint32_t listener_port) {
  const std::string host = model.Resolve(destination.host, rule.ns);
  const model::MeshService* service = model.FindService(host);
  if (service == nullptr) return kBlackHoleCluster;
  const auto port = model::Model::DestinationPort(*service, destination, listener_port);
  if (!port) return kBlackHoleCluster;
  return ClusterName(*port, destination.subset, host);
}

Resources Translate(const model::Model& model, const model::MeshConfig& mesh) {
  Resources out;
  AddClusters(model, mesh, &out);
  AddListeners(model, mesh, &out);
  AddInbound(model, mesh, &out);
  AddRouteConfigurations(model, mesh, &out);
  AddGateways(model, mesh, &out);
  return out;
}

}  // namespace meltemi::control::pilot::translate
