// Which service accounts have workloads on which node: what a node plane may ask certificates for.
// Without it a stolen node credential would mint any identity. Any thread.
#ifndef MELTEMI_CA_AUTHN_NODE_BINDING_H_
#define MELTEMI_CA_AUTHN_NODE_BINDING_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace meltemi::ca {

class NodeBinding {
 public:
  virtual ~NodeBinding() = default;
  virtual bool Runs(const std::string& node, const std::string& ns,
                    const std::string& service_account) = 0;
  // The node of a pod; "" when it is not known. A uid that is given must be the pod's.
  virtual std::string NodeOfPod(const std::string& ns, const std::string& pod,
                                const std::string& uid) = 0;
};

// No source was configured: nothing runs anywhere.
class NoNodeBinding final : public NodeBinding {
 public:
  bool Runs(const std::string&, const std::string&, const std::string&) override { return false; }
  std::string NodeOfPod(const std::string&, const std::string&, const std::string&) override {
    return "";
  }
};

// What a set of Pod objects says.
struct PodTable {
  std::set<std::tuple<std::string, std::string, std::string>> running;  // node, namespace, account
  struct Pod {
    std::string node;
    std::string uid;
  };
  std::map<std::pair<std::string, std::string>, Pod> pods;  // by namespace and name
};
// Adds the Pods of one file, YAML or JSON; other kinds are passed over. Pods that have ended bind
// nothing.
absl::Status AddPods(std::string_view text, PodTable* table);

// The Pods of the folder that Pilot's registry reads. Read again when a file has changed: at
// Refresh, and before something is refused. While the folder or a file
// of it cannot be read, the last good table stays.
class PodFiles final : public NodeBinding {
 public:
  explicit PodFiles(std::string folder) : folder_(std::move(folder)) {}

  absl::Status Refresh();
  bool Runs(const std::string& node, const std::string& ns,
            const std::string& service_account) override;
  std::string NodeOfPod(const std::string& ns, const std::string& pod,
                        const std::string& uid) override;

 private:
  absl::Status RefreshLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string folder_;
  absl::Mutex mutex_;
  std::string seen_ ABSL_GUARDED_BY(mutex_);  // names, sizes and times of the files in the table
  PodTable table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_AUTHN_NODE_BINDING_H_
