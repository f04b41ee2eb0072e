// Goal: whatever bytes a control plane sends, the compiler answers with a snapshot or an error. The
// first byte chooses the resource type, the rest is the message in protobuf's binary form, or in
// its text form when the byte's high bit is set (so that the corpus can be read and mutations meet
// field names).
#include <cstdint>
#include <string>

#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "l7/base/check.h"
#include "l7/config/compile.h"
#include "l7/config/describe.h"

namespace meltemi::config {
namespace {

class Silent : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

template <typename Message>
bool Parse(bool text, const std::string& bytes, Message* to) {
  if (!text) return to->ParseFromString(bytes);
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  return parser.ParseFromString(bytes, to);
}

void CompileOne(const Resources& resources) {
  Compiler compiler({.default_access_log_path = "/dev/stdout"});
  const auto snapshot = compiler.Compile(resources);
  CHECK(snapshot.ok() == compiler.Check(resources).ok());
  if (!snapshot.ok()) {
    CHECK(!snapshot.status().message().empty());
    return;
  }
  CHECK(Describe(**snapshot).size() > 0 || resources.clusters.empty());
}

}  // namespace
}  // namespace meltemi::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi::config;  // NOLINT: the entry point cannot be in the namespace
  if (size == 0) return 0;
  const bool text = (data[0] & 0x80) != 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Resources resources;
  envoy::config::listener::v3::Listener listener;
  envoy::config::route::v3::RouteConfiguration routes;
  envoy::config::cluster::v3::Cluster cluster;
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  switch (data[0] & 3) {
    case 0:
      if (Parse(text, bytes, &listener)) resources.listeners = {&listener};
      break;
    case 1:
      if (Parse(text, bytes, &routes)) resources.routes = {&routes};
      break;
    case 2:
      if (Parse(text, bytes, &cluster)) resources.clusters = {&cluster};
      break;
    case 3:
      if (Parse(text, bytes, &assignment)) resources.assignments = {&assignment};
      break;
  }
  CompileOne(resources);
  return 0;
}
