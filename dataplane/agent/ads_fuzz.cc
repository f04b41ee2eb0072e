// Goal: whatever a control plane answers, the xDS client answers every response with an ACK or a
// reasoned NACK, and publishes a snapshot or nothing. Method: a script of responses.
//
// Input: pieces separated by lines "---". A piece is "open", "close", "wait N" (N * 100 ms), or a
// DiscoveryResponse in protobuf's text form (else in its binary form). The first line of the input
// may be "static": then one listener and cluster come from the bootstrap.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/agent/ads_state.h"
#include "dataplane/agent/config_dump.h"
#include "dataplane/agent/testing_resources.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "l7/base/check.h"
#include "l7/config/describe.h"

namespace meltemi::agent {
namespace {

constexpr int kPiecesMax = 64;

class Silent : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string&) override {}
};

bool Parse(std::string_view bytes, DiscoveryResponse* to) {
  Silent silent;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  return parser.ParseFromString(std::string(bytes), to) || to->ParseFromString(std::string(bytes));
}

class Script {
 public:
  explicit Script(bool with_static)
      : state_(
            MakeOptions(),
            with_static ? std::vector{testing::HttpListener(80)} : std::vector<testing::Listener>(),
            with_static ? std::vector{testing::StaticCluster("static")}
                        : std::vector<testing::Cluster>()) {
    Publish();
    Open();
  }

  void Play(std::string_view piece) {
    if (piece == "open") return Open();
    if (piece == "close") return Close();
    if (piece.starts_with("wait ")) {
      const int n = std::atoi(std::string(piece.substr(5)).c_str()) % 1000;
      now_ = now_ + Duration::Millis(100) * (n < 0 ? -n : n);
      return Publish();
    }
    DiscoveryResponse response;
    if (open_ && Parse(piece, &response)) Give(response);
  }

  void End() const {
    CHECK(!ConfigDumpJson(state_, "{}", WallClock()).empty());
    for (const std::string& name : state_.ListenerNames()) CHECK(!name.empty());
    for (const std::string& name : state_.Missing()) CHECK(!name.empty());
  }

 private:
  static AdsState::Options MakeOptions() {
    AdsState::Options options;
    options.node.set_id("node-a");
    options.compiler.default_access_log_path = "/dev/stdout";
    return options;
  }

  void Open() {
    if (open_) Close();
    open_ = true;
    const auto requests = state_.OnStreamOpen();
    CHECK(!requests.empty() && requests[0].has_node());
  }
  void Close() {
    if (open_) state_.OnStreamClosed();
    open_ = false;
    CHECK(!state_.connected());
  }

  void Give(const DiscoveryResponse& response) {
    const std::vector<DiscoveryRequest> requests = state_.OnResponse(response, now_);
    for (int i = 0; i < kTypes; ++i) {
      const auto type = static_cast<Type>(i);
      if (response.type_url() == TypeUrl(type)) CheckAnswer(response, type, requests);
    }
    Publish();
  }

  void CheckAnswer(const DiscoveryResponse& response, Type type,
                   const std::vector<DiscoveryRequest>& requests) {
    CHECK(!requests.empty());
    const DiscoveryRequest& answer = requests[0];
    CHECK(answer.type_url() == response.type_url());
    CHECK(answer.response_nonce() == response.nonce());
    const TypeStatus& status = state_.status(type);
    if (answer.has_error_detail()) {
      CHECK(!answer.error_detail().message().empty());
      CHECK(status.last_error == answer.error_detail().message());
    } else {
      CHECK(answer.version_info() == response.version_info());
      CHECK(status.last_error.empty());
    }
    CHECK(answer.version_info() == status.version);
  }

  void Publish() {
    const auto snapshot = state_.TakeSnapshot(now_);
    if (!snapshot.ok()) {
      CHECK(!snapshot.status().message().empty());
      return;
    }
    if (*snapshot == nullptr) return;
    CHECK((*snapshot)->sequence > sequence_);
    sequence_ = (*snapshot)->sequence;
    CHECK(!config::Describe(**snapshot).empty() || (*snapshot)->listeners.empty());
  }

  Instant now_ = Instant::FromNanos(1'000'000'000);
  AdsState state_;
  bool open_ = false;
  uint64_t sequence_ = 0;
};

}  // namespace
}  // namespace meltemi::agent

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const bool with_static = rest.starts_with("static\n");
  if (with_static) rest.remove_prefix(7);
  meltemi::agent::Script script(with_static);
  for (int i = 0; i < meltemi::agent::kPiecesMax && !rest.empty(); ++i) {
    const size_t end = rest.find("\n---\n");
    script.Play(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 5);
  }
  script.End();
  return 0;
}
