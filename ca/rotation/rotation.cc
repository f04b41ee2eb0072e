#include "ca/rotation/rotation.h"

#include <algorithm>
#include <optional>

#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

constexpr Phase kPhases[] = {Phase::kSteady, Phase::kDistributing, Phase::kSwitched};

absl::Status Wrong(Step step, Phase phase) {
  return absl::FailedPreconditionError(Cat("cannot ", StepName(step), " while ", PhaseName(phase)));
}

}  // namespace

std::string_view PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kSteady:
      return "steady";
    case Phase::kDistributing:
      return "distributing";
    case Phase::kSwitched:
      return "switched";
  }
  return "";
}

std::string_view StepName(Step step) {
  switch (step) {
    case Step::kBegin:
      return "begin";
    case Step::kSwitch:
      return "switch";
    case Step::kRetire:
      return "retire";
  }
  return "";
}

std::string StateToJson(const RotationState& state) {
  return Cat(R"({"version":1,"phase":")", PhaseName(state.phase), R"(","active":)", state.active,
             R"(,"other":)", state.other, R"(,"since":)", absl::ToUnixSeconds(state.since), "}\n");
}

absl::StatusOr<RotationState> StateFromJson(std::string_view text) {
  const absl::StatusOr<policy::Json> json = policy::Json::Parse(text);
  if (!json.ok()) return absl::InvalidArgumentError(Cat("state: ", json.status().message()));
  const auto integer = [&](std::string_view name) -> std::optional<int64_t> {
    const policy::Json* member = json->Find(name);
    return member == nullptr ? std::nullopt : member->AsInteger();
  };
  const auto version = integer("version"), active = integer("active"), other = integer("other"),
             since = integer("since");
  if (version != 1) return absl::InvalidArgumentError("state: of a version we do not know");
  if (!active || !other || !since || *active < 1 || *other < 0) {
    return absl::InvalidArgumentError("state: a member is missing or out of range");
  }
  for (const Phase phase : kPhases) {
    if (json->StringOf("phase") != PhaseName(phase)) continue;
    const bool has_other = *other != 0;
    if (has_other != (phase != Phase::kSteady) || *other == *active) break;
    return RotationState{phase, static_cast<uint64_t>(*active), static_cast<uint64_t>(*other),
                         absl::FromUnixSeconds(*since)};
  }
  return absl::InvalidArgumentError("state: phase and generations do not fit");
}

NextStep Next(const RotationState& state, const GenerationDates& active,
              const GenerationDates& other, const RotationPolicy& policy) {
  switch (state.phase) {
    case Phase::kSteady: {
      // Early enough that distributing ends before the certificate does; but never before half of
      // a short life, or there would be no end of rotating.
      const absl::Duration life = active.not_after - active.not_before;
      const absl::Duration remaining =
          std::min(std::max(life * policy.begin_at_remaining, policy.distribute), life / 2);
      return {Step::kBegin, active.not_after - remaining};
    }
    case Phase::kDistributing: {
      // When the old one ends sooner than that, half of what it has left is all there is.
      const absl::Duration left = std::max(active.not_after - state.since, absl::ZeroDuration());
      return {Step::kSwitch, state.since + std::min(policy.distribute, left / 2)};
    }
    case Phase::kSwitched:
      // No certificate outlives its issuer.
      return {Step::kRetire,
              std::max(state.since, std::min(state.since + policy.retire, other.not_after))};
  }
  return {};
}

absl::StatusOr<RotationState> Begin(const RotationState& state, uint64_t next, absl::Time now) {
  if (state.phase != Phase::kSteady) return Wrong(Step::kBegin, state.phase);
  return RotationState{Phase::kDistributing, state.active, next, now};
}

absl::StatusOr<RotationState> Switch(const RotationState& state, absl::Time now) {
  if (state.phase != Phase::kDistributing) return Wrong(Step::kSwitch, state.phase);
  return RotationState{Phase::kSwitched, state.other, state.active, now};
}

absl::StatusOr<RotationState> Retire(const RotationState& state, absl::Time now) {
  if (state.phase != Phase::kSwitched) return Wrong(Step::kRetire, state.phase);
  return RotationState{Phase::kSteady, state.active, 0, now};
}

}  // namespace meltemi::ca
