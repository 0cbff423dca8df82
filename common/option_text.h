// What the program says of its options: --help and --dump-config.
#pragma once

#include "common/option_sources.h"

#include <string>

namespace fsrv {

std::string help_text(bool all); // or without what is wanted seldom
std::string version_text();

// A TOML file that makes the same options. `chosen`: for each entry of option_table() the setting
// that counts.
std::string dump_text(const Options& options, const Settings& chosen);

} // namespace fsrv
