// The steps of BuildModel, each in a file of its own. Private to control/pilot/model.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_BUILDER_H_
#define MELTEMI_CONTROL_PILOT_MODEL_BUILDER_H_

#include <string>
#include <vector>

#include "control/pilot/model/model.h"

namespace meltemi::control::pilot::model {

// The endpoints of one port of a Service: explicit EndpointSlices, else Endpoints, else the Pods
// its selector finds; and the WorkloadEntries it finds in any case.
std::vector<Endpoint> ServiceEndpoints(const Service& service, const ServicePort& port,
                                       const Objects& objects);
// Of the Pods that its selector finds, those that are not ready; none where such are endpoints too.
std::vector<Endpoint> RestingEndpoints(const Service& service, const ServicePort& port,
                                       const Objects& objects);
// The endpoints of one port of a ServiceEntry.
std::vector<Endpoint> EntryEndpoints(const ServiceEntry& entry, const ServicePort& port,
                                     const Objects& objects);
// The workloads with these labels, of any namespace; without a port.
std::vector<Endpoint> Workloads(const Labels& selector, const Objects& objects);
bool LabelsMatch(const Labels& selector, const Labels& labels);
void SortEndpoints(std::vector<Endpoint>* endpoints);

// References between the rules and the services of a complete model.
void CheckReferences(const Model& model, Problems* problems);

class ModelBuilder {
 public:
  ModelBuilder(const Objects& objects, const std::string& domain, Problems* problems)
      : objects_(objects), problems_(problems) {
    model_.domain_ = domain;
  }
  std::optional<Model> Build();

 private:
  void CheckDuplicates();
  void AddServices();
  void AddServiceEntries();
  void AddService(MeshService service, const std::string& path);
  void IndexServices();
  void CheckAddresses();
  void AddVirtualServices();
  void CheckDelegate(const VirtualService& rule);
  std::vector<HttpRoute> WithDelegates(const VirtualService& rule);  // delegates.cc
  void AddDestinationRules();
  void AddPeerAuthentications();
  void AddGateways();
  void CheckGatewayPorts(const GatewayGroup& group);
  void AddAuthorizationPolicies();

  const Objects& objects_;
  Problems* problems_;
  Model model_;
};

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_BUILDER_H_
