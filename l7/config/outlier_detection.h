// Outlier detection of a cluster, compiled (envoy.config.cluster.v3.OutlierDetection, whose names
// and defaults these are). Values only; l7/cluster does the detecting.
#ifndef MELTEMI_L7_CONFIG_OUTLIER_DETECTION_H_
#define MELTEMI_L7_CONFIG_OUTLIER_DETECTION_H_

#include <cstdint>

#include "l7/base/time.h"

namespace meltemi::config {

// enforcing_...: chance that what was detected ejects, in percent.
struct OutlierDetection {
  // Errors in a row; 0 of them: never.
  uint32_t consecutive_5xx = 5, enforcing_5xx = 100;
  uint32_t consecutive_gateway = 5, enforcing_gateway = 0;  // consecutive_gateway_failure
  uint32_t consecutive_local = 5, enforcing_local = 100;    // consecutive_local_origin_failure
  bool split_local = false;                                 // split_external_local_origin_errors
  // Below the mean of the hosts by so many standard deviations, in thousandths.
  uint32_t success_rate_stdev_factor = 1900;
  uint32_t success_rate_minimum_hosts = 5, success_rate_request_volume = 100;
  uint32_t enforcing_success_rate = 100;
  uint32_t enforcing_local_success_rate = 100;  // enforcing_local_origin_success_rate
  // So many percent of the answers are failures, or more.
  uint32_t failure_percentage_threshold = 85;
  uint32_t failure_percentage_minimum_hosts = 5, failure_percentage_request_volume = 50;
  uint32_t enforcing_failure_percentage = 0;
  uint32_t enforcing_local_failure_percentage = 0;  // enforcing_failure_percentage_local_origin
  Duration interval = Duration::Seconds(10);
  Duration base_ejection_time = Duration::Seconds(30);
  Duration max_ejection_time = Duration::Seconds(300);
  Duration max_ejection_time_jitter;
  uint32_t ejection_percent_max = 10;  // max_ejection_percent
  bool always_eject_one = false;       // always_eject_one_host
  bool check_unejects = true;          // successful_active_health_check_uneject_host
};

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_OUTLIER_DETECTION_H_
