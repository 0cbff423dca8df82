#include "worker/content/metalink.h"

#include "common/crypto/base64.h"
#include "common/limits.h"
#include "worker/http/page.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace fsrv::content {
namespace {

// A name as XML may have it, which knows no control characters.
std::string xml_text(std::string_view text) {
    std::string shown;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            shown += "\xEF\xBF\xBD"; // U+FFFD
        else
            shown += c;
    }
    return http::escape_html(shown);
}

void append_beginning(std::string& out, const http::OpenFile& file, const MetalinkFacts& facts) {
    fmt::format_to(std::back_inserter(out),
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n"
                   "  <file name=\"{}\">\n"
                   "    <size>{}</size>\n"
                   "    <url>{}</url>\n",
                   xml_text(facts.name), file.size, xml_text(facts.url));
}

void append_end(std::string& out, const http::OpenFile& file, const crypto::Digest& whole,
                const Pieces& pieces) {
    fmt::format_to(std::back_inserter(out), "    <hash type=\"sha-256\">{}</hash>\n",
                   crypto::encode_hex(whole.view()));
    if (!pieces.empty()) {
        fmt::format_to(std::back_inserter(out), "    <pieces length=\"{}\" type=\"sha-256\">\n",
                       piece_bytes_of(file.size));
        for (const crypto::Digest& piece : pieces)
            fmt::format_to(std::back_inserter(out), "      <hash>{}</hash>\n",
                           crypto::encode_hex(piece.view()));
        out += "    </pieces>\n";
    }
    out += "  </file>\n</metalink>\n";
}

} // namespace

std::uint64_t piece_bytes_of(std::uint64_t size) {
    constexpr std::uint64_t kMost = limits::kMostPieces;
    return std::max(limits::kLeastPieceBytes, std::bit_ceil(size / kMost + (size % kMost != 0)));
}

std::string metalink_of(const http::OpenFile& file, const MetalinkFacts& facts,
                        const crypto::Digest& whole, const Pieces& pieces) {
    std::string text;
    append_beginning(text, file, facts);
    append_end(text, file, whole, pieces);
    return text;
}

MetalinkStream::MetalinkStream(std::shared_ptr<const http::OpenFile> file, MetalinkFacts facts,
                               std::shared_ptr<KnownDigests> known, Reservation place)
    : file_(std::move(file)),
      facts_(std::move(facts)),
      known_(std::move(known)),
      place_(std::move(place)),
      hash_(file_, piece_bytes_of(file_->size)) {}

http::Producer::Made MetalinkStream::produce(std::span<char> room) {
    if (!std::exchange(begun_, true)) append_beginning(text_, *file_, facts_);
    std::size_t made = 0;
    for (bool waits = false; !waits;) {
        const std::string_view left = std::string_view(text_).substr(taken_);
        const std::size_t some = left.copy(room.data() + made, room.size() - made);
        made += some;
        taken_ += some;
        if (some < left.size()) return {.bytes = made};
        if (hashed_) return {.bytes = made, .state = State::end};
        if (made > 0) break; // what is hashed behind it takes longer
        switch (hash_.go_on(limits::kDigestBytesInARow)) {
        case FileHash::State::more: waits = true; break;
        case FileHash::State::changed: return {.state = State::changed};
        case FileHash::State::unreadable: return {.state = State::unreadable};
        case FileHash::State::done:
            hashed_ = true;
            known_->whole.keep(version_of(*file_), hash_.whole());
            known_->pieces.keep(version_of(*file_), std::make_shared<const Pieces>(hash_.pieces()));
            append_end(text_, *file_, hash_.whole(), hash_.pieces());
            break;
        }
    }
    return {.bytes = made};
}

} // namespace fsrv::content
