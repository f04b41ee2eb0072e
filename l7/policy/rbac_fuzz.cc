// Goal: whatever RBAC rules a control plane sends, they compile or are refused, and evaluate the
// same every time; ALLOW and DENY of one match are opposites. The first byte's high bit: protobuf's
// text form, else binary; its other bits draw the request.
#include <cstdint>
#include <optional>
#include <string>

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "l7/base/check.h"
#include "l7/config/compile_parts.h"
#include "l7/policy/rbac.h"

namespace meltemi::policy {
namespace {

class Silent : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

bool Parse(bool text, const std::string& bytes, google::protobuf::Message* to) {
  if (!text) return to->ParseFromString(bytes);
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  return parser.ParseFromString(bytes, to);
}

// Each node's end is behind it, and no child's is behind its parent's.
void CheckNodes(const config::RbacRules& rules) {
  for (uint32_t i = 0; i < rules.nodes.size(); ++i) {
    CHECK(rules.nodes[i].end > i && rules.nodes[i].end <= rules.nodes.size());
    uint32_t child = i + 1;
    while (child < rules.nodes[i].end) child = rules.nodes[child].end;
    CHECK(child == rules.nodes[i].end);
  }
}

void Evaluate(const config::RbacRules& rules, uint8_t draw) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
    return (draw & 1) != 0 ? std::optional(name) : std::nullopt;
  };
  const route::RequestView view{.method = (draw & 2) != 0 ? "GET" : "POST",
                                .scheme = "http",
                                .authority = "a:80",
                                .path = (draw & 4) != 0 ? "/a/b?c" : "",
                                .header = lookup};
  const RbacRequest request{
      .http = (draw & 8) != 0 ? &view : nullptr,
      .peer = {.authenticated = (draw & 16) != 0, .principal = "spiffe://cluster.local/ns/a/sa/b"},
      .local = {IpAddr::V4(0x0a000001), 80},
      .direct_remote = IpAddr::V4(0x0a000002),
      .forwarded = (draw & 32) != 0,
      .sni = (draw & 64) != 0 ? "a" : ""};
  const config::RbacPolicy* const found = FindPolicy(rules, request);
  CHECK(found == FindPolicy(rules, request));
  CHECK(Allows(config::RbacRules::Action::kAllow, found) !=
        Allows(config::RbacRules::Action::kDeny, found));
  std::string details;
  AppendDenialDetails(found, &details);
  CHECK(!details.empty());
}

}  // namespace
}  // namespace meltemi::policy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi;  // NOLINT: the entry point cannot be in the namespace
  static const auto& fields = *new config::FieldTable();
  if (size == 0) return 0;
  envoy::extensions::filters::http::rbac::v3::RBAC message;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!policy::Parse((data[0] & 0x80) != 0, bytes, &message)) return 0;
  google::protobuf::Any any;
  any.PackFrom(message);
  const config::CompilerOptions options;
  config::Snapshot snapshot;
  const config::CompileContext context{
      .fields = fields, .options = options, .ids = nullptr, .snapshot = &snapshot};
  const absl::StatusOr<config::Rbac> rbac = config::CompileHttpRbac(context, any);
  if (!rbac.ok()) {
    CHECK(!rbac.status().message().empty());
    return 0;
  }
  for (const auto* rules : {&rbac->rules, &rbac->shadow_rules}) {
    if (!rules->has_value()) continue;
    policy::CheckNodes(**rules);
    policy::Evaluate(**rules, data[0]);
  }
  return 0;
}
