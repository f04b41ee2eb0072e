#include "l7/config/field_table.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/config/field_error.h"

namespace meltemi::config {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

FieldTable::FieldTable() {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const MessageFields& entry : SupportedFields()) {
    const Descriptor* descriptor = pool->FindMessageTypeByName(std::string(entry.message));
    CHECK(descriptor != nullptr);
    Fields& fields = messages_[descriptor];
    for (const absl::string_view name :
         absl::StrSplit(Abs(entry.supported), ' ', absl::SkipEmpty())) {
      const FieldDescriptor* field = descriptor->FindFieldByName(std::string(name));
      CHECK(field != nullptr);
      fields[field->number()] = Support::kImplemented;
    }
    for (const IgnoredField& ignored : entry.ignored) {
      const FieldDescriptor* field = descriptor->FindFieldByName(std::string(ignored.name));
      CHECK(field != nullptr);
      fields[field->number()] = Support::kIgnored;
    }
  }
}

absl::Status FieldTable::Check(const Message& message) const {
  const auto found = messages_.find(message.GetDescriptor());
  if (found == messages_.end()) {
    return Invalid("", Cat(message.GetDescriptor()->full_name(), " is not supported"));
  }
  const auto* reflection = message.GetReflection();
  const auto& unknown = reflection->GetUnknownFields(message);
  if (unknown.field_count() > 0) {
    return Invalid("", Cat("field number ", unknown.field(0).number(), " of ",
                           message.GetDescriptor()->full_name(), " is not known"));
  }
  std::vector<const FieldDescriptor*> set;
  reflection->ListFields(message, &set);
  for (const FieldDescriptor* field : set) {
    const auto support = found->second.find(field->number());
    if (support == found->second.end()) return Invalid(field->name(), "not supported");
    if (support->second == Support::kImplemented) RETURN_IF_ERROR(CheckField(message, *field));
  }
  return absl::OkStatus();
}

absl::Status FieldTable::CheckField(const Message& message, const FieldDescriptor& field) const {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field.is_map()) {
    return absl::OkStatus();
  }
  if (absl::StartsWith(field.message_type()->full_name(), "google.protobuf.")) {
    return absl::OkStatus();
  }
  const auto* reflection = message.GetReflection();
  if (!field.is_repeated()) {
    RETURN_IF_ERROR_AT(field.name(), Check(reflection->GetMessage(message, &field)));
    return absl::OkStatus();
  }
  for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
    RETURN_IF_ERROR_AT(Indexed(field.name(), i),
                       Check(reflection->GetRepeatedMessage(message, &field, i)));
  }
  return absl::OkStatus();
}

}  // namespace meltemi::config
