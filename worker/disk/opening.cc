#include "worker/disk/opening.h"

#include <utility>

namespace fsrv::disk {

Opening::~Opening() {
    if (closer) closer->let_go(http::Body{.segments = std::move(segments)});
}

void Opening::run() {
    had = extent.parts->open(extent.offset, extent.length, false, segments);
}

} // namespace fsrv::disk
