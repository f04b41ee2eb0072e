// Counters declared as tables. One table makes the struct, the Prometheus text and the
// documentation:
//
//   #define ARP_COUNTERS(C)  C(requests_in, "packets", "ARP requests received for our addresses")
//                            C(replies_out, "packets", "ARP replies sent")
//   MELTEMI_COUNTER_TABLE(ArpCounters, "meltemi_arp", ARP_COUNTERS)
//
// makes struct ArpCounters { uint64_t requests_in = 0; ... } with ArpCounters::kTable (name, unit,
// help) in the same order as the fields, and Values() to read them as an array. A counter only
// grows; a worker writes its own struct without atomics and hands copies out by mail
// (dataplane/shared).
#ifndef MELTEMI_L7_BASE_COUNTER_H_
#define MELTEMI_L7_BASE_COUNTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace meltemi {

struct CounterInfo {
  std::string_view name;
  std::string_view unit;
  std::string_view help;
};

// Appends "# HELP", "# TYPE ... counter" and one sample per counter in Prometheus text format,
// named <prefix>_<name>_total. `labels` is "" or like `worker="0"`.
void AppendPrometheus(std::string_view prefix, std::span<const CounterInfo> table,
                      std::span<const uint64_t> values, std::string_view labels, std::string* out);

}  // namespace meltemi

#define MELTEMI_COUNTER_FIELD(name, unit, help) uint64_t name = 0;
#define MELTEMI_COUNTER_INFO(name, unit, help) ::meltemi::CounterInfo{#name, unit, help},
#define MELTEMI_COUNTER_TABLE(Struct, prefix, LIST)                            \
  struct Struct {                                                              \
    LIST(MELTEMI_COUNTER_FIELD)                                                \
    static constexpr std::string_view kPrefix = prefix;                        \
    static constexpr auto kTable =                                             \
        std::to_array<::meltemi::CounterInfo>({LIST(MELTEMI_COUNTER_INFO)});   \
    std::span<const uint64_t> Values() const {                                 \
      return {reinterpret_cast<const uint64_t*>(this), kTable.size()};         \
    }                                                                          \
    void Add(const Struct& other) {                                            \
      auto* mine = reinterpret_cast<uint64_t*>(this);                          \
      for (size_t i = 0; i < kTable.size(); ++i) mine[i] += other.Values()[i]; \
    }                                                                          \
  };

#endif  // MELTEMI_L7_BASE_COUNTER_H_
