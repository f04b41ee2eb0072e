#include "l7/telemetry/sample.h"

#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "l7/base/text.h"

namespace meltemi::telemetry {
namespace {

std::string_view FamilyOf(const Sample& sample) {
  return sample.kind == Sample::Kind::kHistogram ? std::string_view(sample.family)
                                                 : std::string_view(sample.name);
}

std::string_view TypeOf(Sample::Kind kind) {
  switch (kind) {
    case Sample::Kind::kCounter:
      return "counter";
    case Sample::Kind::kGauge:
    case Sample::Kind::kGaugeMax:
      return "gauge";
    case Sample::Kind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

void AppendValue(double value, std::string* out) {
  if (value == std::floor(value) && std::abs(value) < 9e15) {
    AppendTo(out, static_cast<int64_t>(value));
  } else {
    AppendTo(out, value);
  }
}

}  // namespace

std::string Label(std::string_view name, std::string_view value) {
  std::string out = Cat(name, "=\"");
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

std::vector<Sample> Merge(std::vector<Sample> samples) {
  std::vector<Sample> merged;
  absl::flat_hash_map<std::string, size_t> place;
  for (Sample& sample : samples) {
    const auto [at, fresh] = place.try_emplace(Cat(sample.name, "{", sample.labels), merged.size());
    if (fresh) {
      merged.push_back(std::move(sample));
    } else if (sample.kind == Sample::Kind::kGaugeMax) {
      merged[at->second].value = std::max(merged[at->second].value, sample.value);
    } else {
      merged[at->second].value += sample.value;
    }
  }
  std::stable_sort(merged.begin(), merged.end(),
                   [](const Sample& a, const Sample& b) { return FamilyOf(a) < FamilyOf(b); });
  return merged;
}

void Render(const std::vector<Sample>& samples, std::string* out) {
  std::string_view family;
  for (const Sample& sample : samples) {
    if (FamilyOf(sample) != family) {
      family = FamilyOf(sample);
      AppendTo(out, "# TYPE ", family, " ", TypeOf(sample.kind), "\n");
    }
    out->append(sample.name);
    if (!sample.labels.empty()) AppendTo(out, "{", sample.labels, "}");
    out->push_back(' ');
    AppendValue(sample.value, out);
    out->push_back('\n');
  }
}

}  // namespace meltemi::telemetry
