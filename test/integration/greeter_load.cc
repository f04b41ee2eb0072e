// Load for a rollout: unary calls back to back, and streams that last, each from a connection of
// its own. What failed is printed with its status.
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/integration/greeter.h"

namespace meltemi::greeter {
namespace {

using grpc::ClientContext;
using grpc::Status;
using grpc::internal::RpcMethod;
using std::chrono::steady_clock;

constexpr int kCallers = 4;
constexpr int kListeners = 4;
constexpr int kTicks = 30;  // of a stream: some 300 ms

struct Tally {
  std::mutex mutex;
  int good = 0;
  std::map<std::string, int> bad;  // by status

  void Add(const Status& status, bool whole) {
    const std::lock_guard lock(mutex);
    if (status.ok() && whole) {
      ++good;
    } else {
      ++bad[std::to_string(status.error_code()) + " " + status.error_message()];
    }
  }
};

std::shared_ptr<grpc::Channel> OwnConnection(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

void Call(const std::string& target, steady_clock::time_point until, Tally* tally) {
  const std::shared_ptr<grpc::Channel> channel = OwnConnection(target);
  while (steady_clock::now() < until) {
    ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    std::string reply;
    const Status status = grpc::internal::BlockingUnaryCall(
        channel.get(), RpcMethod("/meltemi.test.Greeter/Unary", RpcMethod::NORMAL_RPC, channel),
        &context, std::string("load"), &reply);
    tally->Add(status, reply == "hello load");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void Listen(const std::string& target, steady_clock::time_point until, Tally* tally) {
  const std::shared_ptr<grpc::Channel> channel = OwnConnection(target);
  while (steady_clock::now() < until) {
    ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const std::unique_ptr<grpc::ClientReader<std::string>> reader(
        grpc::internal::ClientReaderFactory<std::string>::Create(
            channel.get(),
            RpcMethod("/meltemi.test.Greeter/Ticks", RpcMethod::SERVER_STREAMING, channel),
            &context, std::to_string(kTicks)));
    std::string message;
    int heard = 0;
    while (reader->Read(&message)) {
      ++heard;
    }
    tally->Add(reader->Finish(), heard == kTicks);
  }
}

}  // namespace

int Load(const std::string& target, int seconds) {
  Tally tally;
  const auto until = steady_clock::now() + std::chrono::seconds(seconds);
  std::vector<std::thread> threads;
  for (int i = 0; i < kCallers; ++i) {
    threads.emplace_back(Call, target, until, &tally);
  }
  for (int i = 0; i < kListeners; ++i) {
    threads.emplace_back(Listen, target, until, &tally);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  int failed = 0;
  for (const auto& [what, times] : tally.bad) {
    failed += times;
    std::fprintf(stderr, "%d x %s\n", times, what.c_str());
  }
  std::printf("{\"good\": %d, \"failed\": %d}\n", tally.good, failed);
  return 0;
}

}  // namespace meltemi::greeter
