// Goal: how fast one connection is, for loss x RTT x SACK x algorithm, cannot change unnoticed. The
// table is goodput.txt, compared byte for byte; what Linux reaches on the same paths stands beside
// it (goodput_linux.txt says how that was taken). Written anew by
//
//   bazel run //test/sim:goodput_test -- --write=$PWD/test/sim/goodput.txt
#include "test/sim/goodput.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace meltemi::sim {
namespace {

constexpr const char* kGolden = "test/sim/goodput.txt";
constexpr const char* kLinux = "test/sim/goodput_linux.txt";

struct Algorithm {
  const char* name;
  tcp::TcpOptions tcp;
};

std::vector<Algorithm> Algorithms() {
  return {{.name = "cubic", .tcp = {.congestion = tcp::CongestionAlgorithm::kCubic}},
          {.name = "newreno", .tcp = {.congestion = tcp::CongestionAlgorithm::kNewReno}}};
}

struct Row {
  uint32_t lost_per_million;
  int rtt_ms;
  bool sack;
  auto operator<=>(const Row&) const = default;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Lines of: lost per million, RTT in ms, "sack" or "none", algorithm, Mb/s; '#' begins a comment.
std::map<std::pair<Row, std::string>, double> ReadLinux() {
  std::map<std::pair<Row, std::string>, double> found;
  std::istringstream file(ReadFile(kLinux));
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Row row{};
    std::string sack, algorithm;
    double mbit_s = 0;
    words >> row.lost_per_million >> row.rtt_ms >> sack >> algorithm >> mbit_s;
    EXPECT_FALSE(words.fail()) << line;
    row.sack = sack == "sack";
    found[{row, algorithm}] = mbit_s;
  }
  return found;
}

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char text[160];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

std::string MakeTable() {
  const auto in_linux = ReadLinux();
  std::string table =
      "# Goodput of one connection in Mb/s: 50 Mb/s, a queue of 128 packets, 20 s, MTU 1500.\n"
      "# Made by test/sim/goodput_test.cc, which says how; the Linux column is "
      "goodput_linux.txt.\n";
  table += Format("%-8s %7s %5s %5s %8s %8s %6s %8s %8s\n", "# cc", "loss %", "RTT", "SACK", "Mb/s",
                  "resent", "RTOs", "Linux", "of it");
  for (const Algorithm& algorithm : Algorithms()) {
    for (const bool sack : {true, false}) {
      for (const int rtt_ms : {1, 20, 100}) {
        for (const uint32_t lost : {0u, 1000u, 10'000u, 50'000u}) {
          GoodputOptions options{.tcp = algorithm.tcp, .sack = sack};
          options.path.delay = Duration::Micros(rtt_ms * 500);
          options.path.lost_per_million = lost;
          const Goodput seen = MeasureGoodput(options);
          table += Format("%-8s %7.1f %5d %5s %8.2f %8llu %6llu", algorithm.name, lost / 1e4,
                          rtt_ms, sack ? "yes" : "no", seen.mbit_s,
                          static_cast<unsigned long long>(seen.retransmits),
                          static_cast<unsigned long long>(seen.timeouts));
          const auto found = in_linux.find({Row{lost, rtt_ms, sack}, algorithm.name});
          if (found != in_linux.end()) {
            table += Format(" %8.2f %6.0f %%", found->second, 100 * seen.mbit_s / found->second);
          }
          table += "\n";
        }
      }
    }
  }
  return table;
}

std::string write_to;

TEST(Goodput, IsWhatTheTableSays) {
  const std::string table = MakeTable();
  if (!write_to.empty()) {
    std::ofstream(write_to, std::ios::binary) << table;
    return;
  }
  EXPECT_EQ(table, ReadFile(kGolden));
}

// Goal: the path itself: the rate, the queue at its bound and one above, losses by the seed.
TEST(Bottleneck, DelaysQueuesAndDrops) {
  Bottleneck path({.bits_per_second = 8'000'000, .delay = Duration::Millis(5), .queue_packets = 2});
  const Instant now = Instant::FromNanos(1'000'000);
  EXPECT_EQ(path.Offer(now, 1000), now + Duration::Millis(6));
  EXPECT_EQ(path.Offer(now, 1000), now + Duration::Millis(7));
  EXPECT_EQ(path.Offer(now, 1000), std::nullopt);
  EXPECT_EQ(path.dropped(), 1u);
  EXPECT_EQ(path.Offer(now + Duration::Millis(1), 1000), now + Duration::Millis(8));
  EXPECT_EQ(path.lost(), 0u);
  Bottleneck lossy({.bits_per_second = 0, .lost_per_million = 500'000});
  int arrived = 0;
  for (int i = 0; i < 1000; ++i) arrived += lossy.Offer(now, 100).has_value();
  EXPECT_NEAR(arrived, 500, 60);
  EXPECT_EQ(lossy.lost(), 1000u - static_cast<uint64_t>(arrived));
}

}  // namespace
}  // namespace meltemi::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with("--write=")) meltemi::sim::write_to = arg.substr(8);
  }
  return RUN_ALL_TESTS();
}
