// Command line flags with hyphens: "--grpc-addr=0.0.0.0:15010" or "--grpc-addr 0.0.0.0:15010".
// A program declares its flags in one table, which is also its --help. Pure.
#ifndef MELTEMI_CONTROL_COMMON_FLAGS_H_
#define MELTEMI_CONTROL_COMMON_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace meltemi::control::common {

struct Flag {
  std::string name;   // "grpc-addr"
  std::string shape;  // what --help calls the value: "ADDR"; empty: a switch, no value
  std::string help;
  std::string* value = nullptr;  // set to the text given; a switch sets "true"
  char letter = 0;               // also "-f FILE"
};

// Sets the flags' values and returns the other arguments in order. "--" ends the flags.
absl::StatusOr<std::vector<std::string>> ParseFlags(const std::vector<std::string>& args,
                                                    const std::vector<Flag>& flags);

// The table of flags for --help, defaults being the values they have now.
std::string DescribeFlags(const std::vector<Flag>& flags);

}  // namespace meltemi::control::common

#endif  // MELTEMI_CONTROL_COMMON_FLAGS_H_
