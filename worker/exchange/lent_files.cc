#include "worker/exchange/lent_files.h"

#include "worker/disk/file_read.h"

#include <algorithm>
#include <utility>

namespace fsrv::exchange {

LentFiles::~LentFiles() {
    while (!files_.empty()) {
        let_go(std::move(files_.front().file));
        files_.pop_front();
    }
}

bool LentFiles::make_room(const std::shared_ptr<const http::OpenFile>& file) {
    if (!files_.empty() && files_.back().file == file) return true;
    if (files_.size() >= limits::kMostLentFiles || (places_ && !places_->take())) return false;
    files_.push_back({.file = file});
    return true;
}

void LentFiles::lent(const http::OpenFile& file, std::uint64_t due) {
    if (files_.empty() || files_.back().file.get() != &file) return; // only ever replaced
    files_.back().due = std::max(files_.back().due, due);
}

bool LentFiles::are_unchanged(std::uint64_t sent, const http::OpenFile* being_read) {
    while (!files_.empty()) {
        Lent& first = files_.front();
        if (first.due > sent || first.file.get() == being_read) return true;
        if (!disk::is_unchanged(*first.file)) return false;
        let_go(std::move(first.file));
        files_.pop_front();
    }
    return true;
}

bool LentFiles::are_all_unchanged() const {
    return std::all_of(files_.begin(), files_.end(),
                       [](const Lent& lent) { return disk::is_unchanged(*lent.file); });
}

void LentFiles::let_go(std::shared_ptr<const http::OpenFile> file) {
    if (places_) places_->give_back(1);
    if (closer_) closer_->let_go(std::move(file));
}

} // namespace fsrv::exchange
