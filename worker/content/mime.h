// Content-Type by file name: the system's table (/etc/mime.types, Debian's media-types) over a
// built-in one, but for what browsers show, play or run: there the built-in one decides.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fsrv::content {

class MimeTypes final {
  public:
    // Built-in table only.
    MimeTypes();
    // Reads `path` (default /etc/mime.types) over it; a file that is missing, too big (> 1 MiB) or
    // odd in places is no error.
    void load(const std::string& path = "/etc/mime.types");

    // By the last extension, without case; "application/octet-stream" when unknown. text/* and the
    // textual application types (json, xml, javascript) come with "; charset=utf-8".
    // `first`: other types, which decide; ".foo", in lower case.
    std::string_view of(std::string_view file_name,
                        const std::map<std::string, std::string>& first = {}) const;

  private:
    enum class Part { all, for_browsers };
    void put_built_in(Part part);

    std::unordered_map<std::string, std::string> by_extension_; // lower case, no dot
};

} // namespace fsrv::content
