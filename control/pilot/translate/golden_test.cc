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
