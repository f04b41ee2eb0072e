// The CA's folder on disk:
//
//   state              which generation signs, and where a rotation stands
//   gen-1/             ca-cert.pem ca-key.pem root-cert.pem cert-chain.pem as in Istio's cacerts,
//                      and `origin`: "made" here or "plugged" in by the operator
//   join-tokens/       one file per unused join token
//   issuance.log
//   lock               held by whoever changes any of this
//
// A generation is written before `state` names it, and removed after `state` has forgotten it: a
// crash in between leaves a folder that nobody names, and the next one takes its number's
// successor. Threads and processes: changes only under Lock(); reading needs none.
#ifndef MELTEMI_CA_KEYSTORE_KEYSTORE_H_
#define MELTEMI_CA_KEYSTORE_KEYSTORE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "ca/issuer/issuer.h"
#include "ca/keystore/files.h"
#include "ca/rotation/rotation.h"

namespace meltemi::ca {

enum class Origin { kMade, kPlugged };

struct Generation {
  CaMaterial material;
  Origin origin = Origin::kMade;
};

class Keystore {
 public:
  Keystore(Files* files, std::string folder) : files_(files), folder_(std::move(folder)) {}

  // Makes the folder when it is missing.
  absl::StatusOr<std::unique_ptr<FileLock>> Lock();

  // None: nothing is there yet. An unreadable state is an error: never start anew over it.
  absl::StatusOr<std::optional<RotationState>> ReadState() const;
  // The file's bytes, to see whether it changed; NotFound when there is none.
  absl::StatusOr<std::string> StateBytes() const;
  absl::Status WriteState(const RotationState& state);

  absl::StatusOr<Generation> ReadGeneration(uint64_t number) const;
  absl::StatusOr<uint64_t> AddGeneration(const Generation& generation);
  absl::Status RemoveGeneration(uint64_t number);

  const std::string& folder() const { return folder_; }

 private:
  std::string GenerationFolder(uint64_t number) const;
  Files* const files_;
  const std::string folder_;
};

// Istio's cacerts folder. Its key may be readable by others: a mounted Kubernetes Secret is.
absl::StatusOr<CaMaterial> ReadCacerts(Files* files, const std::string& folder);

}  // namespace meltemi::ca

#endif  // MELTEMI_CA_KEYSTORE_KEYSTORE_H_
