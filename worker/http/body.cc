#include "worker/http/body.h"

#include "common/check.h"

#include <algorithm>
#include <utility>

namespace fsrv::http {
namespace {

template <typename Extent>
Segment part_of(Extent extent, std::uint64_t offset, std::uint64_t length) {
    extent.offset += offset;
    extent.length = length;
    return extent;
}

} // namespace

std::uint64_t length_of(const Segment& segment) {
    if (const auto* memory = std::get_if<MemoryExtent>(&segment)) return memory->length;
    if (const auto* file = std::get_if<FileExtent>(&segment)) return file->length;
    if (const auto* parts = std::get_if<PartsExtent>(&segment)) return parts->length;
    return 0;
}

std::shared_ptr<const char> shared_bytes(std::shared_ptr<const std::string> text) {
    const char* const first = text->data();
    return {std::move(text), first};
}

bool Body::has_known_size() const {
    return std::none_of(segments.begin(), segments.end(), [](const Segment& segment) {
        return std::holds_alternative<Stream>(segment);
    });
}

bool Body::may_have_several_files() const {
    const OpenFile* first = nullptr;
    for (const Segment& segment : segments) {
        if (std::holds_alternative<PartsExtent>(segment)) return true;
        const auto* extent = std::get_if<FileExtent>(&segment);
        if (!extent) continue;
        if (first && first != extent->file.get()) return true;
        first = extent->file.get();
    }
    return false;
}

Growing* Body::growing() const {
    const auto* stream = segments.empty() ? nullptr : std::get_if<Stream>(&segments.front());
    return stream ? stream->producer->growing() : nullptr;
}

std::uint64_t Body::size() const {
    std::uint64_t sum = 0;
    for (const Segment& segment : segments) sum += length_of(segment);
    return sum;
}

void Body::append_slice(const Body& whole, std::uint64_t offset, std::uint64_t length) {
    FSRV_CHECK(whole.has_known_size(), "a stream cannot be sliced");
    for (const Segment& segment : whole.segments) {
        if (length == 0) return;
        const auto has = length_of(segment);
        if (offset >= has) {
            offset -= has;
            continue;
        }
        const auto take = std::min(length, has - offset);
        if (const auto* memory = std::get_if<MemoryExtent>(&segment))
            segments.push_back(part_of(*memory, offset, take));
        else if (const auto* parts = std::get_if<PartsExtent>(&segment))
            segments.push_back(part_of(*parts, offset, take));
        else
            segments.push_back(part_of(std::get<FileExtent>(segment), offset, take));
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

Body Body::of(std::shared_ptr<const Parts> parts) {
    Body body;
    const auto length = parts->size();
    if (length > 0)
        body.segments.emplace_back(PartsExtent{.parts = std::move(parts), .length = length});
    return body;
}

} // namespace fsrv::http
