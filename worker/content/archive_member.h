// What an archive says of a member. Pure.
#pragma once

#include "common/clock.h"

#include <cstdint>
#include <string_view>

namespace fsrv::content {

struct ArchiveMember {
    std::string_view name;  // within the archive, any bytes; a folder's ends in a slash
    std::uint64_t size = 0; // of a folder 0
    FileTime mtime;
    bool folder = false;
    bool executable = false;

    unsigned mode() const { return folder || executable ? 0755 : 0644; }
};

} // namespace fsrv::content
