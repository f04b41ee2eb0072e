#include <algorithm>

#include "absl/strings/match.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "l7/base/text.h"
#include "l7/config/compile_parts.h"
#include "l7/config/log_operators.h"

namespace meltemi::config {

const char kDefaultAccessLogFormat[] =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

namespace {

using envoy::extensions::access_loggers::file::v3::FileAccessLog;

absl::StatusOr<std::string> CompileFormat(const FileAccessLog& from) {
  std::string format;
  switch (from.access_log_format_case()) {
    case FileAccessLog::kFormat:
      format = from.format();
      break;
    case FileAccessLog::kLogFormat:
      if (from.log_format().has_text_format_source()) {
        const auto& source = from.log_format().text_format_source();
        if (source.has_filename()) {
          return Invalid("log_format.text_format_source.filename", "not supported");
        }
        format = source.has_inline_bytes() ? source.inline_bytes() : source.inline_string();
      } else {
        format = from.log_format().text_format();
      }
      break;
    case FileAccessLog::kJsonFormat:
    case FileAccessLog::kTypedJsonFormat:
      return Invalid("json_format", "not supported");
    case FileAccessLog::ACCESS_LOG_FORMAT_NOT_SET:
      break;
  }
  if (format.empty()) return std::string(kDefaultAccessLogFormat);
  // A record is a line, also where the format forgot to say so.
  if (!absl::EndsWith(format, "\n")) format.push_back('\n');
  return format;
}

absl::StatusOr<AccessLog> CompileAccessLog(const CompileContext& context,
                                           const envoy::config::accesslog::v3::AccessLog& from) {
  if (TypeName(from.typed_config()) != FileAccessLog::descriptor()->full_name()) {
    return Invalid("", Cat("\"", from.name(), "\" is not supported"));
  }
  FileAccessLog file;
  RETURN_IF_ERROR_AT("typed_config", Unpack(context.fields, from.typed_config(), &file));
  if (file.path().empty()) return Invalid("typed_config.path", "must not be empty");
  AccessLog to;
  to.path = file.path();
  ASSIGN_OR_RETURN_AT(to.format, "typed_config", CompileFormat(file));
  if (const absl::Status status = CheckLogFormat(to.format); !status.ok()) {
    return Invalid("typed_config.log_format", std::string(status.message()));
  }
  return to;
}

}  // namespace

bool NameThePeers(const std::vector<AccessLog>& logs) {
  return std::any_of(logs.begin(), logs.end(),
                     [](const AccessLog& log) { return NamesPeers(log.format); });
}

absl::StatusOr<std::vector<AccessLog>> CompileAccessLogs(const CompileContext& context,
                                                         const AccessLogs& from) {
  std::vector<AccessLog> to;
  for (int i = 0; i < from.size(); ++i) {
    ASSIGN_OR_RETURN_AT(to.emplace_back(), Indexed("access_log", i),
                        CompileAccessLog(context, from[i]));
  }
  if (from.empty() && !context.options.default_access_log_path.empty()) {
    to.push_back({context.options.default_access_log_path, kDefaultAccessLogFormat});
  }
  return to;
}

}  // namespace meltemi::config
