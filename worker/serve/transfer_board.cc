#include "worker/serve/transfer_board.h"

#include "worker/http/secret_query.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv::serve {
namespace {

std::string client_text(const log::Peer& peer) {
    return peer.port == 0 ? peer.text() : fmt::format("{} port {}", peer.text(), peer.port);
}

bool is_paused(const session::Connection& connection) {
    return connection.state() == session::State::paused;
}

bool is_throttled(const exchange::Answer& answer) {
    return answer.ration && answer.ration->is_waiting();
}

// "GET /x HTTP/1.1" to "/x".
std::string_view target_of(std::string_view request_line) {
    const std::size_t begin = std::min(request_line.find(' '), request_line.size());
    const std::size_t end = request_line.rfind(' ');
    return begin < end && end != std::string_view::npos
               ? request_line.substr(begin + 1, end - begin - 1)
               : std::string_view();
}

} // namespace

void TransferBoard::consider(const session::Connection& connection, std::uint64_t now_ms) {
    connection.for_each_answer([&](const exchange::Answer& answer) {
        if (now_ms - answer.started_ms < limits::kShownAfterMs) return;
        candidates_.push_back({.answer = &answer, .connection = &connection});
    });
}

void TransferBoard::show(std::uint64_t now_ms) {
    next_ms_ = now_ms + limits::kShowEveryMs;
    const auto earlier = [](const Candidate& a, const Candidate& b) {
        return a.answer->id < b.answer->id; // given in order
    };
    if (candidates_.size() > places_.size()) {
        std::nth_element(candidates_.begin(),
                         candidates_.begin() + static_cast<std::ptrdiff_t>(places_.size()),
                         candidates_.end(), earlier);
        candidates_.resize(places_.size());
    }
    // Who has a place keeps it: only numbers change there.
    for (std::size_t i = 0; i < places_.size(); ++i) {
        std::uint64_t& place = places_[i];
        if (place == 0) continue;
        const auto known = std::find_if(candidates_.begin(), candidates_.end(),
                                        [&](const Candidate& c) { return c.answer->id == place; });
        if (known == candidates_.end()) {
            place = 0;
            score_.transfers[i].end();
            continue;
        }
        known->shown = true;
        score_.transfers[i].update(known->answer->body.sent(), is_paused(*known->connection),
                                   is_throttled(*known->answer));
    }
    auto place = places_.begin();
    for (const Candidate& candidate : candidates_) {
        if (candidate.shown) continue;
        place = std::find_if(place, places_.end(), [](std::uint64_t id) { return id == 0; });
        const session::Connection& connection = *candidate.connection;
        const exchange::Answer& answer = *candidate.answer;
        *place = answer.id;
        score_.transfers[static_cast<std::size_t>(place - places_.begin())].begin(
            {.id = answer.id,
             .started_ms = answer.started_ms,
             .sent = answer.body.sent(),
             .total = answer.body.has_known_size() ? answer.body.size() : 0,
             .paused = is_paused(connection),
             .throttled = is_throttled(answer),
             .client = client_text(answer.client),
             .target = http::without_secrets(target_of(answer.record.fields().request_line))});
    }
    candidates_.clear();
}

} // namespace fsrv::serve
