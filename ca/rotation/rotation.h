// Replacing the CA's certificate without a moment in which somebody is not trusted. Pure: times are
// parameters, what is stored where is the keystore's.
//
//   steady ------begin-----> distributing ------switch-----> switched ------retire-----> steady
//   signs with the old       signs with the old             signs with the new           old gone
//   trust: old               trust: old + new               trust: old + new             trust: new
//
// Switching waits until all peers have learned of the new root; retiring, until all certificates of
// the old one have expired.
#ifndef MELTEMI_CA_ROTATION_ROTATION_H_
#define MELTEMI_CA_ROTATION_ROTATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace meltemi::ca {

enum class Phase { kSteady, kDistributing, kSwitched };
std::string_view PhaseName(Phase phase);

// Generations are numbered from 1: a CA certificate with its key, chain and root.
struct RotationState {
  Phase phase = Phase::kSteady;
  uint64_t active = 1;  // signs
  uint64_t other = 0;   // kDistributing: the next one; kSwitched: the one before
  absl::Time since = absl::UnixEpoch();

  bool operator==(const RotationState&) const = default;
};

std::string StateToJson(const RotationState& state);
absl::StatusOr<RotationState> StateFromJson(std::string_view text);

struct RotationPolicy {
  absl::Duration distribute = absl::Hours(45 * 24);  // all peers have asked for a certificate since
  absl::Duration retire = absl::Hours(90 * 24);      // all certificates have expired since
  double begin_at_remaining = 0.2;                   // of the lifetime: when it begins by itself
};

// What the certificates say: the earlier of the CA certificate's and its roots' dates.
struct GenerationDates {
  absl::Time not_before = absl::InfinitePast();
  absl::Time not_after = absl::InfiniteFuture();
};

enum class Step { kBegin, kSwitch, kRetire };
std::string_view StepName(Step step);

// The step that comes next, and when it is due by itself; `other` is ignored in kSteady.
struct NextStep {
  Step step = Step::kBegin;
  absl::Time due = absl::InfiniteFuture();
};
NextStep Next(const RotationState& state, const GenerationDates& active,
              const GenerationDates& other, const RotationPolicy& policy);

// The state after a step; an error when it does not follow the phase. Whether it is due is for the
// caller to ask.
absl::StatusOr<RotationState> Begin(const RotationState& state, uint64_t next, absl::Time now);
absl::StatusOr<RotationState> Switch(const RotationState& state, absl::Time now);
absl::StatusOr<RotationState> Retire(const RotationState& state, absl::Time now);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_ROTATION_ROTATION_H_
