#include "control/pilot/model/mesh_config.h"

#include <algorithm>

#include "control/pilot/model/parse.h"
#include "control/pilot/model/yaml_reader.h"

namespace meltemi::control::pilot::model {

std::vector<std::string> TrustDomains(const MeshConfig& mesh) {
  std::vector<std::string> out = {mesh.trust_domain};
  for (const std::string& alias : mesh.trust_domain_aliases) {
    if (std::find(out.begin(), out.end(), alias) == out.end()) out.push_back(alias);
  }
  return out;
}

MeshConfig ParseMeshConfig(const std::string& file, const std::string& text, Problems* problems) {
  MeshConfig config;
  Report report(file, "MeshConfig", problems);
  // yaml-cpp reports by exception.
  try {
    MapReader root(YAML::Load(text), "", &report);
    config.access_log_file = root.StringOr("accessLogFile", "");
    root.In("outboundTrafficPolicy", [&](MapReader& policy) {
      if (policy.Enum("mode", {"ALLOW_ANY", "REGISTRY_ONLY"}).value_or(0) == 1) {
        config.outbound = MeshConfig::Outbound::kRegistryOnly;
      }
    });
    config.connect_timeout =
        root.Duration("connectTimeout", absl::Milliseconds(1)).value_or(config.connect_timeout);
    config.protocol_detection_timeout =
        root.Duration("protocolDetectionTimeout", absl::ZeroDuration())
            .value_or(config.protocol_detection_timeout);
    if (config.protocol_detection_timeout > absl::Hours(1)) {
      report.Add("protocolDetectionTimeout", "must be <= 1h");
    }
    config.h2_upgrade = root.Enum("h2UpgradePolicy", {"DO_NOT_UPGRADE", "UPGRADE"}) == 1;
    config.auto_mtls = root.Bool("enableAutoMtls").value_or(config.auto_mtls);
    config.trust_domain = root.StringOr("trustDomain", config.trust_domain);
    config.trust_domain_aliases = root.StringList("trustDomainAliases");
    if (config.trust_domain_aliases.size() > kTrustDomainAliasesMax) {
      root.Problem("trustDomainAliases", "more than 16");
      config.trust_domain_aliases.resize(kTrustDomainAliasesMax);
    }
    root.In("defaultConfig", [&](MapReader& proxy) {
      proxy.In("gatewayTopology", [&](MapReader& topology) {
        topology.In("proxyProtocol", [&](MapReader&) { config.gateway_proxy_protocol = true; });
      });
    });
    root.In("localityLbSetting",
            [&](MapReader& from) { config.locality_lb = ReadLocalityLb(from); });
    config.root_namespace = root.StringOr("rootNamespace", config.root_namespace);
  } catch (const YAML::Exception& e) {
    report.Add("", "not valid YAML: " + e.msg);
  }
  return config;
}

}  // namespace meltemi::control::pilot::model
