#include "ca/failures.h"

#include <gtest/gtest.h>

namespace meltemi::ca {
namespace {

// Goal: a failure is news once, stays readable after it is over, and the metric is of now. Method:
// whole texts compared.
TEST(Failures, TheLastOneOfEachPartIsKept) {
  const absl::Time start = absl::FromUnixSeconds(1'700'000'000);  // 2023-11-14T22:13:20Z
  using Part = Failures::Part;
  Failures failures;
  EXPECT_EQ(failures.Text(), "failures: none\n");
  EXPECT_FALSE(failures.Note(Part::kLog, absl::OkStatus(), start));
  EXPECT_EQ(failures.Text(), "failures: none\n");
  EXPECT_TRUE(failures.Note(Part::kLog, absl::UnavailableError("full"), start));
  EXPECT_FALSE(failures.Note(Part::kLog, absl::UnavailableError("full"), start + absl::Seconds(1)));
  EXPECT_TRUE(failures.Note(Part::kListener, absl::InternalError("ended"), start));
  EXPECT_EQ(failures.Text(),
            "log: failing since 2023-11-14T22:13:20Z: full\n"
            "listener: failing since 2023-11-14T22:13:20Z: ended\n");
  EXPECT_NE(failures.Metrics().find("\nmeltemi_ca_failing{part=\"log\"} 1\n"), std::string::npos);
  EXPECT_NE(failures.Metrics().find("\nmeltemi_ca_failing{part=\"rotation\"} 0\n"),
            std::string::npos);
  failures.Note(Part::kLog, absl::OkStatus(), start + absl::Seconds(2));
  failures.Note(Part::kLog, absl::OkStatus(), start + absl::Seconds(3));
  EXPECT_TRUE(failures.Text().starts_with(
      "log: failed from 2023-11-14T22:13:20Z to 2023-11-14T22:13:22Z: full\n"));
  EXPECT_NE(failures.Metrics().find("\nmeltemi_ca_failing{part=\"log\"} 0\n"), std::string::npos);
  EXPECT_TRUE(failures.Note(Part::kLog, absl::UnavailableError("full"), start + absl::Seconds(4)));
}

}  // namespace
}  // namespace meltemi::ca
