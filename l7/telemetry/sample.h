// Sample: one labelled number on its way to /stats/prometheus. Each worker makes its own; the admin
// thread adds those of all workers up by name and labels, and renders the text once.
//
// Pure values and functions, any thread. Bound: what the engine's series bound lets through.
#ifndef MELTEMI_L7_TELEMETRY_SAMPLE_H_
#define MELTEMI_L7_TELEMETRY_SAMPLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meltemi::telemetry {

struct Sample {
  enum class Kind : uint8_t {
    kCounter,
    kGauge,      // added up over workers (connections)
    kGaugeMax,   // the same on each worker (members of a cluster): the largest counts
    kHistogram,  // _bucket, _sum or _count line of histogram `family`
  };
  std::string name;
  std::string labels;  // `a="b",c="d"`, without braces; "" for none
  double value = 0;
  Kind kind = Kind::kCounter;
  std::string family;  // kHistogram: the name without its suffix
};

// Escapes a label value (Prometheus text format 0.0.4).
std::string Label(std::string_view name, std::string_view value);

// One sample per (name, labels), sorted by name, in order of arrival within a name.
std::vector<Sample> Merge(std::vector<Sample> samples);

// "# TYPE" lines and samples; `samples` as Merge gives them.
void Render(const std::vector<Sample>& samples, std::string* out);

}  // namespace meltemi::telemetry

#endif  // MELTEMI_L7_TELEMETRY_SAMPLE_H_
