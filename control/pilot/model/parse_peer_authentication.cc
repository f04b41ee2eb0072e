// Kind PeerAuthentication.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/parse.h"

namespace meltemi::control::pilot::model {
namespace {

PeerMode ReadMode(MapReader& map) {
  const auto mode = map.Enum("mode", {"UNSET", "DISABLE", "PERMISSIVE", "STRICT"});
  return mode ? static_cast<PeerMode>(*mode) : PeerMode::kUnset;
}

void ReadPorts(MapReader& ports, Report* report, PeerAuthentication* out,
               const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(name, &number) || number == 0 || number > 65535) {
      report->Add(ports.Path(name), "must be a port, 1 to 65535");
    }
    ports.In(name, [&](MapReader& level) { out->ports[number] = ReadMode(level); });
  }
}

void ReadSpec(MapReader& spec, PeerAuthentication* out) {
  spec.In("selector",
          [&](MapReader& selector) { out->selector = selector.StringMap("matchLabels"); });
  spec.In("mtls", [&](MapReader& mtls) { out->mode = ReadMode(mtls); });
  std::vector<std::string> names;
  spec.EachEntry("portLevelMtls", [&](const std::string& key, const YAML::Node&,
                                      const std::string&) { names.push_back(key); });
  spec.In("portLevelMtls", [&](MapReader& ports) { ReadPorts(ports, &spec.report(), out, names); });
  // As Istio: the ports are a workload's.
  if (!out->ports.empty() && out->selector.empty()) {
    spec.Problem("portLevelMtls", "needs a selector");
  }
}

}  // namespace

void ParsePeerAuthentication(MapReader& root, const Meta& meta, Objects* objects) {
  PeerAuthentication out{.meta = meta};
  root.In("spec", [&](MapReader& spec) { ReadSpec(spec, &out); });
  root.Accept({"status"});
  objects->peer_authentications.push_back(std::move(out));
}

}  // namespace meltemi::control::pilot::model
