#include "ca/failures.h"

#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr std::array<std::string_view, Failures::kParts> kNames = {
    "log", "join_tokens", "rotation", "token_keys", "registry", "listener"};

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

bool Failures::Note(Part part, const absl::Status& status, absl::Time now) {
  const absl::MutexLock lock(&mutex_);
  Last& last = last_.at(static_cast<size_t>(part));
  if (status.ok()) {
    if (last.failing) last.until = now;
    last.failing = false;
    return false;
  }
  const bool news = !last.failing || last.why != status.message();
  if (!last.failing) last.since = now;
  last.failing = true;
  last.why = std::string(status.message());
  return news;
}

std::string Failures::Text() const {
  const absl::MutexLock lock(&mutex_);
  std::string out;
  for (size_t i = 0; i < kParts; ++i) {
    const Last& last = last_.at(i);
    if (last.why.empty()) continue;
    AppendTo(&out, kNames.at(i), last.failing ? ": failing since " : ": failed from ",
             Date(last.since), last.failing ? "" : Cat(" to ", Date(last.until)), ": ", last.why,
             "\n");
  }
  return out.empty() ? "failures: none\n" : out;
}

std::string Failures::Metrics() const {
  const absl::MutexLock lock(&mutex_);
  std::string out =
      "# HELP meltemi_ca_failing 1 while the last attempt of a part has failed; /status says why.\n"
      "# TYPE meltemi_ca_failing gauge\n";
  for (size_t i = 0; i < kParts; ++i) {
    AppendTo(&out, "meltemi_ca_failing{part=\"", kNames.at(i), "\"} ", last_.at(i).failing ? 1 : 0,
             "\n");
  }
  return out;
}

}  // namespace meltemi::ca
