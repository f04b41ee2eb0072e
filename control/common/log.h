// Structured logs on stderr: one line per event, "time level message key=value ...". The control
// plane's only place that reads the clock for logs. Any thread.
#ifndef MELTEMI_CONTROL_COMMON_LOG_H_
#define MELTEMI_CONTROL_COMMON_LOG_H_

#include <initializer_list>
#include <string>
#include <utility>

namespace meltemi::control::common {

enum class Level { kInfo, kWarning, kError };

void Log(Level level, const std::string& message,
         std::initializer_list<std::pair<const char*, std::string>> fields = {});

// `key=value`, the value in quotes when it needs them.
std::string LogField(const std::string& key, const std::string& value);

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_LOG_H_
