// The greeter of greeter.py on gRPC C++: the same service, the same client, the same line of JSON.
//
//   greeter serve PORT
//   greeter call TARGET
//   greeter load TARGET SECONDS   calls of two kinds from many connections; what of them failed
#include "test/integration/greeter.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/support/sync_stream.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace meltemi::greeter {
namespace {

using grpc::ClientContext;
using grpc::Status;
using grpc::internal::RpcMethod;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTogether = 1000;

std::chrono::system_clock::time_point In(milliseconds time) {
  return std::chrono::system_clock::now() + time;
}

class Client {
 public:
  explicit Client(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  Status Unary(const char* path, const std::string& request, std::string* reply,
               ClientContext* context) const {
    return grpc::internal::BlockingUnaryCall(
        channel_.get(), RpcMethod(path, RpcMethod::NORMAL_RPC, channel_), context, request, reply);
  }
  /// The status, and nothing of the answer.
  Status StatusOf(const char* path, const std::string& request, milliseconds timeout) const {
    ClientContext context;
    context.set_deadline(In(timeout));
    std::string reply;
    return Unary(path, request, &reply, &context);
  }
  std::unique_ptr<grpc::ClientReader<std::string>> Read(const char* path,
                                                        const std::string& request,
                                                        ClientContext* context) const {
    return std::unique_ptr<grpc::ClientReader<std::string>>(
        grpc::internal::ClientReaderFactory<std::string>::Create(
            channel_.get(), RpcMethod(path, RpcMethod::SERVER_STREAMING, channel_), context,
            request));
  }
  std::unique_ptr<grpc::ClientWriter<std::string>> Write(const char* path, ClientContext* context,
                                                         std::string* reply) const {
    return std::unique_ptr<grpc::ClientWriter<std::string>>(
        grpc::internal::ClientWriterFactory<std::string>::Create(
            channel_.get(), RpcMethod(path, RpcMethod::CLIENT_STREAMING, channel_), context,
            reply));
  }
  std::unique_ptr<grpc::ClientReaderWriter<std::string, std::string>> Both(
      const char* path, ClientContext* context) const {
    return std::unique_ptr<grpc::ClientReaderWriter<std::string, std::string>>(
        grpc::internal::ClientReaderWriterFactory<std::string, std::string>::Create(
            channel_.get(), RpcMethod(path, RpcMethod::BIDI_STREAMING, channel_), context));
  }
  bool EndedAtServer(const std::string& key) const {
    for (int i = 0; i < 200; ++i) {
      ClientContext context;
      context.set_deadline(In(seconds(5)));
      std::string reply;
      if (Unary("/meltemi.test.Greeter/Ended", key, &reply, &context).ok() && reply == "yes") {
        return true;
      }
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
};

// Of the line of JSON. Values are JSON already.
using Results = std::map<std::string, std::string>;

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string CodeName(const Status& status) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return Quoted(kNames[status.error_code()]);
}

std::string Both(const Status& status) {
  return "[" + CodeName(status) + ", " + Quoted(status.error_message()) + "]";
}

std::string Hex(const grpc::string_ref& bytes) {
  std::string text;
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    text += digits;
  }
  return text;
}

template <typename Metadata>
std::string Hexed(const Metadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  return found == metadata.end() ? "" : Hex(found->second);
}

template <typename Metadata>
std::string Said(const Metadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

void CallUnary(const Client& client, Results& results) {
  ClientContext context;
  context.set_deadline(In(seconds(10)));
  context.AddMetadata("x-asked", "who is there");
  context.AddMetadata("x-raw-bin", std::string("\0\1\xfe\xff", 4));
  std::string reply;
  const Status status = client.Unary("/meltemi.test.Greeter/Unary", "mesh", &reply, &context);
  results["unary"] = Quoted(status.ok() ? reply : status.error_message());
  results["initial"] = Quoted(Said(context.GetServerInitialMetadata(), "x-heard"));
  results["trailing"] = Quoted(Said(context.GetServerTrailingMetadata(), "x-served-by"));
  results["binary"] = Quoted(Hexed(context.GetServerTrailingMetadata(), "x-raw-bin"));
  ClientContext second;
  second.set_deadline(In(seconds(20)));
  client.Unary("/meltemi.test.Greeter/Unary", std::string(2'000'000, 'x'), &reply, &second);
  results["big"] = std::to_string(reply.size());
}

void CallStreams(const Client& client, Results& results) {
  ClientContext down_context;
  std::string message;
  int streamed = 0;
  const auto reader = client.Read("/meltemi.test.Greeter/ServerStream", "1000", &down_context);
  while (reader->Read(&message)) {
    ++streamed;
  }
  results["server_stream"] = reader->Finish().ok() ? std::to_string(streamed) : "-1";

  ClientContext up_context;
  const auto writer = client.Write("/meltemi.test.Greeter/ClientStream", &up_context, &message);
  for (const char* part : {"a", "b", "c"}) {
    writer->Write(part);
  }
  writer->WritesDone();
  results["client_stream"] = writer->Finish().ok() ? Quoted(message) : "null";

  // One message at a time, each after the answer to the one before: nothing may be held back.
  ClientContext both_context;
  const auto both = client.Both("/meltemi.test.Greeter/BothStreams", &both_context);
  std::string answers;
  for (const char* word : {"one", "two", "three"}) {
    both->Write(word);
    both->Read(&message);
    answers += (answers.empty() ? "" : ", ") + Quoted(message);
  }
  both->WritesDone();
  results["both_streams"] = both->Finish().ok() ? "[" + answers + "]" : "null";
}

void CallForEnds(const Client& client, const std::string& key, Results& results) {
  results["fails"] = Both(client.StatusOf("/meltemi.test.Greeter/Fails", "", seconds(10)));
  results["unknown"] = CodeName(client.StatusOf("/meltemi.test.Greeter/No", "", seconds(10)));
  const std::string slow = "slow " + key;
  results["deadline"] =
      CodeName(client.StatusOf("/meltemi.test.Greeter/Slow", slow, milliseconds(300)));
  results["deadline_ends_server"] = client.EndedAtServer(slow) ? "true" : "false";
  ClientContext timed;
  timed.set_deadline(In(seconds(7)));
  std::string message;
  client.Unary("/meltemi.test.Greeter/Deadline", "", &message, &timed);
  const int left = std::atoi(message.c_str());
  results["deadline_at_server"] = left > 5000 && left <= 7100 ? "true" : Quoted(message);

  ClientContext cancelled;
  const std::string endless = "endless " + key;
  const auto reader = client.Read("/meltemi.test.Greeter/Endless", endless, &cancelled);
  for (int i = 0; i < 3; ++i) {
    reader->Read(&message);
  }
  cancelled.TryCancel();
  while (reader->Read(&message)) {
  }
  results["cancel"] = CodeName(reader->Finish());
  results["cancel_ends_server"] = client.EndedAtServer(endless) ? "true" : "false";

  ClientContext given_up;
  const auto both = client.Both("/meltemi.test.Greeter/GivesUp", &given_up);
  both->Write("word");
  both->Read(&message);
  for (int i = 0; i < 1000 && both->Write(message); ++i) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  results["server_gives_up"] = Both(both->Finish());
}

void CallLong(const Client& client, Results& results) {
  ClientContext down_context;
  std::string message;
  int good = 0;
  const auto reader =
      client.Read("/meltemi.test.Greeter/Down", std::to_string(kPieces), &down_context);
  for (int i = 0; reader->Read(&message); ++i) {
    good += message == Piece(i) ? 1 : 0;
  }
  results["mb_down"] = reader->Finish().ok() ? std::to_string(good) : "-1";
  ClientContext up_context;
  const auto writer = client.Write("/meltemi.test.Greeter/Up", &up_context, &message);
  for (int i = 0; i < kPieces; ++i) {
    writer->Write(Piece(i));
  }
  writer->WritesDone();
  results["mb_up"] = writer->Finish().ok() ? message : "-1";
}

// All on the one connection of the channel; each is answered when all have come.
void CallTogether(const Client& client, Results& results) {
  struct Call {
    ClientContext context;
    grpc::ByteBuffer reply;
    Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  };
  grpc::GenericStub stub(client.channel());
  grpc::CompletionQueue queue;
  grpc::Slice slice(std::to_string(kTogether));
  const grpc::ByteBuffer request(&slice, 1);
  std::vector<Call> calls(kTogether);
  for (Call& call : calls) {
    call.context.set_deadline(In(seconds(25)));
    call.reader =
        stub.PrepareUnaryCall(&call.context, "/meltemi.test.Greeter/Together", request, &queue);
    call.reader->StartCall();
    call.reader->Finish(&call.reply, &call.status, &call);
  }
  int all = 0;
  for (int i = 0; i < kTogether; ++i) {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    Call& call = *static_cast<Call*>(tag);
    std::string reply;
    all += call.status.ok() &&
                   grpc::SerializationTraits<std::string>::Deserialize(&call.reply, &reply).ok() &&
                   reply == "yes"
               ? 1
               : 0;
  }
  results["together"] = std::to_string(all);
}

int CallAll(const std::string& target) {
  const Client client(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  Results results;
  CallUnary(client, results);
  CallStreams(client, results);
  CallForEnds(client, "c++" + std::to_string(getpid()), results);
  CallLong(client, results);
  CallTogether(client, results);
  const char* between = "{";
  for (const auto& [name, value] : results) {
    std::printf("%s\"%s\": %s", between, name.c_str(), value.c_str());
    between = ", ";
  }
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace meltemi::greeter

int main(int argc, char** argv) {
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what == "serve") {
    return meltemi::greeter::Serve(argv[2]);
  }
  if (what == "call") {
    return meltemi::greeter::CallAll(argv[2]);
  }
  if (what == "load" && argc == 4) {
    return meltemi::greeter::Load(argv[2], std::atoi(argv[3]));
  }
  std::fprintf(stderr, "greeter serve PORT | call TARGET | load TARGET SECONDS\n");
  return 2;
}
