// Kind AuthorizationPolicy as it is written: who may do what with a workload. Pure values.
#ifndef MELTEMI_CONTROL_PILOT_MODEL_AUTHORIZATION_H_
#define MELTEMI_CONTROL_PILOT_MODEL_AUTHORIZATION_H_

#include <string>
#include <vector>

#include "control/pilot/model/meta.h"

namespace meltemi::control::pilot::model {

struct AuthorizationPolicy {
  enum class Action { kAllow, kDeny, kAudit };
  // One of `in`, and none of `out` (not...); both empty: anything. Checked to be of their kind:
  // patterns have at most one star, at an end.
  struct Values {
    std::vector<std::string> in, out;
    bool empty() const { return in.empty() && out.empty(); }
  };
  struct Source {
    Values principals, namespaces, service_accounts, ip_blocks, remote_ip_blocks;
  };
  struct Operation {
    Values hosts, ports, methods, paths;
  };
  // "source.ip" and so on; of "request.headers[x]" and the like `key` ends before the bracket.
  struct Condition {
    std::string key, argument;
    Values values;
  };
  // Of each list one must match, where it is not empty; all conditions.
  struct Rule {
    std::vector<Source> from;
    std::vector<Operation> to;
    std::vector<Condition> when;
  };
  Meta meta;
  Labels selector;  // empty: all of the namespace, or of the mesh in the root namespace
  Action action = Action::kAllow;
  bool dry_run = false;  // annotation istio.io/dry-run
  std::vector<Rule> rules;
};

}  // namespace meltemi::control::pilot::model

#endif  // MELTEMI_CONTROL_PILOT_MODEL_AUTHORIZATION_H_
