#include "worker/content/gaining.h"

#include <algorithm>

namespace fsrv::content {
namespace {

constexpr std::string_view kGainingTypes[] = {
#define FSRV_GAINING_TYPE(type) type,
#include "worker/content/gaining_types.def"
#undef FSRV_GAINING_TYPE
};

} // namespace

bool gains_by_coding(std::string_view content_type) {
    static_assert(std::is_sorted(std::begin(kGainingTypes), std::end(kGainingTypes)));
    const std::string_view type = content_type.substr(0, content_type.find(';'));
    if (type.starts_with("text/") || type.ends_with("+json") || type.ends_with("+xml") ||
        type.ends_with("+text"))
        return true;
    return std::binary_search(std::begin(kGainingTypes), std::end(kGainingTypes), type);
}

} // namespace fsrv::content
