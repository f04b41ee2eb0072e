// A control plane for tests of the agent: a real gRPC server on the loopback that remembers what it
// was asked and says what it is told to. It can die and come back on its port. Test code only;
// every wait is for a condition, and bounded by kPatience only so that a broken agent ends the
// test.
#ifndef MELTEMI_DATAPLANE_AGENT_TESTING_ADS_SERVER_H_
#define MELTEMI_DATAPLANE_AGENT_TESTING_ADS_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "dataplane/agent/ads_state.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "l7/base/text.h"

namespace meltemi::agent::testing {

inline constexpr absl::Duration kPatience = absl::Seconds(60);

class AdsServer {
 public:
  explicit AdsServer(
      std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials())
      : credentials_(std::move(credentials)) {
    Start();
  }
  ~AdsServer() { Stop(); }

  std::string target() const { return Cat("127.0.0.1:", port_); }

  void Start() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(target(), credentials_, &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ != nullptr) port_ = port;
  }
  // Streams end at once, as with a process that is killed.
  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  // The oldest request not yet taken; an empty one when none comes.
  DiscoveryRequest Take() {
    const absl::MutexLock lock(&service_.mutex);
    const auto some = [this] { return !service_.requests.empty(); };
    if (!service_.mutex.AwaitWithTimeout(absl::Condition(&some), kPatience)) return {};
    DiscoveryRequest request = std::move(service_.requests.front());
    service_.requests.pop_front();
    return request;
  }
  // Requests not yet taken.
  size_t Count() {
    const absl::MutexLock lock(&service_.mutex);
    return service_.requests.size();
  }
  // On the youngest stream; false: there is none.
  bool Send(const DiscoveryResponse& response) {
    const absl::MutexLock lock(&service_.mutex);
    return service_.stream != nullptr && service_.stream->Write(response);
  }

 private:
  using Stream = grpc::ServerReaderWriter<DiscoveryResponse, DiscoveryRequest>;
  struct Service final : public envoy::service::discovery::v3::AggregatedDiscoveryService::Service {
    grpc::Status StreamAggregatedResources(grpc::ServerContext*, Stream* own) override {
      {
        const absl::MutexLock lock(&mutex);
        stream = own;
        requests.clear();
      }
      DiscoveryRequest request;
      while (own->Read(&request)) {
        const absl::MutexLock lock(&mutex);
        requests.push_back(std::move(request));
      }
      const absl::MutexLock lock(&mutex);
      if (stream == own) stream = nullptr;
      return grpc::Status::OK;
    }

    absl::Mutex mutex;
    Stream* stream = nullptr;
    std::deque<DiscoveryRequest> requests;
  };

  Service service_;
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace meltemi::agent::testing

#endif  // MELTEMI_DATAPLANE_AGENT_TESTING_ADS_SERVER_H_
