#include "control/common/metrics.h"

#include "absl/strings/str_cat.h"

namespace meltemi::control::common {
namespace {

std::string Braces(const std::string& labels) {
  return labels.empty() ? "" : absl::StrCat("{", labels, "}");
}

std::string WithLe(const std::string& labels, const std::string& le) {
  return absl::StrCat("{", labels, labels.empty() ? "" : ",", "le=\"", le, "\"}");
}

}  // namespace

void Metrics::Declare(const std::string& name, Kind kind, const std::string& help,
                      std::vector<double> buckets) {
  const absl::MutexLock lock(&mutex_);
  Metric& metric = metrics_[name];
  metric.kind = kind;
  metric.help = help;
  metric.bounds = std::move(buckets);
}

void Metrics::Add(const std::string& name, double value, const std::string& labels) {
  const absl::MutexLock lock(&mutex_);
  metrics_[name].series[labels].value += value;
}

void Metrics::Set(const std::string& name, double value, const std::string& labels) {
  const absl::MutexLock lock(&mutex_);
  metrics_[name].series[labels].value = value;
}

void Metrics::Observe(const std::string& name, double value, const std::string& labels) {
  const absl::MutexLock lock(&mutex_);
  Metric& metric = metrics_[name];
  Series& series = metric.series[labels];
  series.buckets.resize(metric.bounds.size());
  series.value += value;
  ++series.count;
  for (size_t i = 0; i < metric.bounds.size(); ++i) {
    if (value <= metric.bounds[i]) ++series.buckets[i];
  }
}

std::string Metrics::Text() const {
  static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
  const absl::MutexLock lock(&mutex_);
  std::string out;
  for (const auto& [name, metric] : metrics_) {
    absl::StrAppend(&out, "# HELP ", name, " ", metric.help, "\n# TYPE ", name, " ",
                    kKinds[static_cast<int>(metric.kind)], "\n");
    for (const auto& [labels, series] : metric.series) {
      if (metric.kind != Kind::kHistogram) {
        absl::StrAppend(&out, name, Braces(labels), " ", series.value, "\n");
        continue;
      }
      for (size_t i = 0; i < metric.bounds.size(); ++i) {
        absl::StrAppend(&out, name, "_bucket", WithLe(labels, absl::StrCat(metric.bounds[i])), " ",
                        series.buckets[i], "\n");
      }
      absl::StrAppend(&out, name, "_bucket", WithLe(labels, "+Inf"), " ", series.count, "\n", name,
                      "_sum", Braces(labels), " ", series.value, "\n", name, "_count",
                      Braces(labels), " ", series.count, "\n");
    }
  }
  return out;
}

}  // namespace meltemi::control::common
