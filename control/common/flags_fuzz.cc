// Goal: no command line breaks the flag parser; what is no flag comes back in order. Method: the
// input's lines as arguments.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "control/common/flags.h"
#include "l7/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace common = meltemi::control::common;
  std::vector<std::string> args(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == '\n') {
      args.emplace_back();
    } else {
      args.back().push_back(static_cast<char>(data[i]));
    }
  }
  std::string address = "default", file, verbose;
  const std::vector<common::Flag> flags = {
      {.name = "grpc-addr", .shape = "ADDR", .help = "where", .value = &address},
      {.name = "filename", .shape = "FILE", .help = "what", .value = &file, .letter = 'f'},
      {.name = "verbose", .shape = "", .help = "more", .value = &verbose, .letter = 'v'},
  };
  const auto rest = common::ParseFlags(args, flags);
  if (!rest.ok()) {
    CHECK(!rest.status().message().empty());
    return 0;
  }
  CHECK(verbose.empty() || verbose == "true");
  auto at = args.begin();
  for (const std::string& arg : *rest) {
    at = std::find(at, args.end(), arg);
    CHECK(at != args.end());
    ++at;
  }
  CHECK(!common::DescribeFlags(flags).empty());
  return 0;
}
