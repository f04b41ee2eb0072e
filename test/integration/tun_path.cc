// Carries packets between two network namespaces over a Bottleneck, in real time: the path of
// test/sim/goodput_test.cc between two kernels.
//
//   tun_path NETNS_A NETNS_B DELAY_US LOST_PER_MILLION SEED
//
// Makes the TUN device "path0" in both, says "ready", ends with its standard input, and then says
// what happened: packets carried, lost, dropped by the queue, and how late the last of every
// thousand of them were, in microseconds. Packets from A to B are the data: they take the
// bottleneck; those from B to A are delayed only.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/sim/bottleneck.h"

namespace meltemi {
namespace {

constexpr size_t kPacketBytesMax = 2048;

Instant Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return Instant::FromNanos(t.tv_sec * 1'000'000'000 + t.tv_nsec);
}

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

int OpenTun(const char* netns) {
  const std::string path = std::string("/run/netns/") + netns;
  const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) != 0) Die(path);
  close(space);
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strcpy(request.ifr_name, "path0");
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) Die("/dev/net/tun");
  return fd;
}

struct Flying {
  Instant at;
  uint64_t order;
  int to;  // descriptor
  std::string bytes;
};
bool Later(const Flying& a, const Flying& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
}

class Path {
 public:
  Path(int a, int b, const sim::BottleneckOptions& options)
      : a_(a), b_(b), delay_(options.delay), data_(options) {}

  // One wait, and what is due after it. False: standard input has ended.
  bool Turn() {
    std::array<pollfd, 3> waits{
        {{.fd = a_, .events = POLLIN}, {.fd = b_, .events = POLLIN}, {.fd = 0, .events = POLLIN}}};
    timespec timeout{.tv_sec = 1, .tv_nsec = 0};
    if (!flying_.empty()) {
      const int64_t nanos = std::max<int64_t>((flying_.front().at - Now()).nanos(), 0);
      timeout = {.tv_sec = nanos / 1'000'000'000, .tv_nsec = nanos % 1'000'000'000};
    }
    if (ppoll(waits.data(), waits.size(), &timeout, nullptr) < 0) Die("ppoll");
    Read(a_, b_);
    Read(b_, a_);
    while (!flying_.empty() && flying_.front().at <= Now()) {
      std::pop_heap(flying_.begin(), flying_.end(), Later);
      const Flying f = std::move(flying_.back());
      flying_.pop_back();
      Count(Now() - f.at);
      // What the other kernel does not take is lost, as on any device.
      if (write(f.to, f.bytes.data(), f.bytes.size()) < 0 && errno != EAGAIN) Die("write");
    }
    return waits[2].revents == 0;
  }

  void Report() const {
    std::printf(
        "carried=%llu lost=%llu dropped=%llu late_us=%zu late_mean_us=%llu\n",
        static_cast<unsigned long long>(carried_), static_cast<unsigned long long>(data_.lost()),
        static_cast<unsigned long long>(data_.dropped()), LateMicros(),
        static_cast<unsigned long long>(late_nanos_ / std::max<uint64_t>(carried_, 1) / 1000));
  }

 private:
  // A histogram: 10 us a bucket, the last one is for all above.
  void Count(Duration late) {
    const auto bucket = static_cast<size_t>(std::max<int64_t>(late.nanos(), 0)) / 10'000;
    ++late_[std::min(bucket, late_.size() - 1)];
    late_nanos_ += static_cast<uint64_t>(std::max<int64_t>(late.nanos(), 0));
    ++carried_;
  }
  // What 99.9 % of the packets did not exceed.
  size_t LateMicros() const {
    uint64_t above = 0;
    size_t i = late_.size();
    while (i > 0 && (above + late_[i - 1]) * 1000 <= carried_) above += late_[--i];
    return i * 10;
  }
  void Read(int from, int to) {
    char buffer[kPacketBytesMax];
    for (;;) {
      const ssize_t n = read(from, buffer, sizeof(buffer));
      if (n <= 0) return;
      const Instant now = Now();
      // Neighbour discovery and the like are no data: they draw nothing.
      const bool tcp = n >= 20 && buffer[0] >> 4 == 4 && buffer[9] == 6;
      if (!tcp) continue;
      const std::optional<Instant> at =
          from == a_ ? data_.Offer(now, static_cast<size_t>(n)) : now + delay_;
      if (!at) continue;
      flying_.push_back({*at, order_++, to, std::string(buffer, static_cast<size_t>(n))});
      std::push_heap(flying_.begin(), flying_.end(), Later);
    }
  }

  const int a_, b_;
  const Duration delay_;
  sim::Bottleneck data_;
  std::vector<Flying> flying_;  // a heap, the next to arrive first
  uint64_t order_ = 0, carried_ = 0, late_nanos_ = 0;
  std::array<uint64_t, 10'000> late_{};
};

int Main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "tun_path NETNS_A NETNS_B DELAY_US LOST_PER_MILLION SEED\n");
    return 2;
  }
  sim::BottleneckOptions options;
  options.delay = Duration::Micros(std::atoll(argv[3]));
  options.lost_per_million = static_cast<uint32_t>(std::atoll(argv[4]));
  options.seed = static_cast<uint64_t>(std::atoll(argv[5]));
  prctl(PR_SET_TIMERSLACK, 1);
  Path path(OpenTun(argv[1]), OpenTun(argv[2]), options);
  std::printf("ready\n");
  std::fflush(stdout);
  while (path.Turn()) {
  }
  path.Report();
  return 0;
}

}  // namespace
}  // namespace meltemi

int main(int argc, char** argv) { return meltemi::Main(argc, argv); }
