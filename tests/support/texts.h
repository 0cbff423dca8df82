// Texts looked into.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fsrv::test {

// What stands between `before` and the next `after`, each time.
inline std::vector<std::string> texts_between(std::string_view text, std::string_view before,
                                              std::string_view after) {
    std::vector<std::string> out;
    for (std::size_t at = text.find(before); at != std::string_view::npos;
         at = text.find(before, at)) {
        at += before.size();
        out.emplace_back(text.substr(at, text.find(after, at) - at));
    }
    return out;
}

} // namespace fsrv::test
