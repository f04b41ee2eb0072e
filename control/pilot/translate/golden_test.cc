// Goal: what each behaviour of the rules becomes on the wire. Method: every testdata/NAME.yaml is
// parsed, built and translated, and compared with testdata/NAME.json, one behaviour per file.
// Regenerate after a wanted change, and read the diff:
//   export MELTEMI_UPDATE_GOLDEN=$PWD/control/pilot/translate/testdata
//   bazel run -c opt //control/pilot/translate:golden_test
#include <dirent.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "control/pilot/model/parse.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/type_resolver_util.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::translate {
namespace {

constexpr char kFolder[] = "control/pilot/translate/testdata";

std::string ReadAll(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string Json(const google::protobuf::Message& message) {
  const std::unique_ptr<google::protobuf::util::TypeResolver> resolver(
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          "type.googleapis.com", google::protobuf::DescriptorPool::generated_pool()));
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::BinaryToJsonString(
      resolver.get(), "type.googleapis.com/" + message.GetDescriptor()->full_name(),
      DeterministicBytes(message), &json, options);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return json;
}

template <typename List>
void Dump(const char* name, const List& list, std::string* out) {
  for (const auto& message : list) absl::StrAppend(out, "// ", name, "\n", Json(message));
}

// A file may begin with "# mesh: {...}": its MeshConfig. "# show: routes clusters ..." names the
// resource types that belong to its behaviour.
std::string Directive(const std::string& text, const std::string& name) {
  const std::string start = absl::StrCat("# ", name, ": ");
  const size_t at = text.find(start);
  if (at == std::string::npos) return "";
  const size_t from = at + start.size();
  return text.substr(from, text.find('\n', from) - from);
}

std::string Translated(const std::string& text) {
  model::Problems problems;
  model::Objects objects;
  model::ParseText("input.yaml", text, &objects, &problems);
  std::optional<model::Model> model;
  if (problems.empty()) model = model::BuildModel(objects, "cluster.local", &problems);
  const model::MeshConfig mesh = model::ParseMeshConfig("mesh", Directive(text, "mesh"), &problems);
  std::string out;
  for (const auto& problem : problems) absl::StrAppend(&out, ToString(problem), "\n");
  if (!out.empty() || !model) return out;
  const Resources resources = Translate(*model, mesh);
  const std::string show = Directive(text, "show");
  const auto shown = [&](const char* type) { return absl::StrContains(show, type); };
  if (shown("clusters")) Dump("CDS", resources.clusters, &out);
  if (shown("endpoints")) Dump("EDS", resources.endpoints, &out);
  if (shown("listeners")) Dump("LDS", resources.listeners, &out);
  if (shown("routes")) Dump("RDS", resources.routes, &out);
  return out;
}

// Goal: a peer of an alias of the trust domain is taken by who is called, by who calls, and by
// policies. Method: one service; the names in what is sent, against the same mesh without aliases.
TEST(TrustDomainAliases, AreOursEverywhere) {
  constexpr char kService[] = R"(# show: clusters listeners
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {clusterIP: 10.96.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-v1, labels: {app: reviews, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: reviews, nodeName: node-a}
status: {podIPs: [{ip: 10.1.0.1}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p}
spec: {rules: [{from: [{source: {principals: [old.example/ns/a/sa/b, other.example/ns/a/sa/b]}}]}]}
)";
  const std::string plain =
      Translated(absl::StrCat("# mesh: {trustDomain: new.example}\n", kService));
  const std::string aliased = Translated(absl::StrCat(
      "# mesh: {trustDomain: new.example, trustDomainAliases: [old.example]}\n", kService));
  const auto has = [](const std::string& text, const std::string& part) {
    return absl::StrContains(text, part);
  };
  for (const char* name : {"\"spiffe://old.example/\"",                          // inbound
                           "\"spiffe://old.example/ns/default/sa/reviews\""}) {  // outbound
    EXPECT_TRUE(has(aliased, name)) << aliased;
    EXPECT_FALSE(has(plain, name)) << plain;
    EXPECT_TRUE(has(plain, absl::StrReplaceAll(name, {{"old", "new"}}))) << plain;
    EXPECT_TRUE(has(aliased, absl::StrReplaceAll(name, {{"old", "new"}}))) << aliased;
  }
  EXPECT_TRUE(has(plain, "spiffe://old.example/ns/a/sa/b"));  // as it is written
  EXPECT_FALSE(has(plain, "spiffe://new.example/ns/a/sa/b"));
  for (const char* domain : {"new", "old", "other"}) {
    EXPECT_TRUE(has(aliased, absl::StrCat("spiffe://", domain, ".example/ns/a/sa/b"))) << domain;
  }
  // The certificate that is shown is ours by its own name.
  EXPECT_FALSE(has(aliased, "\"name\": \"spiffe://old.example"));
}

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  DIR* dir = opendir(kFolder);
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (absl::EndsWith(name, ".yaml")) names.push_back(name.substr(0, name.size() - 5));
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, TranslatesAsRecorded) {
  const std::string base = absl::StrCat(kFolder, "/", GetParam());
  const std::string text = ReadAll(base + ".yaml");
  const std::string got = Translated(text);
  EXPECT_EQ(got, Translated(text)) << "not deterministic";
  if (const char* folder = std::getenv("MELTEMI_UPDATE_GOLDEN"); folder != nullptr) {
    std::ofstream(absl::StrCat(folder, "/", GetParam(), ".json"), std::ios::binary) << got;
    return;
  }
  EXPECT_EQ(got, ReadAll(base + ".json"));
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(Cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !isalnum(c); }, '_');
  return name;
});

TEST(GoldenFiles, AreThere) { EXPECT_GE(Cases().size(), 10u); }

}  // namespace
}  // namespace meltemi::control::pilot::translate
