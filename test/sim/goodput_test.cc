// Goal: how fast one connection is, for loss x RTT x SACK x algorithm, cannot change unnoticed, and
// is within a tenth of what Linux reaches on the same paths. Without SACK, and only there,
// goodput_linux.txt may say how far above it is and why. Two tables in goodput.txt, compared byte
// for byte: one seed of every path, and beside Linux the median of as many seeds, with the same
// packets lost, as goodput_linux.txt has. Written anew by
//
//   bazel run //test/sim:goodput_test -- --write=$PWD/test/sim/goodput.txt
#include "test/sim/goodput.h"

#include <algorithm>
#include <cstddef>
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

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct LinuxRow {
  uint32_t lost_per_million;
  int rtt_ms, seconds;
  std::string sack, algorithm;        // "sack" or "none"
  std::map<uint64_t, double> mbit_s;  // by seed
  // Without SACK: where we are faster by more than a tenth, in per cent of Linux, and why.
  double percent_max = 110;
  std::string why;
};

// A line: lost per million, RTT in ms, seconds, "sack" or "none", algorithm, Mb/s of each seed;
// then perhaps '<', a bound in per cent and the reason for it. '#' begins a comment.
std::vector<LinuxRow> ReadLinux() {
  std::vector<LinuxRow> rows;
  std::istringstream file(ReadFile(kLinux));
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t bound = line.find('<');
    std::istringstream words(line.substr(0, bound));
    LinuxRow row{};
    words >> row.lost_per_million >> row.rtt_ms >> row.seconds >> row.sack >> row.algorithm;
    std::string mbit_s;
    for (uint64_t seed = 1; words >> mbit_s; ++seed) {
      if (mbit_s != "-") row.mbit_s[seed] = std::stod(mbit_s);
    }
    EXPECT_FALSE(row.mbit_s.empty()) << line;
    if (bound != std::string::npos) {
      std::istringstream reason(line.substr(bound + 1));
      reason >> row.percent_max;
      std::getline(reason >> std::ws, row.why);
      EXPECT_FALSE(row.why.empty()) << line;
      EXPECT_EQ(row.sack, "none") << line;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Of an even number the mean of the two in the middle.
double Median(const std::map<uint64_t, double>& by_seed) {
  std::vector<double> values;
  for (const auto& [seed, value] : by_seed) values.push_back(value);
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char text[200];
  std::snprintf(text, sizeof(text), format, args...);
  return text;
}

std::string MakeTable() {
  std::string table =
      "# Goodput of one connection in Mb/s: 50 Mb/s, a queue of 128 packets, 20 s, MTU 1500.\n"
      "# Made by test/sim/goodput_test.cc, which says how.\n";
  table += Format("%-8s %7s %5s %5s %8s %8s %6s %6s\n", "# cc", "loss %", "RTT", "SACK", "Mb/s",
                  "resent", "RTOs", "undone");
  for (const Algorithm& algorithm : Algorithms()) {
    for (const bool sack : {true, false}) {
      for (const int rtt_ms : {1, 20, 100}) {
        for (const uint32_t lost : {0u, 1000u, 10'000u, 50'000u}) {
          GoodputOptions options{.tcp = algorithm.tcp, .sack = sack};
          options.path.delay = Duration::Micros(rtt_ms * 500);
          options.path.lost_per_million = lost;
          const Goodput seen = MeasureGoodput(options);
          table += Format("%-8s %7.1f %5d %5s %8.2f %8llu %6llu %6llu\n", algorithm.name,
                          lost / 1e4, rtt_ms, sack ? "yes" : "no", seen.mbit_s,
                          static_cast<unsigned long long>(seen.retransmits),
                          static_cast<unsigned long long>(seen.timeouts),
                          static_cast<unsigned long long>(seen.undos));
        }
      }
    }
  }
  return table;
}

// The median over the seeds of a row that Linux has.
double MedianOf(const LinuxRow& row) {
  std::map<uint64_t, double> mbit_s;
  for (const Algorithm& algorithm : Algorithms()) {
    if (algorithm.name != row.algorithm) continue;
    GoodputOptions options{.tcp = algorithm.tcp, .sack = row.sack == "sack"};
    options.path.delay = Duration::Micros(row.rtt_ms * 500);
    options.path.lost_per_million = row.lost_per_million;
    options.time = Duration::Seconds(row.seconds);
    for (const auto& [seed, linux_mbit_s] : row.mbit_s) {
      options.path.seed = seed;
      mbit_s[seed] = MeasureGoodput(options).mbit_s;
    }
  }
  return Median(mbit_s);
}

// Beside Linux; also checks the band.
std::string CompareWithLinux() {
  std::string table =
      "\n# The same and Linux, medians of the seeds in goodput_linux.txt, which says how its "
      "figures "
      "were taken.\n";
  table += Format("%-8s %7s %5s %5s %6s %5s %8s %8s %8s\n", "# cc", "loss %", "RTT", "SACK", "s",
                  "seeds", "Mb/s", "Linux", "of it");
  for (const LinuxRow& row : ReadLinux()) {
    const double ours = MedianOf(row);
    const double linux_mbit_s = Median(row.mbit_s);
    const double percent = 100 * ours / linux_mbit_s;
    const std::string line =
        Format("%-8s %7.1f %5d %5s %6d %5zu %8.2f %8.2f %6.0f %%", row.algorithm.c_str(),
               row.lost_per_million / 1e4, row.rtt_ms, row.sack == "sack" ? "yes" : "no",
               row.seconds, row.mbit_s.size(), ours, linux_mbit_s, percent);
    table += line + (row.why.empty() ? "" : "  (" + row.why + ")") + "\n";
    EXPECT_GE(percent, 90) << line;
    EXPECT_LE(percent, row.percent_max) << line;
  }
  return table;
}

std::string write_to;

TEST(Goodput, IsWhatTheTableSays) {
  const std::string table = MakeTable() + CompareWithLinux();
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
