#include "worker/http/body.h"

#include "common/check.h"

#include <algorithm>
#include <utility>

namespace fsrv::http {

std::shared_ptr<const char> shared_bytes(std::shared_ptr<const std::string> text) {
    const char* const first = text->data();
    return {std::move(text), first};
}

std::uint64_t Body::size() const {
    std::uint64_t sum = 0;
    for (const Segment& segment : segments)
        sum += std::visit([](const auto& extent) { return extent.length; }, segment);
    return sum;
}

void Body::append_slice(const Body& whole, std::uint64_t offset, std::uint64_t length) {
    for (const Segment& segment : whole.segments) {
        if (length == 0) return;
        const auto has = std::visit([](const auto& extent) { return extent.length; }, segment);
        if (offset >= has) {
            offset -= has;
            continue;
        }
        const auto take = std::min(length, has - offset);
        segments.push_back(segment);
        std::visit(
            [&](auto& extent) {
                extent.offset += offset;
                extent.length = take;
            },
            segments.back());
        offset = 0;
        length -= take;
    }
    FSRV_CHECK(length == 0, "a slice reaches beyond its body");
}

void Body::append_bytes(std::string bytes) {
    if (bytes.empty()) return;
    const auto length = bytes.size();
    segments.emplace_back(
        MemoryExtent{.bytes = shared_bytes(std::make_shared<const std::string>(std::move(bytes))),
                     .length = length});
}

Body Body::of(std::string bytes) {
    Body body;
    body.append_bytes(std::move(bytes));
    return body;
}

Body Body::of(std::shared_ptr<const OpenFile> file) {
    Body body;
    const auto length = file->size;
    if (length > 0)
        body.segments.emplace_back(FileExtent{.file = std::move(file), .length = length});
    return body;
}

} // namespace fsrv::http
