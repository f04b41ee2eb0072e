#include "l7/telemetry/sample.h"

#include <gtest/gtest.h>

#include "l7/telemetry/civil_time.h"

namespace meltemi::telemetry {
namespace {

TEST(Sample, MergeAddsAndRenders) {
  std::vector<Sample> samples = {
      {"b_total", "x=\"1\"", 2, Sample::Kind::kCounter, {}},
      {"a", "", 5, Sample::Kind::kGaugeMax, {}},
      {"b_total", "x=\"2\"", 1, Sample::Kind::kCounter, {}},
      {"a", "", 3, Sample::Kind::kGaugeMax, {}},
      {"b_total", "x=\"1\"", 40, Sample::Kind::kCounter, {}},
      {"h_bucket", "le=\"1\"", 1, Sample::Kind::kHistogram, "h"},
      {"h_sum", "", 0.5, Sample::Kind::kHistogram, "h"},
  };
  std::string out;
  Render(Merge(std::move(samples)), &out);
  EXPECT_EQ(out,
            "# TYPE a gauge\na 5\n"
            "# TYPE b_total counter\nb_total{x=\"1\"} 42\nb_total{x=\"2\"} 1\n"
            "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 0.5\n");
}

TEST(Sample, LabelValuesAreEscaped) { EXPECT_EQ(Label("a", "x\"y\\z\n"), "a=\"x\\\"y\\\\z\\n\""); }

TEST(CivilTime, KnownDates) {
  EXPECT_EQ(HttpDate(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110 5.6.7
  EXPECT_EQ(HttpDate(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(HttpDate(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(HttpDate(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(IsoMilliseconds(1'500'000'000'123'456'789), "2017-07-14T02:40:00.123Z");
}

}  // namespace
}  // namespace meltemi::telemetry
