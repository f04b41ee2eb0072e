#include "dataplane/agent/secret_file.h"

#include <string>

#include "dataplane/agent/yaml_json.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/protobuf/util/json_util.h"
#include "l7/base/text.h"
#include "l7/config/compile.h"

namespace meltemi::agent {
namespace {

using envoy::extensions::transport_sockets::tls::v3::Secret;
using envoy::service::discovery::v3::DiscoveryResponse;

absl::StatusOr<DiscoveryResponse> Parse(std::string_view text) {
  if (!IsUtf8(text)) return absl::InvalidArgumentError("not UTF-8");
  YAML::Node root;
  try {  // yaml-cpp reports by exception; nothing else here does
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(Cat("line ", e.mark.line + 1, ": ", e.msg));
  }
  if (const absl::Status good = CheckTree(root); !good.ok()) return good;
  if (!root.IsMap()) return absl::InvalidArgumentError("must be a map, with resources");
  DiscoveryResponse response;
  const auto read = google::protobuf::util::JsonStringToMessage(YamlToJson(root), &response);
  // Not protobuf's own words: they may have a part of a key in them.
  if (!read.ok()) return absl::InvalidArgumentError("not a DiscoveryResponse with secrets");
  return response;
}

}  // namespace

absl::StatusOr<TlsSecrets> ParseSecretFile(std::string_view text) {
  const auto response = Parse(text);
  if (!response.ok()) return response.status();
  const config::Compiler compiler({});
  TlsSecrets secrets;
  for (int i = 0; i < response->resources_size(); ++i) {
    const auto fail = [i](std::string_view why) {
      return absl::InvalidArgumentError(Cat("resources[", i, "]: ", why));
    };
    Secret secret;
    if (!response->resources(i).UnpackTo(&secret)) return fail("no Secret");
    auto compiled = compiler.CompileSecret(secret);
    if (!compiled.ok()) {
      std::string_view why = Std(compiled.status().message());
      if (why.starts_with(": ")) why.remove_prefix(2);  // of no field of it
      return fail(why);
    }
    if (!secrets.emplace(secret.name(), *std::move(compiled)).second) {
      return fail(Cat("\"", secret.name(), "\" is there twice"));
    }
  }
  return secrets;
}

}  // namespace meltemi::agent
