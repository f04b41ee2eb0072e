#include <sys/stat.h>

#include <vector>

#include "ca/authn/node_binding.h"
#include "ca/keystore/files.h"
#include "ca/limits.h"
#include "l7/base/text.h"
#include "yaml-cpp/yaml.h"

namespace meltemi::ca {
namespace {

bool IsObjectFile(std::string_view name) {
  return !name.starts_with('.') &&
         (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

std::string Text(const YAML::Node& map, const char* name, const std::string& otherwise) {
  if (!map.IsMap()) return otherwise;
  const YAML::Node value = map[name];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : otherwise;
}

YAML::Node In(const YAML::Node& map, const char* name) {
  const YAML::Node value = map[name];
  return value.IsDefined() ? value : YAML::Node(YAML::NodeType::Map);
}

void AddObject(const YAML::Node& object, PodTable* table) {
  if (!object.IsMap()) return;
  const std::string kind = Text(object, "kind", "");
  if (kind.ends_with("List") && In(object, "items").IsSequence()) {
    for (const YAML::Node& item : In(object, "items")) AddObject(item, table);
  }
  if (kind != "Pod") return;
  const YAML::Node meta = In(object, "metadata"), spec = In(object, "spec");
  const std::string phase = Text(In(object, "status"), "phase", "Running");
  const std::string node = Text(spec, "nodeName", "");
  const std::string ns = Text(meta, "namespace", "default");
  if (node.empty() || phase == "Succeeded" || phase == "Failed") return;
  table->running.emplace(node, ns, Text(spec, "serviceAccountName", "default"));
  table->pods[{ns, Text(meta, "name", "")}] = {node, Text(meta, "uid", "")};
}

// The files that count, and the text that changes when one of them does.
absl::StatusOr<std::vector<std::string>> ListFiles(Files* files, const std::string& folder,
                                                   std::string* seen) {
  const auto names = files->List(folder);
  if (!names.ok()) return names.status();
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (IsObjectFile(name)) paths.push_back(Cat(folder, "/", name));
  }
  for (const std::string& path : paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) continue;
    AppendTo(seen, path, " ", info.st_ino, " ", info.st_size, " ", info.st_mtim.tv_sec, ".",
             info.st_mtim.tv_nsec, "\n");
  }
  return paths;
}

}  // namespace

absl::Status AddPods(std::string_view text, PodTable* table) {
  if (text.size() > limits::kRegistryFileBytesMax) return absl::InvalidArgumentError("too large");
  std::string why;
  try {
    for (const YAML::Node& document : YAML::LoadAll(std::string(text))) AddObject(document, table);
  } catch (const YAML::Exception& e) {
    why = e.what();
  }
  if (!why.empty()) return absl::InvalidArgumentError(Cat("YAML: ", why));
  if (table->pods.size() > limits::kRegistryPodsMax) {
    return absl::ResourceExhaustedError("too many Pods");
  }
  return absl::OkStatus();
}

absl::Status PodFiles::RefreshLocked() {
  std::string seen;
  DiskFiles files;
  const auto paths = ListFiles(&files, folder_, &seen);
  if (!paths.ok()) return paths.status();
  if (seen == seen_) return absl::OkStatus();
  PodTable table;
  for (const std::string& path : *paths) {
    const auto text = files.Read(path, limits::kRegistryFileBytesMax, Files::Secrecy::kPublic);
    if (!text.ok()) return text.status();
    if (const absl::Status added = AddPods(*text, &table); !added.ok()) {
      return absl::Status(added.code(), Abs(Cat(path, ": ", added.message())));
    }
  }
  table_ = std::move(table);
  seen_ = std::move(seen);
  return absl::OkStatus();
}

absl::Status PodFiles::Refresh() {
  const absl::MutexLock lock(&mutex_);
  return RefreshLocked();
}

bool PodFiles::Runs(const std::string& node, const std::string& ns,
                    const std::string& service_account) {
  const absl::MutexLock lock(&mutex_);
  const auto key = std::make_tuple(node, ns, service_account);
  if (table_.running.contains(key)) return true;
  // A pod may be newer than the table. What is wrong with the files, Refresh tells the operator.
  RefreshLocked().IgnoreError();
  return table_.running.contains(key);
}

std::string PodFiles::NodeOfPod(const std::string& ns, const std::string& pod,
                                const std::string& uid) {
  const absl::MutexLock lock(&mutex_);
  auto it = table_.pods.find({ns, pod});
  if (it == table_.pods.end()) {
    RefreshLocked().IgnoreError();  // as above
    it = table_.pods.find({ns, pod});
  }
  if (it == table_.pods.end()) return "";
  const bool other = !uid.empty() && !it->second.uid.empty() && uid != it->second.uid;
  return other ? "" : it->second.node;
}

}  // namespace meltemi::ca
