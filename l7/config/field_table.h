// FieldTable: which fields of Envoy's messages we implement, and which ones may be set without any
// effect, each with the reason. Everything else that is set in a resource is refused by name: a
// rule that silently does nothing is worse than one that is rejected.
//
// Owns the table, immutable after construction. Must not know: snapshots. Called by the compiler,
// on control threads. Bounded by the nesting limit of protobuf's parser (100).
#ifndef MELTEMI_L7_CONFIG_FIELD_TABLE_H_
#define MELTEMI_L7_CONFIG_FIELD_TABLE_H_

#include <span>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace meltemi::config {

struct IgnoredField {
  std::string_view name;
  std::string_view reason;  // why it may be set without effect
};

struct MessageFields {
  std::string_view message;    // full name
  std::string_view supported;  // field names, separated by spaces
  std::span<const IgnoredField> ignored;
};

// The table as written down, for tests and documentation.
std::span<const MessageFields> SupportedFields();

class FieldTable {
 public:
  FieldTable();

  // Refuses any field set in `message`, at any depth, that is not in the table. google.protobuf.Any
  // and other well-known types are leaves: whoever unpacks an Any checks its content.
  absl::Status Check(const google::protobuf::Message& message) const;

 private:
  enum class Support : uint8_t { kImplemented, kIgnored };
  using Fields = absl::flat_hash_map<int, Support>;  // by field number

  absl::Status CheckField(const google::protobuf::Message& message,
                          const google::protobuf::FieldDescriptor& field) const;

  absl::flat_hash_map<const google::protobuf::Descriptor*, Fields> messages_;
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_FIELD_TABLE_H_
