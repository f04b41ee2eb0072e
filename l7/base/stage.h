// Stages: where a worker's turns spend their cycles, for bench/profile. Only in binaries built with
// --define=profile=on; in all others every call below is nothing.
//
// A thread is in one stage at a time. StageScope enters one and goes back to the one before it, so
// that a stage's cycles are its own, without those of stages inside. What a turn has gathered
// counts only if the turn did something (TAS fastemu.c does the same): an empty poll is no one's
// cost. Thread: state is per thread.
#ifndef MELTEMI_L7_BASE_STAGE_H_
#define MELTEMI_L7_BASE_STAGE_H_

#include <array>
#include <cstdint>
#include <utility>

#ifdef MELTEMI_PROFILE
#include <x86intrin.h>
#endif

namespace meltemi {

#define MELTEMI_STAGES(S)                                                       \
  S(kOther, "other", "mail, timers, snapshots, statistics")                     \
  S(kRx, "rx", "ports: receive bursts, system calls included")                  \
  S(kIp, "ip", "Ethernet and IP in, whose worker a segment is, forwarding")     \
  S(kTcpIn, "tcp_in", "segments to connections: acknowledge, reassemble")       \
  S(kTls, "tls", "records opened and sealed, handshakes handed over")           \
  S(kEngine, "engine", "exchanges: limits, timers, pools, records of requests") \
  S(kParse, "parse", "bytes to messages, HTTP/1.1 and HTTP/2")                  \
  S(kRoute, "route", "virtual host, route, faults, weighted clusters")          \
  S(kBalance, "balance", "a host, and a connection of its pool")                \
  S(kBuild, "build", "heads edited and written")                                \
  S(kTcpOut, "tcp_out", "streams to segments, IP and Ethernet headers")         \
  S(kTx, "tx", "ports: send bursts, system calls included")

enum class Stage : uint8_t {
#define MELTEMI_STAGE(id, name, meaning) id,
  MELTEMI_STAGES(MELTEMI_STAGE)
#undef MELTEMI_STAGE
      kCount
};
inline constexpr int kStageCount = static_cast<int>(Stage::kCount);
struct StageName {
  const char *name, *meaning;
};
inline constexpr std::array<StageName, kStageCount> kStageNames = {{
#define MELTEMI_STAGE(id, name, meaning) {name, meaning},
    MELTEMI_STAGES(MELTEMI_STAGE)
#undef MELTEMI_STAGE
}};

struct StageTotals {
  std::array<uint64_t, kStageCount> cycles{};
  std::array<uint64_t, kStageCount> entries{};
};

#ifdef MELTEMI_PROFILE

inline constexpr bool kProfile = true;

class StageClock {
 public:
  static StageClock& OfThread() {
    thread_local StageClock clock;
    return clock;
  }
  // Returns the stage that was left.
  Stage Enter(Stage stage) {
    const uint64_t now = __rdtsc();
    turn_.cycles[static_cast<int>(stage_)] += now - since_;
    ++turn_.entries[static_cast<int>(stage)];
    since_ = now;
    return std::exchange(stage_, stage);
  }
  void BeginTurn() {
    turn_ = {};
    stage_ = Stage::kOther;
    since_ = __rdtsc();
  }
  void EndTurn(bool busy, StageTotals* totals) {
    Enter(Stage::kOther);
    for (int i = 0; busy && i < kStageCount; ++i) {
      totals->cycles[i] += turn_.cycles[i];
      totals->entries[i] += turn_.entries[i];
    }
  }

 private:
  StageTotals turn_;
  Stage stage_ = Stage::kOther;
  uint64_t since_ = 0;
};

class StageScope {
 public:
  explicit StageScope(Stage stage) : before_(StageClock::OfThread().Enter(stage)) {}
  ~StageScope() { StageClock::OfThread().Enter(before_); }
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;

 private:
  const Stage before_;
};

inline void EnterStage(Stage stage) { StageClock::OfThread().Enter(stage); }
inline void BeginStages() { StageClock::OfThread().BeginTurn(); }
inline void EndStages(bool busy, StageTotals* totals) {
  StageClock::OfThread().EndTurn(busy, totals);
}

#else

inline constexpr bool kProfile = false;

class StageScope {
 public:
  explicit StageScope(Stage) {}
  ~StageScope() {}  // not trivial: a scope that is not named otherwise is not unused
  StageScope(const StageScope&) = delete;
  StageScope& operator=(const StageScope&) = delete;
};
inline void EnterStage(Stage) {}
inline void BeginStages() {}
inline void EndStages(bool, StageTotals*) {}

#endif

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_STAGE_H_
