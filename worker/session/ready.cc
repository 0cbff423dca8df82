#include "worker/session/ready.h"

#include <algorithm>
#include <array>

namespace fsrv::session {
namespace {

// What to answer when all is as in most requests: 200, or 304 to who has the file with this tag.
// Nothing when the request asks for more than that. Accept-Encoding has been looked at: the tag is
// that of what it wants.
std::optional<int> plain_status(const http::Request& request, std::string_view etag) {
    if (request.minor_version != 1 || !request.keep_alive || request.has_body()) return {};
    if (!request.may_be_conditional) return 200;
    int status = 200;
    bool has_date = false; // which a tag overrules
    for (unsigned i = 0; i < request.field_count; ++i) {
        const auto& [name, value] = request.fields[i];
        if (name.size() == 5 && http::equal_ignoring_case(name, "range")) return {};
        if (name.size() == 16 && http::equal_ignoring_case(name, "want-repr-digest")) return {};
        if (name.size() <= 3 || !http::equal_ignoring_case(name.substr(0, 3), "if-")) continue;
        if (http::equal_ignoring_case(name, "if-modified-since")) {
            has_date = true;
        } else if (status == 200 && value == etag &&
                   http::equal_ignoring_case(name, "if-none-match")) {
            status = 304;
        } else {
            return {};
        }
    }
    if (status == 200 && has_date) return {};
    return status;
}

} // namespace

std::optional<ReadyAnswer> ready_answer(const http::Request& request,
                                        const exchange::CachedFile& file,
                                        const exchange::CachedCoding* coded, bool lends,
                                        const SessionServices& services) {
    const std::optional<int> status =
        plain_status(request, coded ? coded->etag : file.resource.validators->etag);
    if (!status || services.exchanges.ending.draining) return std::nullopt;
    if (coded) {
        if (*status == 304) return ReadyAnswer{.status = 304, .head = coded->head_304};
        if (request.method == http::Method::head) return ReadyAnswer{.head = coded->head};
        return ReadyAnswer{.head = coded->head, .content = coded->content};
    }
    if (*status == 304) return ReadyAnswer{.status = 304, .head = file.head_304};
    if (request.method == http::Method::head) return ReadyAnswer{.head = file.head};
    if (!file.in_memory() || (file.lendable && lends && !services.lender.able()))
        return std::nullopt;
    return ReadyAnswer{.head = file.head,
                       .content = file.content,
                       .path = file.lendable && lends ? SendPath::zero_copy : SendPath::memory};
}

ssize_t send_ready(const ReadyAnswer& answer, wire::Transport& transport,
                   const SessionServices& services) {
    const auto& [status, head, content, path] = answer;
    if (path == SendPath::memory) {
        if (content.empty() || content.data() == head.data() + head.size())
            return transport.write({head.data(), head.size() + content.size()});
        std::array vectors{wire::to_vector(head), wire::to_vector(content)};
        return transport.write(vectors, false);
    }
    if (services.joins_head(content.size()))
        return transport.lend(services.lender, head, content, false);
    const ssize_t n = transport.write(head);
    if (n != static_cast<ssize_t>(head.size())) return n;
    return n + std::max<ssize_t>(0, transport.lend(services.lender, {}, content, false));
}

} // namespace fsrv::session
