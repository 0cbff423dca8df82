#include "worker/http/request.h"

#include "common/ascii.h"

#include <algorithm>
#include <span>

namespace fsrv::http {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> Request::field(std::string_view name) const {
    std::optional<std::string_view> only;
    for (const Field& field : all_fields()) {
        if (!equal_ignoring_case(field.name, name)) continue;
        if (only) return std::nullopt;
        only = field.value;
    }
    return only;
}

unsigned Request::count(std::string_view name) const {
    unsigned n = 0;
    for (const Field& field : all_fields())
        if (equal_ignoring_case(field.name, name)) ++n;
    return n;
}

} // namespace fsrv::http
