// Which types gain by a content coding: a fact of the type alone, whatever the file holds.
#pragma once

#include <string_view>

namespace fsrv::content {

// Of a Content-Type as MimeTypes makes them: lower case, maybe with parameters.
bool gains_by_coding(std::string_view content_type);

} // namespace fsrv::content
