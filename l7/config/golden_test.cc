// Goal: what each supported field becomes, and what each refused one says. Method: one file per
// behaviour in testdata/: resources in protobuf's text form, then the described snapshot or the
// exact error. To accept new output: run with MELTEMI_GOLDEN_OUT=<folder>, compare, copy.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "l7/base/text.h"
#include "l7/config/compile.h"
#include "l7/config/describe.h"

namespace meltemi::config {
namespace {

constexpr char kFolder[] = "l7/config/testdata";
constexpr char kWant[] = "=== want\n";

struct Case {
  std::string input;  // up to and with the line "=== want"
  std::string want;
  std::vector<envoy::config::listener::v3::Listener> listeners;
  std::vector<envoy::config::route::v3::RouteConfiguration> routes;
  std::vector<envoy::config::cluster::v3::Cluster> clusters;
  std::vector<envoy::config::endpoint::v3::ClusterLoadAssignment> assignments;
  ResolvedNames resolved;
  CompilerOptions options;
};

template <typename Message>
void Parse(const std::string& text, std::vector<Message>* to) {
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &to->emplace_back())) << text;
}

void AddSection(const std::string& kind, const std::string& text, Case* to) {
  if (kind == "Listener") return Parse(text, &to->listeners);
  if (kind == "RouteConfiguration") return Parse(text, &to->routes);
  if (kind == "Cluster") return Parse(text, &to->clusters);
  if (kind == "ClusterLoadAssignment") return Parse(text, &to->assignments);
  if (kind == "default_access_log_path") {
    to->options.default_access_log_path = text.substr(0, text.find('\n'));
    return;
  }
  if (kind == "resolved") {  // a line per name: name address...
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string name, address;
      words >> name;
      while (words >> address) to->resolved[name].push_back(*IpAddr::Parse(address));
    }
    return;
  }
  FAIL() << "no section is called " << kind;
}

void ReadCase(const std::string& path, Case* to) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  const std::string text = all.str();
  const size_t want = text.find(kWant);
  ASSERT_NE(want, std::string::npos) << path;
  to->input = text.substr(0, want + sizeof(kWant) - 1);
  to->want = text.substr(to->input.size());
  size_t at = text.find("=== ");
  while (at < want) {
    const size_t line_end = text.find('\n', at);
    const size_t next = text.find("=== ", line_end);
    AddSection(text.substr(at + 4, line_end - at - 4),
               text.substr(line_end + 1, next - line_end - 1), to);
    at = next;
  }
}

template <typename Message>
std::vector<const Message*> Pointers(const std::vector<Message>& from) {
  std::vector<const Message*> to;
  for (const Message& message : from) to.push_back(&message);
  return to;
}

std::string CompileAndDescribe(const Case& c) {
  Compiler compiler(c.options);
  Resources resources{.listeners = Pointers(c.listeners),
                      .routes = Pointers(c.routes),
                      .clusters = Pointers(c.clusters),
                      .assignments = Pointers(c.assignments),
                      .resolved = &c.resolved};
  const auto snapshot = compiler.Compile(resources);
  EXPECT_EQ(snapshot.ok(), compiler.Check(resources).ok());
  EXPECT_EQ(snapshot.ok(), compiler.CheckEach(resources).empty());
  if (!snapshot.ok()) return Cat("error ", snapshot.status().message(), "\n");
  return Describe(**snapshot);
}

std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    files.push_back(entry.path().filename().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, CompilesToTheExpectedSnapshotOrError) {
  Case c;
  ReadCase(Cat(kFolder, "/", GetParam()), &c);
  if (HasFatalFailure()) return;
  const std::string got = CompileAndDescribe(c);
  EXPECT_EQ(got, c.want);
  if (const char* folder = std::getenv("MELTEMI_GOLDEN_OUT")) {
    std::ofstream(Cat(folder, "/", GetParam())) << c.input << got;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(Files()), [](const auto& info) {
  std::string name = info.param.substr(0, info.param.find('.'));
  return name;
});

}  // namespace
}  // namespace meltemi::config
