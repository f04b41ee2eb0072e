#include "dataplane/agent/config_dump.h"

#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "dataplane/agent/redact.h"
#include "google/protobuf/util/json_util.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

// RFC 8259 7. Bytes above 0x7f pass: names are UTF-8, protobuf checks that.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += absl::StrFormat("\\u%04x", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

// The message with its type in front, as inside google.protobuf.Any, and without what is secret.
std::string Body(const google::protobuf::Message& original) {
  const std::unique_ptr<google::protobuf::Message> copy(original.New());
  google::protobuf::Message& message = *copy;
  message.CopyFrom(original);
  Redact(&message);
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string body;
  if (!google::protobuf::util::MessageToJsonString(message, &body, options).ok()) {
    body =
        "{}";  // it holds an Any of a type that this binary does not know: say at least what it is
  }
  body.insert(1, Cat("\"@type\":\"type.googleapis.com/", message.GetTypeName(), "\"",
                     body.size() > 2 ? "," : ""));
  return body;
}

// Members of an object or elements of an array.
class List {
 public:
  explicit List(std::string* out) : out_(out) {}
  template <typename... Args>
  void Add(const Args&... args) {
    if (!std::exchange(first_, false)) out_->push_back(',');
    AppendTo(out_, args...);
  }

 private:
  std::string* const out_;
  bool first_ = true;
};

class Writer {
 public:
  explicit Writer(WallClock clock) : clock_(clock) {}

  // {"version_info":..,"<field>":{..},"last_updated":..}
  template <typename Message>
  std::string State(std::string_view field, const Accepted<Message>& entry) const {
    return Cat("{\"version_info\":", Quoted(entry.version), ",\"", field,
               "\":", Body(entry.message), ",\"last_updated\":", Date(entry.updated), "}");
  }
  template <typename Message>
  std::string States(std::string_view field, const AcceptedMap<Message>& map) const {
    std::string out = "[";
    List list(&out);
    for (const auto& [name, entry] : map) list.Add(State(field, entry));
    return out + "]";
  }
  std::string Listeners(const AcceptedResources& resources) const {
    std::string out = "[";
    List list(&out);
    for (const auto& [name, entry] : resources.listeners) {
      list.Add("{\"name\":", Quoted(name), ",\"active_state\":", State("listener", entry), "}");
    }
    return out + "]";
  }
  template <typename Message>
  static std::string Static(std::string_view field, const std::vector<Message>& messages) {
    std::string out = "[";
    List list(&out);
    for (const Message& m : messages) list.Add("{\"", field, "\":", Body(m), "}");
    return out + "]";
  }

 private:
  std::string Date(Instant t) const {
    return Quoted(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixNanos(clock_.UnixNanos(t)),
                                   absl::UTCTimeZone()));
  }
  const WallClock clock_;
};

template <typename... Args>
void AddSection(List* sections, std::string_view type, const Args&... members) {
  sections->Add("{\"@type\":\"type.googleapis.com/envoy.admin.v3.", type, "\",", members..., "}");
}

}  // namespace

std::string ConfigDumpJson(const AdsState& state, std::string_view bootstrap_json,
                           WallClock clock) {
  const Writer writer(clock);
  const AcceptedResources& resources = state.resources();
  std::string out = "{\"configs\":[";
  List sections(&out);
  AddSection(&sections, "BootstrapConfigDump",
             "\"bootstrap\":", bootstrap_json.empty() ? "{}" : bootstrap_json);
  AddSection(&sections, "ClustersConfigDump",
             "\"version_info\":", Quoted(state.status(Type::kCluster).version),
             ",\"static_clusters\":", Writer::Static("cluster", state.static_clusters()),
             ",\"dynamic_active_clusters\":", writer.States("cluster", resources.clusters));
  AddSection(&sections, "ListenersConfigDump",
             "\"version_info\":", Quoted(state.status(Type::kListener).version),
             ",\"static_listeners\":", Writer::Static("listener", state.static_listeners()),
             ",\"dynamic_listeners\":", writer.Listeners(resources));
  AddSection(&sections, "RoutesConfigDump",
             "\"dynamic_route_configs\":", writer.States("route_config", resources.routes));
  AddSection(&sections, "EndpointsConfigDump", "\"dynamic_endpoint_configs\":",
             writer.States("endpoint_config", resources.endpoints));
  AddSection(&sections, "SecretsConfigDump",
             "\"static_secrets\":", Writer::Static("secret", state.static_secrets()),
             ",\"dynamic_active_secrets\":", writer.States("secret", resources.secrets));
  return out + "]}";
}

}  // namespace meltemi::agent
