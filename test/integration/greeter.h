// What the programs of greeter.cc say to each other: messages that are plain bytes, as in
// greeter.py, without generated code.
#ifndef MELTEMI_TEST_INTEGRATION_GREETER_MESSAGE_H_
#define MELTEMI_TEST_INTEGRATION_GREETER_MESSAGE_H_

#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <string>
#include <vector>

namespace grpc {

/// A message is its bytes.
template <>
class SerializationTraits<std::string, void> {
 public:
  static Status Serialize(const std::string& message, ByteBuffer* buffer, bool* own_buffer) {
    Slice slice(message);
    *buffer = ByteBuffer(&slice, 1);
    *own_buffer = true;
    return Status::OK;
  }
  static Status Deserialize(ByteBuffer* buffer, std::string* message) {
    std::vector<Slice> slices;
    if (!buffer->Dump(&slices).ok()) {
      return {StatusCode::INTERNAL, "no message"};
    }
    message->clear();
    for (const Slice& slice : slices) {
      message->append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return Status::OK;
  }
};

}  // namespace grpc

namespace meltemi::greeter {

inline constexpr int kPieces = 100;  // of 1 MB: a stream of 100 MB
inline constexpr size_t kPieceBytes = 1'000'000;

inline std::string Piece(int number) { return std::string(kPieceBytes, static_cast<char>(number)); }

/// Until SIGTERM, and what is under way then. The exit status.
int Serve(const std::string& port);

/// Calls from many connections for so long; prints what of them failed. The exit status.
int Load(const std::string& target, int seconds);

}  // namespace meltemi::greeter

#endif  // MELTEMI_TEST_INTEGRATION_GREETER_MESSAGE_H_
