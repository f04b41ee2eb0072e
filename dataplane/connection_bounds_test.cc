// Goal: an operator who allows more connections gets room for them in every table, not in TCP's
// alone; one who allows fewer loses none of what a connection may carry.
#include "dataplane/connection_bounds.h"

#include "gtest/gtest.h"

namespace meltemi {
namespace {

TEST(ConnectionBounds, FollowWhatIsAllowed) {
  constexpr uint32_t kDefault = limits::kTcpConnCountMax;
  const struct {
    uint32_t allowed, tcp, l7, exchanges;
  } kRows[] = {
      {0, kDefault, limits::kL7ConnCountMax, limits::kExchangeCountMax},
      {100, 100, limits::kL7ConnCountMax, limits::kExchangeCountMax},
      {kDefault, kDefault, limits::kL7ConnCountMax, limits::kExchangeCountMax},
      {kDefault + 1, kDefault + 1, limits::kL7ConnCountMax + 2, limits::kExchangeCountMax + 1},
      {1'000'000, 1'000'000, 2'000'000, 1'000'000},
      {1 << 24, 1 << 24, 1 << 25, 1 << 24},  // the most that a bootstrap file may say
  };
  for (const auto& row : kRows) {
    const ConnectionBounds bounds(row.allowed);
    EXPECT_EQ(bounds.tcp, row.tcp) << row.allowed;
    EXPECT_EQ(bounds.l7, row.l7) << row.allowed;
    EXPECT_EQ(bounds.tls, row.l7) << row.allowed;
    EXPECT_EQ(bounds.exchanges, row.exchanges) << row.allowed;
    EXPECT_GE(bounds.l7, bounds.tcp) << row.allowed;
  }
}

}  // namespace
}  // namespace meltemi
