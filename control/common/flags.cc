#include "control/common/flags.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace meltemi::control::common {
namespace {

const Flag* Find(const std::string& name, const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) {
    if (flag.name == name || (flag.letter != 0 && name == std::string(1, flag.letter)))
      return &flag;
  }
  return nullptr;
}

std::string Left(const Flag& flag) {
  std::string out = flag.letter != 0 ? absl::StrCat("-", std::string(1, flag.letter), ", ") : "";
  absl::StrAppend(&out, "--", flag.name);
  if (!flag.shape.empty()) absl::StrAppend(&out, " ", flag.shape);
  return out;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseFlags(const std::vector<std::string>& args,
                                                    const std::vector<Flag>& flags) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (arg == "--") {
      rest.insert(rest.end(), args.begin() + i + 1, args.end());
      break;
    }
    if (arg.size() < 2 || arg[0] != '-') {
      rest.push_back(arg);
      continue;
    }
    const bool is_long = arg[1] == '-';
    const size_t equals = is_long ? arg.find('=') : std::string::npos;
    const std::string name =
        is_long ? arg.substr(2, equals == std::string::npos ? equals : equals - 2) : arg.substr(1);
    const Flag* flag = Find(name, flags);
    if (flag == nullptr || (is_long && name.size() < 2)) {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag ", arg, "; see --help"));
    }
    if (flag->shape.empty()) {
      if (equals != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat("--", flag->name, " takes no value"));
      }
      *flag->value = "true";
    } else if (equals != std::string::npos) {
      *flag->value = arg.substr(equals + 1);
    } else if (i + 1 < args.size()) {
      *flag->value = args[++i];
    } else {
      return absl::InvalidArgumentError(absl::StrCat("--", flag->name, " needs a value"));
    }
  }
  return rest;
}

std::string DescribeFlags(const std::vector<Flag>& flags) {
  size_t width = 0;
  for (const Flag& flag : flags) width = std::max(width, Left(flag).size());
  std::string out;
  for (const Flag& flag : flags) {
    std::string left = Left(flag);
    left.resize(width, ' ');
    absl::StrAppend(&out, "  ", left, "  ", flag.help);
    if (!flag.shape.empty() && !flag.value->empty()) {
      absl::StrAppend(&out, " (default ", *flag.value, ")");
    }
    out += "\n";
  }
  return out;
}

}  // namespace meltemi::control::common
