#include "control/pilot/model/parse.h"

#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/yaml_writer.h"
#include "yaml-cpp/eventhandler.h"

namespace meltemi::control::pilot::model {
namespace {

struct Kind {
  const char* group;  // apiVersion without the version; "" is Kubernetes' core group
  const char* name;
  void (*parse)(MapReader&, const Meta&, Objects*);  // null: known, not supported yet
};

constexpr Kind kKinds[] = {
    {"", "Service", ParseService},
    {"", "Pod", ParsePod},
    {"", "Endpoints", ParseEndpoints},
    {"", "Secret", ParseSecret},
    {"discovery.k8s.io", "EndpointSlice", ParseEndpointSlice},
    {"networking.istio.io", "WorkloadEntry", ParseWorkloadEntry},
    {"networking.istio.io", "ServiceEntry", ParseServiceEntry},
    {"networking.istio.io", "VirtualService", ParseVirtualService},
    {"networking.istio.io", "DestinationRule", ParseDestinationRule},
    {"networking.istio.io", "Gateway", ParseGateway},
    {"networking.istio.io", "Sidecar", nullptr},
    {"networking.istio.io", "EnvoyFilter", nullptr},
    {"networking.istio.io", "WorkloadGroup", nullptr},
    {"networking.istio.io", "ProxyConfig", nullptr},
    {"security.istio.io", "PeerAuthentication", ParsePeerAuthentication},
    {"security.istio.io", "RequestAuthentication", nullptr},
    {"security.istio.io", "AuthorizationPolicy", ParseAuthorizationPolicy},
    {"telemetry.istio.io", "Telemetry", nullptr},
    {"extensions.istio.io", "WasmPlugin", nullptr},
};

bool VersionKnown(const std::string& group, const std::string& version) {
  if (version == "v1") return true;
  return absl::EndsWith(group, "istio.io") &&
         (version == "v1beta1" || version == "v1alpha3" || version == "v1alpha1");
}

// Kubernetes names: what may become part of a host name or a file name.
bool ValidName(const std::string& name) {
  if (name.empty() || name.size() > 253 || name[0] == '.' || name[0] == '-') return false;
  for (const char c : name) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!ok) return false;
  }
  return true;
}

void ReadMeta(MapReader& root, Meta* meta) {
  root.In("metadata", [&](MapReader& map) {
    meta->name = map.StringOr("name", "");
    meta->ns = map.StringOr("namespace", "default");
    meta->labels = map.StringMap("labels");
    meta->created = map.StringOr("creationTimestamp", "");
    map.Accept({"annotations", "generateName", "uid", "resourceVersion", "generation",
                "managedFields", "ownerReferences", "finalizers", "deletionTimestamp",
                "deletionGracePeriodSeconds", "selfLink"});
  });
}

void CheckMeta(MapReader& root, const Meta& meta) {
  if (meta.name.empty()) {
    root.Problem("metadata.name", "required");
  } else if (!ValidName(meta.name)) {
    root.Problem("metadata.name", "must be lower-case letters, digits, - and .");
  }
  if (!ValidName(meta.ns) || meta.ns.find('.') != std::string::npos) {
    root.Problem("metadata.namespace", "must be lower-case letters, digits and -");
  }
}

const Kind* FindKind(const std::string& group, const std::string& name) {
  for (const Kind& kind : kKinds) {
    if (group == kind.group && name == kind.name) return &kind;
  }
  return nullptr;
}

void ParseObject(const YAML::Node& node, const std::string& file, Objects* objects,
                 Problems* problems);

void ParseList(const YAML::Node& node, const std::string& file, Objects* objects,
               Problems* problems) {
  const YAML::Node& items = node["items"];
  if (!items.IsDefined() || !items.IsSequence()) {
    problems->push_back({file, "List", "items", "must be a list"});
    return;
  }
  for (const auto& item : items) {
    if (item.IsMap() && item["kind"].IsDefined() && item["kind"].IsScalar() &&
        absl::EndsWith(item["kind"].Scalar(), "List")) {
      problems->push_back({file, "List", "items", "a list inside a list"});
      continue;
    }
    ParseObject(item, file, objects, problems);
  }
}

void ParseKnown(const YAML::Node& node, const Meta& meta, const Kind& kind,
                const std::string& api_version, MapReader& root, Objects* objects) {
  if (kind.parse == nullptr) {
    root.Problem("kind", absl::StrCat(meta.kind, " is not supported yet"));
    root.AcceptRest();
    return;
  }
  CheckMeta(root, meta);
  kind.parse(root, meta, objects);
  objects->documents.push_back({meta, api_version, WriteYaml(node)});
  if (kind.parse == ParseSecret) objects->documents.back().shown = WriteYaml(ShownSecret(node));
}

// The object's name for its problems, as far as it can be read at all.
std::string ObjectName(const YAML::Node& node) {
  const auto text = [](const YAML::Node& field, const char* fallback) -> std::string {
    return field.IsDefined() && field.IsScalar() ? field.Scalar() : fallback;
  };
  const YAML::Node metadata = node["metadata"];
  const bool map = metadata.IsDefined() && metadata.IsMap();
  Meta meta;
  meta.kind = text(node["kind"], "object");
  meta.ns = map ? text(metadata["namespace"], "default") : "default";
  meta.name = map ? text(metadata["name"], "(no name)") : "(no name)";
  return meta.Object();
}

void ParseObject(const YAML::Node& node, const std::string& file, Objects* objects,
                 Problems* problems) {
  Report report(file, "", problems);
  if (!node.IsMap()) {
    report.Add("", "must be a mapping with apiVersion, kind and metadata");
    return;
  }
  const YAML::Node& kind_node = node["kind"];
  if (kind_node.IsDefined() && kind_node.IsScalar() && absl::EndsWith(kind_node.Scalar(), "List")) {
    ParseList(node, file, objects, problems);
    return;
  }
  report.set_object(ObjectName(node));
  MapReader root(node, "", &report);
  Meta meta{.file = file};
  meta.kind = root.RequiredString("kind");
  const std::string api_version = root.RequiredString("apiVersion");
  ReadMeta(root, &meta);
  if (meta.kind.empty() || api_version.empty()) return root.AcceptRest();
  const size_t slash = api_version.find('/');
  const std::string group = slash == std::string::npos ? "" : api_version.substr(0, slash);
  const std::string version =
      slash == std::string::npos ? api_version : api_version.substr(slash + 1);
  const Kind* kind = FindKind(group, meta.kind);
  if (kind == nullptr || !VersionKnown(group, version)) {
    const char* field = kind == nullptr ? "kind" : "apiVersion";
    root.Problem(field, absl::StrCat(api_version, " ", meta.kind, " is not a kind Meltemi reads"));
    return root.AcceptRest();
  }
  ParseKnown(node, meta, *kind, api_version, root, objects);
}

// Sees where documents start. yaml-cpp 0.7's LoadAll never ends on text such as "{a: b},": it makes
// empty documents at one spot for ever, so the documents are counted before they are loaded.
class DocumentStarts final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    stuck_ = count_ > 0 && mark.pos <= last_.pos;
    last_ = mark;
    ++count_;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  bool stuck() const { return stuck_; }
  const YAML::Mark& last() const { return last_; }

 private:
  YAML::Mark last_;
  int count_ = 0;
  bool stuck_ = false;
};

void CheckDocuments(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStarts starts;
  while (parser.HandleNextDocument(starts)) {
    if (starts.stuck()) throw YAML::ParserException(starts.last(), "end of document expected");
  }
}

}  // namespace

void ParseText(const std::string& file, const std::string& text, Objects* objects,
               Problems* problems) {
  if (text.size() > kFileBytesMax) {
    problems->push_back({file, "", "", absl::StrCat("larger than ", kFileBytesMax, " bytes")});
    return;
  }
  // yaml-cpp reports by exception; this is the only place that sees them.
  try {
    CheckDocuments(text);
    for (const YAML::Node& node : YAML::LoadAll(text)) {
      if (!node.IsDefined() || node.IsNull()) continue;  // "---" with nothing behind it
      ParseObject(node, file, objects, problems);
    }
  } catch (const YAML::Exception& e) {
    const std::string where = e.mark.is_null() ? ""
                                               : absl::StrCat("line ", e.mark.line + 1, ", column ",
                                                              e.mark.column + 1, ": ");
    problems->push_back({file, "", "", absl::StrCat(where, "not valid YAML: ", e.msg)});
  }
}

bool IsHostPattern(const std::string& host) {
  const size_t star = host.find('*');
  if (star == std::string::npos) return !host.empty();
  return star == 0 && host.rfind('*') == 0 && (host.size() == 1 || host[1] == '.');
}

}  // namespace meltemi::control::pilot::model
