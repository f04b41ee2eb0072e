// Goal: whatever a node asks, the ADS session stays within its bounds, comes to rest, and an
// accepted node is in sync. Method: a script of requests against two small snapshots.
//
// Input: records of one byte and its operands. Bits 0-1 of the byte: the type; the rest, by
// (byte >> 2) % 8: 0 a request with names (a count, then one byte each), 1 ACK with the last names,
// 2 NACK, 3 a stale nonce, 4 the other snapshot comes into force, 5 an unknown type, 6 "*", 7 an
// answer whose names change (a count, then one byte each).
#include <cstdint>
#include <string>
#include <vector>

#include "control/pilot/ads_session/session.h"
#include "l7/base/check.h"

namespace meltemi::control::pilot::ads_session {
namespace {

constexpr size_t kStepsMax = 200;

std::shared_ptr<const Snapshot> Make(int version) {
  translate::Resources resources;
  for (int i = 0; i < 4; ++i) {
    // One is the same in both, one is in the first only, two differ.
    if (i == 1 && version == 2) continue;
    const std::string name(1, static_cast<char>('a' + i));
    const std::string content = i == 0 ? "same" : std::to_string(version);
    resources.clusters.emplace_back().set_name(name);
    resources.clusters.back().set_alt_stat_name(content);
    resources.routes.emplace_back().set_name(name);
    resources.routes.back().add_virtual_hosts()->set_name(content);
    resources.endpoints.emplace_back().set_cluster_name(name);
    resources.endpoints.back().add_endpoints()->mutable_locality()->set_zone(content);
    resources.listeners.emplace_back().set_name(name);
    resources.listeners.back().set_stat_prefix(content);
  }
  return MakeSnapshot(resources);
}

class Script {
 public:
  Script(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  void Run() {
    for (size_t step = 0; at_ < size_ && step < kStepsMax; ++step) {
      Step(Byte());
      Drain();
    }
    AcceptAll();
  }

 private:
  struct PerType {
    AdsSession::Response last;
    bool have = false;
    std::vector<std::string> names;
  };

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (int n = Byte() % 6; n > 0; --n) {
      names.emplace_back(1, static_cast<char>('a' + Byte() % 6));
    }
    return names;
  }

  AdsSession::Request Answer(Type type) const {
    const PerType& t = types_[static_cast<size_t>(type)];
    AdsSession::Request request;
    request.set_type_url(TypeUrl(type));
    request.set_version_info(t.last.version_info());
    request.set_response_nonce(t.last.nonce());
    for (const std::string& name : t.names) request.add_resource_names(name);
    return request;
  }

  void Step(uint8_t op) {
    const Type type = kTypes[op & 3];
    PerType& t = types_[op & 3];
    AdsSession::Request request = Answer(type);
    switch ((op >> 2) % 8) {
      case 0:
      case 7:
        t.names = Names();
        request = Answer(type);
        break;
      case 1:
        break;
      case 2:
        request.mutable_error_detail()->set_message("refused");
        break;
      case 3:
        request.set_response_nonce("stale");
        if (session_.status(type).subscribed) {
          CHECK(session_.OnRequest(request) == Event::kStale);
          return;
        }
        break;
      case 4:
        current_ = 1 - current_;
        return;
      case 5:
        request.set_type_url("type.googleapis.com/unknown");
        CHECK(session_.OnRequest(request) == Event::kUnknownType);
        return;
      case 6:
        t.names = {"*"};
        request = Answer(type);
        break;
    }
    [[maybe_unused]] const Event event = session_.OnRequest(request);
  }

  // It says all it has to say in at most one response per type.
  void Drain() {
    for (int i = 0;; ++i) {
      const auto response = session_.Next(*snapshots_[current_]);
      if (!response) return;
      CHECK(i < kTypeCount);
      const auto type = TypeFromUrl(response->type_url());
      CHECK(type && session_.status(*type).subscribed);
      CHECK(!response->nonce().empty());
      PerType& t = types_[static_cast<size_t>(*type)];
      CHECK(response->nonce() != t.last.nonce());
      t.last = *response;
      t.have = true;
    }
  }

  // A node that accepts everything, and asks for nothing else, is in sync in the end.
  void AcceptAll() {
    for (const Type type : kTypes) {
      PerType& t = types_[static_cast<size_t>(type)];
      if (!t.have || !session_.status(type).error.empty()) continue;
      for (int i = 0; i < 3; ++i) {
        [[maybe_unused]] const Event event = session_.OnRequest(Answer(type));
        Drain();
      }
      CHECK(session_.InSync(type, *snapshots_[current_]));
    }
  }

  const uint8_t* const data_;
  const size_t size_;
  size_t at_ = 0;
  const std::array<std::shared_ptr<const Snapshot>, 2> snapshots_ = {Make(1), Make(2)};
  int current_ = 0;
  std::array<PerType, kTypeCount> types_;
  AdsSession session_;
};

}  // namespace
}  // namespace meltemi::control::pilot::ads_session

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  meltemi::control::pilot::ads_session::Script(data, size).Run();
  return 0;
}
