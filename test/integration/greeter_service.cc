// The service of greeter.py on gRPC C++; the classes are what generated code would use.
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/sync_stream.h>

#include <cctype>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "test/integration/greeter.h"

namespace meltemi::greeter {
namespace {

using grpc::ServerContext;
using grpc::Status;
using grpc::StatusCode;
using grpc::internal::RpcMethod;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Reader = grpc::ServerReader<std::string>;
using Writer = grpc::ServerWriter<std::string>;
using Both = grpc::ServerReaderWriter<std::string, std::string>;

class Greeter final : public grpc::Service {
 public:
  Greeter() {
    AddUnary("/meltemi.test.Greeter/Unary", &Greeter::Unary);
    AddUnary("/meltemi.test.Greeter/Fails", &Greeter::Fails);
    AddUnary("/meltemi.test.Greeter/Slow", &Greeter::Slow);
    AddUnary("/meltemi.test.Greeter/Ended", &Greeter::Ended);
    AddUnary("/meltemi.test.Greeter/Deadline", &Greeter::Deadline);
    AddUnary("/meltemi.test.Greeter/Together", &Greeter::Together);
    AddServerStream("/meltemi.test.Greeter/ServerStream", &Greeter::ServerStream);
    AddServerStream("/meltemi.test.Greeter/Endless", &Greeter::Endless);
    AddServerStream("/meltemi.test.Greeter/Down", &Greeter::Down);
    AddServerStream("/meltemi.test.Greeter/Ticks", &Greeter::Ticks);
    AddClientStream("/meltemi.test.Greeter/ClientStream", &Greeter::ClientStream);
    AddClientStream("/meltemi.test.Greeter/Up", &Greeter::Up);
    AddBothStreams("/meltemi.test.Greeter/BothStreams", &Greeter::BothStreams);
    AddBothStreams("/meltemi.test.Greeter/GivesUp", &Greeter::GivesUp);
  }

 private:
  using Text = std::string;

  // gRPC owns the methods and their handlers.
  void AddUnary(const char* name, Status (Greeter::*method)(ServerContext*, const Text*, Text*)) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        name, RpcMethod::NORMAL_RPC,
        new grpc::internal::RpcMethodHandler<Greeter, Text, Text>(
            [method](Greeter* self, ServerContext* context, const Text* request, Text* reply) {
              return (self->*method)(context, request, reply);
            },
            this)));
  }
  void AddServerStream(const char* name,
                       Status (Greeter::*method)(ServerContext*, const Text*, Writer*)) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        name, RpcMethod::SERVER_STREAMING,
        new grpc::internal::ServerStreamingHandler<Greeter, Text, Text>(
            [method](Greeter* self, ServerContext* context, const Text* request, Writer* writer) {
              return (self->*method)(context, request, writer);
            },
            this)));
  }
  void AddClientStream(const char* name,
                       Status (Greeter::*method)(ServerContext*, Reader*, Text*)) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        name, RpcMethod::CLIENT_STREAMING,
        new grpc::internal::ClientStreamingHandler<Greeter, Text, Text>(
            [method](Greeter* self, ServerContext* context, Reader* reader, Text* reply) {
              return (self->*method)(context, reader, reply);
            },
            this)));
  }
  void AddBothStreams(const char* name, Status (Greeter::*method)(ServerContext*, Both*)) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        name, RpcMethod::BIDI_STREAMING,
        new grpc::internal::BidiStreamingHandler<Greeter, Text, Text>(
            [method](Greeter* self, ServerContext* context, Both* stream) {
              return (self->*method)(context, stream);
            },
            this)));
  }

  Status Unary(ServerContext* context, const Text* request, Text* reply) {
    context->AddTrailingMetadata("x-served-by", "greeter");
    for (const auto& [name, value] : context->client_metadata()) {
      const std::string text(value.data(), value.size());
      if (name == "x-asked") {
        context->AddInitialMetadata("x-heard", text);
      } else if (name == "x-raw-bin") {
        context->AddTrailingMetadata("x-raw-bin", text);
      }
    }
    *reply = "hello " + *request;
    return Status::OK;
  }

  Status Fails(ServerContext*, const Text*, Text*) {
    return {StatusCode::NOT_FOUND, "no such greeting: 100 %"};
  }

  Status Slow(ServerContext* context, const Text* key, Text* reply) {
    WaitForEnd(context, *key, seconds(5), [] { return true; });
    *reply = "late";
    return Status::OK;
  }

  Status Endless(ServerContext* context, const Text* key, Writer* writer) {
    WaitForEnd(context, *key, seconds(10), [writer] { return writer->Write("tick"); });
    return Status::OK;
  }

  // Until the client no longer wants it, which Ended tells.
  template <typename Step>
  void WaitForEnd(ServerContext* context, const Text& key, seconds most, Step step) {
    const auto until = std::chrono::steady_clock::now() + most;
    while (!context->IsCancelled() && step() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    if (context->IsCancelled()) {
      const std::lock_guard lock(mutex_);
      ended_.insert(key);
    }
  }

  Status Ended(ServerContext*, const Text* key, Text* reply) {
    const std::lock_guard lock(mutex_);
    *reply = ended_.contains(*key) ? "yes" : "no";
    return Status::OK;
  }

  Status Deadline(ServerContext* context, const Text*, Text* reply) {
    *reply = std::to_string(std::chrono::duration_cast<milliseconds>(
                                context->deadline() - std::chrono::system_clock::now())
                                .count());
    return Status::OK;
  }

  // Answered when as many calls as the request says are here at once.
  Status Together(ServerContext*, const Text* request, Text* reply) {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++waiting_ == std::stoi(*request)) {
      waiting_ = 0;
      ++round_;
      all_here_.notify_all();
    }
    const bool all = all_here_.wait_for(lock, seconds(20), [&] { return round_ != round; });
    *reply = all ? "yes" : "no";
    return Status::OK;
  }

  Status ServerStream(ServerContext*, const Text* request, Writer* writer) {
    for (int i = 0; i < std::stoi(*request); ++i) {
      writer->Write(std::to_string(i));
    }
    return Status::OK;
  }

  Status Ticks(ServerContext*, const Text* request, Writer* writer) {
    for (int i = 0; i < std::stoi(*request); ++i) {
      writer->Write("tick");
      std::this_thread::sleep_for(milliseconds(10));
    }
    return Status::OK;
  }

  Status Down(ServerContext*, const Text* request, Writer* writer) {
    for (int i = 0; i < std::stoi(*request); ++i) {
      writer->Write(Piece(i));
    }
    return Status::OK;
  }

  Status ClientStream(ServerContext*, Reader* reader, Text* reply) {
    Text part;
    while (reader->Read(&part)) {
      *reply += (reply->empty() ? "" : ",") + part;
    }
    return Status::OK;
  }

  Status Up(ServerContext*, Reader* reader, Text* reply) {
    Text part;
    int good = 0;
    for (int i = 0; reader->Read(&part); ++i) {
      good += part == Piece(i) ? 1 : 0;
    }
    *reply = std::to_string(good);
    return Status::OK;
  }

  Status BothStreams(ServerContext*, Both* stream) {
    Text word;
    while (stream->Read(&word)) {
      for (char& letter : word) {
        letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
      }
      stream->Write(word);
    }
    return Status::OK;
  }

  Status GivesUp(ServerContext*, Both* stream) {
    Text word;
    stream->Read(&word);
    stream->Write(word);
    return {StatusCode::ABORTED, "enough"};
  }

  std::mutex mutex_;
  std::set<std::string> ended_;
  std::condition_variable all_here_;
  int waiting_ = 0;
  int round_ = 0;
};

}  // namespace

int Serve(const std::string& port) {
  // SIGTERM is waited for on its own thread: what is under way ends, nothing new begins.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  Greeter greeter;
  grpc::ServerBuilder builder;
  int bound = 0;
  builder.AddListeningPort("0.0.0.0:" + port, grpc::InsecureServerCredentials(), &bound);
  builder.RegisterService(&greeter);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || bound == 0) {
    std::fprintf(stderr, "cannot listen on port %s\n", port.c_str());
    return 1;
  }
  int number = 0;
  sigwait(&ends, &number);
  server->Shutdown(std::chrono::system_clock::now() + seconds(5));
  return 0;
}

}  // namespace meltemi::greeter
