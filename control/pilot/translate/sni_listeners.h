// Outbound listeners that route by SNI. Private to control/pilot/translate; pure.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_SNI_LISTENERS_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_SNI_LISTENERS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/model.h"
#include "control/pilot/translate/connection_routes.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {

// Gathers them: services without addresses share those of any address.
class SniListeners {
 public:
  SniListeners(const model::Model& model, const model::MeshConfig& mesh)
      : model_(model), mesh_(mesh) {}

  // Is the port one of these?
  bool Takes(const model::MeshService& service, const model::MeshPort& port) const;
  // `names`: of all listeners, so that none is there twice.
  void Add(const model::MeshService& service, const model::MeshPort& port,
           std::set<std::string>* names);
  void Finish(Resources* out);

 private:
  struct Entry {
    std::string address;
    uint32_t port = 0;
    bool any_address = false;
    std::vector<std::pair<const model::MeshService*, const model::MeshPort*>> services;
  };
  ConnectionRoutes RoutesOf(const Entry& entry, const Clients& clients) const;

  const model::Model& model_;
  const model::MeshConfig& mesh_;
  std::map<std::string, Entry> entries_;  // by the listener's name
};

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_SNI_LISTENERS_H_
