#include "l7/base/counter.h"

#include "l7/base/text.h"

namespace meltemi {

void AppendPrometheus(std::string_view prefix, std::span<const CounterInfo> table,
                      std::span<const uint64_t> values, std::string_view labels, std::string* out) {
  for (size_t i = 0; i < table.size(); ++i) {
    AppendTo(out, "# HELP ", prefix, "_", table[i].name, "_total ", table[i].help, " (",
             table[i].unit, ")\n# TYPE ", prefix, "_", table[i].name, "_total counter\n", prefix,
             "_", table[i].name, "_total");
    if (!labels.empty()) AppendTo(out, "{", labels, "}");
    AppendTo(out, " ", values[i], "\n");
  }
}

}  // namespace meltemi
