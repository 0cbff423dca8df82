// Numbers and sizes as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace fsrv {

// "0 B", "999 B", "1.0 KiB", "1.5 GiB".
void append_human_size(std::string& out, std::uint64_t bytes);
std::string human_size(std::uint64_t bytes);

// "1,234,567".
void append_grouped(std::string& out, std::uint64_t number);
std::string grouped(std::uint64_t number);

// "1234567".
void append_number(std::string& out, std::uint64_t number);

} // namespace fsrv
