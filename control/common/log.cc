#include "control/common/log.h"

#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace meltemi::control::common {

std::string LogField(const std::string& key, const std::string& value) {
  const bool quote = value.empty() || value.find_first_of(" \"\\\n\t\r=") != std::string::npos;
  return quote ? absl::StrCat(key, "=\"", absl::CEscape(value), "\"")
               : absl::StrCat(key, "=", value);
}

void Log(Level level, const std::string& message,
         std::initializer_list<std::pair<const char*, std::string>> fields) {
  static constexpr const char* kNames[] = {"info", "warning", "error"};
  std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()), " ",
                   kNames[static_cast<int>(level)], " ", message);
  for (const auto& [key, value] : fields) absl::StrAppend(&line, " ", LogField(key, value));
  line += "\n";
  // One write per line, so that lines of several threads do not mix. A log that cannot be written
  // has nowhere to be reported.
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace meltemi::control::common
