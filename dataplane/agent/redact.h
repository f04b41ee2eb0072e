// Redact: takes what is secret out of a message that is about to be shown to people.
// Pure. Called by config_dump on the thread that asks for a page.
#ifndef MELTEMI_DATAPLANE_AGENT_REDACT_H_
#define MELTEMI_DATAPLANE_AGENT_REDACT_H_

#include <string_view>

#include "google/protobuf/message.h"

namespace meltemi::agent {

inline constexpr std::string_view kRedacted = "[redacted]";  // as Envoy writes it

// Inline texts of private keys, passphrases, ticket keys and generic secrets become kRedacted, also
// inside google.protobuf.Any. Names of files stay.
void Redact(google::protobuf::Message* message);

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_REDACT_H_
