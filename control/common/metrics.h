// Prometheus metrics of a control-plane process: counters, gauges and histograms by name and
// labels. Any thread; one mutex, for these are counted per push or per request, never per packet.
// Bounded by the label values the program chooses, which must never come from a peer.
#ifndef MELTEMI_CONTROL_COMMON_METRICS_H_
#define MELTEMI_CONTROL_COMMON_METRICS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace meltemi::control::common {

class Metrics {
 public:
  enum class Kind { kCounter, kGauge, kHistogram };

  // Declares a metric; with `buckets` (upper bounds, ascending) for histograms. Labels are written
  // as in the text format: `type="cds"`.
  void Declare(const std::string& name, Kind kind, const std::string& help,
               std::vector<double> buckets = {});
  void Add(const std::string& name, double value, const std::string& labels = "");
  void Set(const std::string& name, double value, const std::string& labels = "");
  void Observe(const std::string& name, double value, const std::string& labels = "");
  // The Prometheus text format, sorted by name and labels.
  std::string Text() const;

 private:
  struct Series {
    double value = 0;  // of counters and gauges; the sum of a histogram
    uint64_t count = 0;
    std::vector<uint64_t> buckets;
  };
  struct Metric {
    Kind kind = Kind::kCounter;
    std::string help;
    std::vector<double> bounds;
    std::map<std::string, Series> series;
  };

  mutable absl::Mutex mutex_;
  std::map<std::string, Metric> metrics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_METRICS_H_
