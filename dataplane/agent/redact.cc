#include "dataplane/agent/redact.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "google/protobuf/any.pb.h"

namespace meltemi::agent {
namespace {

using envoy::config::core::v3::DataSource;
using google::protobuf::Any;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Fields of the type DataSource that hold secrets: of TlsCertificate, TlsSessionTicketKeys and
// GenericSecret.
constexpr std::string_view kSecretFields[] = {"private_key", "password", "pkcs12", "keys",
                                              "secret"};

bool IsSecret(const FieldDescriptor& field) {
  return field.message_type() == DataSource::descriptor() &&
         std::find(std::begin(kSecretFields), std::end(kSecretFields), field.name()) !=
             std::end(kSecretFields);
}

void RedactSource(DataSource* source) {
  if (source->has_inline_string() || source->has_inline_bytes()) {
    source->set_inline_string(std::string(kRedacted));
  }
}

// What this binary has no descriptor of is not shown at all: it cannot be printed as JSON.
void RedactAny(Any* any) {
  std::string name;
  if (!Any::ParseAnyTypeUrl(any->type_url(), &name)) return;
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) return;
  const std::unique_ptr<Message> inner(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!any->UnpackTo(inner.get())) return;
  Redact(inner.get());
  any->PackFrom(*inner);
}

void RedactField(const FieldDescriptor& field, Message* message) {
  if (IsSecret(field)) {
    RedactSource(static_cast<DataSource*>(message));
  } else {
    Redact(message);
  }
}

}  // namespace

void Redact(Message* message) {
  if (message->GetDescriptor() == Any::descriptor()) return RedactAny(static_cast<Any*>(message));
  const auto* reflection = message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      RedactField(*field, reflection->MutableMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      RedactField(*field, reflection->MutableRepeatedMessage(message, field, i));
    }
  }
}

}  // namespace meltemi::agent
