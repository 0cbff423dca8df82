#include "worker/content/listing_stream.h"

#include "common/clock.h"
#include "common/limits.h"
#include "worker/content/fs_identity.h"
#include "worker/content/listing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fsrv::content {

ListingStream::ListingStream(const Ask& ask, Reservation memory)
    : memory_(std::move(memory)),
      path_(ask.path),
      policy_(ask.sight.policy ? ask.sight.policy->lasting() : nullptr),
      account_(ask.sight.account),
      home_(ask.reach),
      reach_(ask.reach),
      filter_(ask.filter) {}

Result<std::shared_ptr<ListingStream>, Errno> ListingStream::open(const Ask& ask,
                                                                  Reservation memory) {
    std::shared_ptr<ListingStream> stream(new ListingStream(ask, std::move(memory)));
    Sight sight = ask.sight;
    sight.policy = stream->policy_.get();
    auto reader = FolderReader::open(ask.folder_fd, stream->path_, ask.resolver, std::move(sight));
    if (!reader) return unexpected(reader.error());
    stream->reader_.emplace(*std::move(reader));
    return stream;
}

http::Producer::Made ListingStream::produce(std::span<char> room) {
    const FsIdentity identity(account_);
    if (!identity.is_assumed()) return {.state = State::unreadable};
    until_ms_ = monotonic_ms() + limits::kListingSliceMs;
    rests_ = false;
    std::size_t made = put(room);
    while (made < room.size() && !rests_) {
        const State state = read_on();
        if (state == State::end) return {.bytes = made, .state = state};
        if (state != State::more) return {.state = state};
        made += put(room.subspan(made));
    }
    return {.bytes = made};
}

std::size_t ListingStream::put(std::span<char> room) {
    const std::size_t part = std::min(room.size(), line_.size() - taken_);
    if (part > 0) std::memcpy(room.data(), line_.data() + taken_, part);
    taken_ += part;
    return part;
}

http::Producer::State ListingStream::read_on() {
    const auto shown = reader_->next(reach_, this);
    if (!shown && shown.error().code == kOtherDevice) {
        reach_.go_there();
        rests_ = true;
        return State::more;
    }
    if (!shown && shown.error().code == ECANCELED) {
        rests_ = true;
        return State::more;
    }
    if (!shown) return State::unreadable;
    if (!*shown) return State::end;
    if (reach_.device != home_.device) { // that was for one name
        reach_ = home_;
        rests_ = true;
    }
    line_.clear();
    taken_ = 0;
    append_json_entry(line_, listed(**shown), path_);
    line_.push_back('\n');
    return State::more;
}

Glance ListingStream::glance(std::string_view name, std::optional<bool> /*folder*/) {
    constexpr unsigned kBetweenLooks = 64; // at the clock
    if (++glances_ % kBetweenLooks == 0 && monotonic_ms() >= until_ms_) return Glance::stop;
    return filter_.passes(name) ? Glance::look : Glance::skip;
}

} // namespace fsrv::content
