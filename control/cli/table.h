// Aligned text tables for terminals. Pure.
#ifndef MELTEMI_CONTROL_CLI_TABLE_H_
#define MELTEMI_CONTROL_CLI_TABLE_H_

#include <string>
#include <vector>

namespace meltemi::control::cli {

// The first row is the heading. Columns are three spaces apart; lines end without blanks.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

}  // namespace meltemi::control::cli

#endif  // MELTEMI_CONTROL_CLI_TABLE_H_
