#include "ca/log/issuance_log.h"

#include "l7/base/text.h"
#include "l7/policy/jwt/json.h"

namespace meltemi::ca {
namespace {

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<SyncPolicy> SyncPolicyByName(std::string_view name) {
  if (name == "always") return SyncPolicy::kAlways;
  if (name == "second") return SyncPolicy::kSecond;
  if (name == "never") return SyncPolicy::kNever;
  return absl::InvalidArgumentError(Cat("\"", name, "\" is not always, second or never"));
}

std::string ToLine(const IssuanceRecord& record) {
  std::string line = Cat("{\"time\":\"", Rfc3339(record.time), "\"");
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) AppendTo(&line, ",\"", name, "\":", policy::JsonQuote(value));
  };
  add("serial", record.serial);
  add("identity", record.identity);
  add("caller", record.caller);
  add("method", record.method);
  add("node", record.node);
  add("peer", record.peer);
  add("key", record.key);
  add("csr_sha256", record.csr_sha256);
  AppendTo(&line, ",\"generation\":", record.generation);
  add("not_before", Rfc3339(record.not_before));
  add("not_after", Rfc3339(record.not_after));
  return line + "}\n";
}

absl::StatusOr<std::unique_ptr<IssuanceLog>> IssuanceLog::Open(Files* files,
                                                               const std::string& path,
                                                               SyncPolicy policy) {
  absl::StatusOr<std::unique_ptr<AppendFile>> file = files->Append(path);
  if (!file.ok()) return file.status();
  return std::unique_ptr<IssuanceLog>(new IssuanceLog(*std::move(file), policy));
}

absl::Status IssuanceLog::Record(const IssuanceRecord& record) {
  const absl::MutexLock lock(&mutex_);
  absl::Status done = file_->Append(Cat(torn_ ? "\n" : "", ToLine(record)));
  torn_ = !done.ok();
  if (!done.ok()) return done;
  const bool due = policy_ == SyncPolicy::kAlways ||
                   (policy_ == SyncPolicy::kSecond && record.time - synced_ >= absl::Seconds(1));
  if (!due) return absl::OkStatus();
  done = file_->Sync();
  if (done.ok()) synced_ = record.time;
  return done;
}

}  // namespace meltemi::ca
