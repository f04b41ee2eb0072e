#include "ca/keystore/keystore.h"

#include <algorithm>
#include <charconv>

#include "ca/limits.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

constexpr std::string_view kPrefix = "gen-";

struct Part {
  const char* file;
  std::string CaMaterial::*text;
};
constexpr Part kParts[] = {
    {"ca-cert.pem", &CaMaterial::ca_cert},
    {"root-cert.pem", &CaMaterial::root_cert},
    {"cert-chain.pem", &CaMaterial::cert_chain},
    {"ca-key.pem", &CaMaterial::ca_key},
};

absl::StatusOr<CaMaterial> ReadParts(Files* files, const std::string& folder,
                                     Files::Secrecy key_secrecy) {
  CaMaterial out;
  for (const Part& part : kParts) {
    const bool key = part.text == &CaMaterial::ca_key;
    absl::StatusOr<std::string> text =
        files->Read(Cat(folder, "/", part.file), limits::kPemBytesMax,
                    key ? key_secrecy : Files::Secrecy::kPublic);
    // A root that signs itself needs no chain.
    const bool optional = part.text == &CaMaterial::cert_chain;
    if (!text.ok() && optional && text.status().code() == absl::StatusCode::kNotFound) continue;
    if (!text.ok()) return text.status();
    out.*part.text = *std::move(text);
  }
  return out;
}

std::optional<uint64_t> NumberOf(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  uint64_t number = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileLock>> Keystore::Lock() {
  if (const absl::Status made = files_->MakeFolder(folder_); !made.ok()) return made;
  return files_->Lock(Cat(folder_, "/lock"));
}

absl::StatusOr<std::optional<RotationState>> Keystore::ReadState() const {
  const auto text = StateBytes();
  if (text.status().code() == absl::StatusCode::kNotFound) return std::nullopt;
  if (!text.ok()) return text.status();
  const auto state = StateFromJson(*text);
  if (!state.ok()) return state.status();
  return *state;
}

absl::StatusOr<std::string> Keystore::StateBytes() const {
  return files_->Read(Cat(folder_, "/state"), limits::kStateBytesMax, Files::Secrecy::kPublic);
}

absl::Status Keystore::WriteState(const RotationState& state) {
  return files_->Replace(Cat(folder_, "/state"), StateToJson(state));
}

std::string Keystore::GenerationFolder(uint64_t number) const {
  return Cat(folder_, "/", kPrefix, number);
}

absl::StatusOr<Generation> Keystore::ReadGeneration(uint64_t number) const {
  const std::string folder = GenerationFolder(number);
  absl::StatusOr<CaMaterial> material = ReadParts(files_, folder, Files::Secrecy::kSecret);
  if (!material.ok()) return material.status();
  const auto origin =
      files_->Read(Cat(folder, "/origin"), limits::kStateBytesMax, Files::Secrecy::kPublic);
  if (!origin.ok()) return origin.status();
  return Generation{*std::move(material),
                    origin->starts_with("plugged") ? Origin::kPlugged : Origin::kMade};
}

absl::StatusOr<uint64_t> Keystore::AddGeneration(const Generation& generation) {
  const auto names = files_->List(folder_);
  if (!names.ok()) return names.status();
  uint64_t number = 1;
  for (const std::string& name : *names) number = std::max(number, NumberOf(name).value_or(0) + 1);
  const std::string folder = GenerationFolder(number);
  absl::Status done = files_->MakeFolder(folder);
  for (const Part& part : kParts) {
    if (!done.ok()) break;
    done = files_->Replace(Cat(folder, "/", part.file), generation.material.*part.text);
  }
  if (done.ok()) {
    done = files_->Replace(Cat(folder, "/origin"),
                           generation.origin == Origin::kPlugged ? "plugged\n" : "made\n");
  }
  if (done.ok()) return number;
  // Best effort: no state names it, and a full disk is helped by every file less.
  RemoveGeneration(number).IgnoreError();
  return done;
}

absl::Status Keystore::RemoveGeneration(uint64_t number) {
  const std::string folder = GenerationFolder(number);
  absl::Status first;
  // The key goes first: of what a crash leaves behind it is the one thing that matters.
  for (size_t i = std::size(kParts); i-- > 0;) {
    first.Update(files_->Remove(Cat(folder, "/", kParts[i].file)));
  }
  first.Update(files_->Remove(Cat(folder, "/origin")));
  first.Update(files_->RemoveFolder(folder));
  return first;
}

absl::StatusOr<CaMaterial> ReadCacerts(Files* files, const std::string& folder) {
  return ReadParts(files, folder, Files::Secrecy::kPublic);
}

}  // namespace meltemi::ca
