// Outlier detection: all of Envoy's fields but `monitors`.
#include <algorithm>
#include <iterator>

#include "envoy/config/cluster/v3/outlier_detection.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"

namespace meltemi::config {
namespace {

using FromOutlier = envoy::config::cluster::v3::OutlierDetection;
using google::protobuf::UInt32Value;

constexpr Duration kLongest = Duration::Seconds(int64_t{365} * 24 * 3600);

// A number of the API, where it goes, and what it may be.
struct Number {
  std::string_view field;
  bool given;
  uint32_t value;
  uint32_t* to;
};

#define MELTEMI_NUMBER(name, to) \
  Number { #name, from.has_##name(), from.name().value(), &(to) }

absl::Status CompilePercents(const FromOutlier& from, OutlierDetection* to) {
  const Number percents[] = {
      MELTEMI_NUMBER(enforcing_consecutive_5xx, to->enforcing_5xx),
      MELTEMI_NUMBER(enforcing_consecutive_gateway_failure, to->enforcing_gateway),
      MELTEMI_NUMBER(enforcing_consecutive_local_origin_failure, to->enforcing_local),
      MELTEMI_NUMBER(enforcing_success_rate, to->enforcing_success_rate),
      MELTEMI_NUMBER(enforcing_local_origin_success_rate, to->enforcing_local_success_rate),
      MELTEMI_NUMBER(enforcing_failure_percentage, to->enforcing_failure_percentage),
      MELTEMI_NUMBER(enforcing_failure_percentage_local_origin,
                     to->enforcing_local_failure_percentage),
      MELTEMI_NUMBER(failure_percentage_threshold, to->failure_percentage_threshold),
      MELTEMI_NUMBER(max_ejection_percent, to->ejection_percent_max),
  };
  for (const Number& percent : percents) {
    if (!percent.given) continue;
    if (percent.value > 100) return Invalid(percent.field, "must be at most 100");
    *percent.to = percent.value;
  }
  return absl::OkStatus();
}

void CompileCounts(const FromOutlier& from, OutlierDetection* to) {
  const Number counts[] = {
      MELTEMI_NUMBER(consecutive_5xx, to->consecutive_5xx),
      MELTEMI_NUMBER(consecutive_gateway_failure, to->consecutive_gateway),
      MELTEMI_NUMBER(consecutive_local_origin_failure, to->consecutive_local),
      MELTEMI_NUMBER(success_rate_minimum_hosts, to->success_rate_minimum_hosts),
      MELTEMI_NUMBER(success_rate_request_volume, to->success_rate_request_volume),
      MELTEMI_NUMBER(success_rate_stdev_factor, to->success_rate_stdev_factor),
      MELTEMI_NUMBER(failure_percentage_minimum_hosts, to->failure_percentage_minimum_hosts),
      MELTEMI_NUMBER(failure_percentage_request_volume, to->failure_percentage_request_volume),
  };
  for (const Number& count : counts) {
    if (count.given) *count.to = count.value;
  }
}

#undef MELTEMI_NUMBER

// Longer ejections are a mistake, and their multiples must have room in 64 bits.
absl::Status CompileTime(std::string_view field, const google::protobuf::Duration& from,
                         Duration* to) {
  ASSIGN_OR_RETURN_AT(*to, field, CompileDuration(from));
  if (*to > kLongest) return Invalid(field, "must be at most one year");
  return absl::OkStatus();
}

absl::Status CompilePositive(std::string_view field, const google::protobuf::Duration& from,
                             Duration* to) {
  RETURN_IF_ERROR(CompileTime(field, from, to));
  if (to->zero()) return Invalid(field, "must be above 0");
  return absl::OkStatus();
}

absl::Status CompileTimes(const FromOutlier& from, OutlierDetection* to) {
  if (from.has_interval()) {
    RETURN_IF_ERROR(CompilePositive("interval", from.interval(), &to->interval));
  }
  if (from.has_base_ejection_time()) {
    RETURN_IF_ERROR(
        CompilePositive("base_ejection_time", from.base_ejection_time(), &to->base_ejection_time));
  }
  if (from.has_max_ejection_time()) {
    RETURN_IF_ERROR(
        CompilePositive("max_ejection_time", from.max_ejection_time(), &to->max_ejection_time));
    if (to->max_ejection_time < to->base_ejection_time) {
      return Invalid("max_ejection_time", "must not be below base_ejection_time");
    }
  }
  to->max_ejection_time = std::max(to->max_ejection_time, to->base_ejection_time);
  if (from.has_max_ejection_time_jitter()) {
    RETURN_IF_ERROR(CompileTime("max_ejection_time_jitter", from.max_ejection_time_jitter(),
                                &to->max_ejection_time_jitter));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CompileOutlierDetection(const FromOutlier& from, OutlierDetection* to) {
  CompileCounts(from, to);
  RETURN_IF_ERROR(CompilePercents(from, to));
  RETURN_IF_ERROR(CompileTimes(from, to));
  to->split_local = from.split_external_local_origin_errors();
  to->always_eject_one = from.always_eject_one_host().value();
  if (from.has_successful_active_health_check_uneject_host()) {
    to->check_unejects = from.successful_active_health_check_uneject_host().value();
  }
  return absl::OkStatus();
}

}  // namespace meltemi::config
