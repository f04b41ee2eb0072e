// Small helpers for filling Envoy protos. Private to control/pilot/translate.
#ifndef MELTEMI_CONTROL_PILOT_TRANSLATE_PROTO_UTIL_H_
#define MELTEMI_CONTROL_PILOT_TRANSLATE_PROTO_UTIL_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace meltemi::control::pilot::translate {

inline void SetDuration(absl::Duration from, google::protobuf::Duration* to) {
  to->set_seconds(absl::ToInt64Seconds(from));
  to->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(from - absl::Seconds(absl::ToInt64Seconds(from)))));
}

// Equal messages give equal bytes, maps included.
inline std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

inline google::protobuf::Any Pack(const google::protobuf::Message& message) {
  google::protobuf::Any any;
  any.set_type_url("type.googleapis.com/" + message.GetDescriptor()->full_name());
  any.set_value(DeterministicBytes(message));
  return any;
}

inline void SetAddress(const std::string& ip, uint32_t port,
                       envoy::config::core::v3::Address* address) {
  address->mutable_socket_address()->set_address(ip);
  address->mutable_socket_address()->set_port_value(port);
}

// "Over the same ADS stream."
inline void SetAds(envoy::config::core::v3::ConfigSource* source) {
  source->mutable_ads();
  source->set_resource_api_version(envoy::config::core::v3::ApiVersion::V3);
}

}  // namespace meltemi::control::pilot::translate

#endif  // MELTEMI_CONTROL_PILOT_TRANSLATE_PROTO_UTIL_H_
