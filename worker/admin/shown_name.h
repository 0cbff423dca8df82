// The names of downloads, for people.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::admin {

// What stands in the access log, as a person would write it: "/a b.tar". Cut targets stay as sent.
std::string shown_name(std::string_view target);

} // namespace fsrv::admin
