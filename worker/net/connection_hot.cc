// The answers to most requests for what a worker keeps: out of memory, at once.
#include "worker/net/connection.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>

namespace fsrv::net {
namespace {

// What to answer when all is as in most requests: 200, or 304 to who has the file with this tag.
// Nothing when the request asks for more than that.
std::optional<int> plain_status(const http::Request& request, std::string_view etag) {
    if (request.minor_version != 1 || !request.keep_alive || request.has_body()) return {};
    int status = 200;
    bool has_date = false; // which a tag overrules
    for (unsigned i = 0; i < request.field_count; ++i) {
        const auto& [name, value] = request.fields[i];
        if (name.size() == 5 && http::equal_ignoring_case(name, "range")) return {};
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

ssize_t copy(int fd, std::span<const std::string_view> parts) {
    std::array<iovec, 3> vectors;
    std::size_t count = 0;
    for (const std::string_view part : parts)
        vectors[count++] = {.iov_base = const_cast<char*>(part.data()), .iov_len = part.size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The last of the parts; the others are its head.
ssize_t lend(const SenderContext& context, int fd, std::span<const std::string_view, 3> parts) {
    PageLender& lender = *context.lender;
    const auto head = parts.first<2>();
    if (context.joins_head(parts[2].size())) return lender.send(fd, head, parts[2], false);
    const ssize_t n = copy(fd, head);
    if (n != static_cast<ssize_t>(head[0].size() + head[1].size())) return n;
    return n + std::max<ssize_t>(0, lender.send(fd, {}, parts[2], false));
}

} // namespace

void Connection::answer_from(const CachedFile& file) {
    const auto status = plain_status(exchange_->request, file.resource.validators->etag);
    if (status && !worker_.draining() && respond_at_once(file, *status)) return;
    respond(http::plan_resource(exchange_->request, http::FindResult(file.resource),
                                worker_.plan_config(), wall_now()));
}

// The plain answer to a small file, to HEAD, or to who has the file: out of memory, with one system
// call, or two where it is lent, and no allocation. False: not this way.
bool Connection::respond_at_once(const CachedFile& file, int status) {
    const bool has_body = status == 200 && exchange_->request.method != http::Method::head;
    if (has_body && !file.in_memory()) return false;
    const std::string_view content = has_body ? file.content : std::string_view();
    const std::array parts = {status == 200 ? file.lasting_head : file.lasting_304_head,
                              worker_.date_line_and_end(), content};
    const std::size_t size = parts[0].size() + parts[1].size() + content.size();
    const SenderContext& context = worker_.sender_context();
    const bool lends = has_body && file.lendable && context.lender->able();
    const SendPath path = lends ? SendPath::zero_copy : SendPath::memory;
    const ssize_t n = lends ? lend(context, fd_, parts) : copy(fd_, parts);
    if (n == static_cast<ssize_t>(size)) {
        worker_.score().count(Metric::sent_bytes, path, content.size());
        worker_.count_answer(to_label(exchange_->request.method), status, worker_.now_ms());
        if (worker_.logs_access()) {
            log_line(LogFields::of(exchange_->request), {.peer = client_of(exchange_->request),
                                                         .status = status,
                                                         .started = wall_now(),
                                                         .started_ms = worker_.now_ms(),
                                                         .body_bytes = content.size(),
                                                         .now_ms = worker_.now_ms(),
                                                         .end = "complete"});
        }
        next_request();
        return true;
    }
    adopt_transfer(fmt::format("{}{}", parts[0], parts[1]),
                   has_body ? file.resource.body : http::Body(),
                   LogRecord(LogFields::of(exchange_->request)), status);
    transfer_->keep_alive = true;
    transfer_->asked = to_label(exchange_->request.method);
    transfer_->client = client_of(exchange_->request);
    // An error shows again when the sender tries.
    if (n > 0) transfer_->sender.assume_sent(static_cast<std::size_t>(n), path);
    return true;
}

} // namespace fsrv::net
