#include "worker/content/digest_sums.h"

#include "common/crypto/base64.h"
#include "common/escape.h"
#include "common/limits.h"

#include <algorithm>
#include <utility>

namespace fsrv::content {

std::string repr_digest(const crypto::Digest& sha256) {
    return "sha-256=:" + crypto::encode_base64(sha256.view(), crypto::Base64::standard) + ":";
}

void append_sum(std::string& out, const crypto::Digest& sha256, std::string_view name) {
    if (name.find_first_of("\\\n\r") != std::string_view::npos) out += '\\';
    out.append(crypto::encode_hex(sha256.view())).append("  ");
    if (name == "-") out += "./";
    for (const char c : name) {
        switch (c) {
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        default: out += c;
        }
    }
    out += '\n';
}

DigestSums::DigestSums(ArchiveFiles files, std::string_view folder,
                       std::shared_ptr<KnownDigests> known, Reservation place)
    : files_(std::move(files)),
      prefix_(folder.empty() ? 0 : folder.size() + 1),
      known_(std::move(known)),
      place_(std::move(place)) {}

http::Producer::Made DigestSums::produce(std::span<char> room) {
    std::uint64_t budget = limits::kDigestBytesInARow;
    unsigned opened = 0;
    std::size_t made = 0;
    for (;;) {
        const std::string_view left = std::string_view(text_).substr(taken_);
        const std::size_t some = left.copy(room.data() + made, room.size() - made);
        made += some;
        taken_ += some;
        if (some < left.size()) return {.bytes = made};
        text_.clear();
        taken_ = 0;
        if (member_ == files_.list().count()) return {.bytes = made, .state = State::end};
        switch (next_line(budget, opened)) {
        case Step::line: break;
        case Step::later: return {.bytes = made};
        case Step::broken: return {.state = State::broken};
        }
    }
}

DigestSums::Step DigestSums::next_line(std::uint64_t& budget, unsigned& opened) {
    const Entry& entry = files_.list().entry(member_);
    if (entry.kind == Entry::Kind::folder) {
        end_member();
        return Step::line;
    }
    if (entry.kind == Entry::Kind::note) {
        append_note(files_.list().note());
        end_member();
        return Step::line;
    }
    if (hash_) return hash_on(entry, budget);
    if (const auto known = known_->whole.find(version_of(entry))) {
        append_sum(text_, *known, name_of(entry));
        end_member();
        return Step::line;
    }
    if (budget == 0 || opened++ == limits::kCrcFilesInARow) return Step::later;
    std::shared_ptr<const http::OpenFile> file;
    switch (files_.open(entry, false, file)) {
    case http::Parts::Had::some: break;
    case http::Parts::Had::changed: leave_out(entry, "it has changed"); return Step::line;
    case http::Parts::Had::unreadable: leave_out(entry, "it cannot be read"); return Step::line;
    default: return Step::broken;
    }
    hash_.emplace(std::move(file));
    return hash_on(entry, budget);
}

DigestSums::Step DigestSums::hash_on(const Entry& entry, std::uint64_t& budget) {
    const FileHash::State state = hash_->go_on(limits::kDigestBytesInARow);
    budget -= std::min(budget, std::max<std::uint64_t>(entry.size, 1));
    switch (state) {
    case FileHash::State::more: budget = 0; return Step::later;
    case FileHash::State::done:
        known_->whole.keep(content::version_of(hash_->file()), hash_->whole());
        append_sum(text_, hash_->whole(), name_of(entry));
        end_member();
        break;
    case FileHash::State::changed: leave_out(entry, "it has changed"); break;
    case FileHash::State::unreadable: leave_out(entry, "it cannot be read"); break;
    }
    hash_.reset();
    return Step::line;
}

void DigestSums::leave_out(const Entry& entry, std::string_view why) {
    text_.append("# left out, as ").append(why).append(": ");
    text_.append(printable(name_of(entry))).append("\n");
    end_member();
}

// The names behind its first two lines, which are an archive's.
void DigestSums::append_note(std::string_view note) {
    const std::size_t names = note.find("\n\n");
    note.remove_prefix(std::min(note.size(), names == note.npos ? note.size() : names + 2));
    while (!note.empty()) {
        const std::string_view line = note.substr(0, note.find('\n'));
        text_.append("# left out, as it cannot be read: ").append(line).append("\n");
        note.remove_prefix(std::min(line.size() + 1, note.size()));
    }
}

std::string DigestSums::name_of(const Entry& entry) const {
    return files_.list().path(entry).substr(prefix_);
}

FileVersion DigestSums::version_of(const Entry& entry) const {
    return {.device = files_.list().device(entry),
            .inode = entry.inode,
            .size = entry.size,
            .mtime = entry.mtime(),
            .ctime = entry.ctime()};
}

} // namespace fsrv::content
