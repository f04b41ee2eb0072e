// Prints what the budgets are about, but for instructions: one line "scenario metric value" each.
// See budgets.txt.
#include <cstdio>
#include <string>

#include "bench/budget/meter.h"
#include "bench/budget/scenarios.h"

namespace meltemi::budget {
namespace {

// Meters what the plane does between Begin and End.
class MeterWatch final : public Watch {
 public:
  void Begin() override {
    ResetMeter();
    measuring_ = true;
  }
  void End() override {
    measuring_ = false;
    meter_ = TheMeter();
  }
  void Enter() override { TheMeter().running = measuring_; }
  void Leave() override { TheMeter().running = false; }

  const Meter& meter() const { return meter_; }  // at End

 private:
  bool measuring_ = false;
  Meter meter_;
};

void Print(const char* scenario, const char* metric, double value) {
  std::printf("%s %s %.4f\n", scenario, metric, value);
}

struct Measured {
  Result result;
  Meter meter;
};
Measured Measure(const std::string& name) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name != name) continue;
    MeterWatch watch;
    const Result result = Run(scenario, &watch);
    return {result, watch.meter()};
  }
  std::fprintf(stderr, "no scenario %s\n", name.c_str());
  return {};
}

void PerRequest(const char* name) {
  const Measured m = Measure(name);
  const auto requests = static_cast<double>(m.result.requests);
  Print(name, "allocations", static_cast<double>(m.meter.allocations) / requests);
  Print(name, "copied_bytes", static_cast<double>(m.meter.copied_bytes) / requests);
  Print(name, "packets", static_cast<double>(m.result.packets) / requests);
  Print(name, "busy_turns", static_cast<double>(m.result.busy_turns) / requests);
}

// Of bodies: the difference of large and small ones, so that the request itself drops out.
void PerBody(const char* name) {
  const Measured small = Measure(std::string(name) + "_64k");
  const Measured large = Measure(std::string(name) + "_1m");
  const double bytes = static_cast<double>(large.result.requests) * (1024 - 64) * 1024;
  const auto difference = [](uint64_t a, uint64_t b) {
    return static_cast<double>(a) - static_cast<double>(b);
  };
  Print(name, "copied_bytes_per_byte",
        difference(large.meter.copied_bytes, small.meter.copied_bytes) / bytes);
  Print(name, "packets_per_megabyte",
        difference(large.result.packets, small.result.packets) / bytes * (1024 * 1024));
  Print(name, "allocations_per_megabyte",
        difference(large.meter.allocations, small.meter.allocations) / bytes * (1024 * 1024));
}

// Opaque TCP: the packets' rooms move from one connection to the other. What is copied is headers'
// and short ends of streams (kCopyMax of dataplane/tcp/output.cc).
// The difference of long and short streams, so that their beginnings and ends drop out.
void Opaque() {
  MeterWatch watch;
  const uint64_t few = PassStreams(64 * 1024, &watch);
  const uint64_t few_copied = watch.meter().copied_bytes;
  const uint64_t many = PassStreams(8 * 1024 * 1024, &watch);
  const uint64_t copied = watch.meter().copied_bytes - few_copied;
  Print("opaque", "copied_bytes_per_byte",
        static_cast<double>(copied) / static_cast<double>(many - few));
}

// Between two numbers of connections at which every table that doubles is equally full.
constexpr int kFew = 1024, kMany = 3072;
constexpr int kFewTls = 256, kManyTls = 768;  // handshakes take their time

void PerConnection(const char* name, Connections kind) {
  const int few = kind == Connections::kIdleTls ? kFewTls : kFew;
  const int many = kind == Connections::kIdleTls ? kManyTls : kMany;
  MeterWatch watch;
  const int64_t few_packets = HoldConnections(kind, few, &watch);
  const int64_t few_bytes = watch.meter().live_bytes;
  const int64_t many_packets = HoldConnections(kind, many, &watch);
  const int64_t many_bytes = watch.meter().live_bytes;
  Print(name, "bytes", static_cast<double>(many_bytes - few_bytes) / (many - few));
  Print(name, "packets_held", static_cast<double>(many_packets - few_packets) / (many - few));
}

void PerAllowedConnection() {
  MeterWatch watch;
  MakePlane(kFew, &watch);
  const int64_t few = watch.meter().live_bytes;
  MakePlane(kMany, &watch);
  Print("reserved", "bytes", static_cast<double>(watch.meter().live_bytes - few) / (kMany - kFew));
}

int Main() {
  if (!MeterWorks()) {
    std::printf("sanitizer\n");
    return 0;
  }
  for (const char* name : {"one", "many", "full", "two_workers", "watched", "tls", "close"})
    PerRequest(name);
  for (const char* name : {"reply", "post"}) PerBody(name);
  Opaque();
  PerConnection("idle", Connections::kIdle);
  PerConnection("idle_tls", Connections::kIdleTls);
  PerConnection("busy", Connections::kBusy);
  PerAllowedConnection();
  return 0;
}

}  // namespace
}  // namespace meltemi::budget

int main() { return meltemi::budget::Main(); }
