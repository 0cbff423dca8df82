// The answers to most requests for what a worker keeps: out of memory, at once.
#include "common/quick_calls.h"
#include "worker/net/connection.h"
#include "worker/net/worker.h"

#include <algorithm>
#include <optional>
#include <string>
#include <sys/socket.h>

namespace fsrv::net {
namespace {

// What to answer when all is as in most requests: 200, or 304 to who has the file with this tag.
// Nothing when the request asks for more than that.
std::optional<int> plain_status(const http::Request& request, const exchange::CachedFile& file) {
    if (request.minor_version != 1 || !request.keep_alive || request.has_body()) return {};
    int status = 200;
    bool has_date = false; // which a tag overrules
    for (unsigned i = 0; i < request.field_count; ++i) {
        const auto& [name, value] = request.fields[i];
        if (name.size() == 5 && http::equal_ignoring_case(name, "range")) return {};
        if (name.size() <= 3 || !http::equal_ignoring_case(name.substr(0, 3), "if-")) continue;
        if (http::equal_ignoring_case(name, "if-modified-since")) {
            has_date = true;
        } else if (status == 200 && value == file.resource.validators->etag &&
                   http::equal_ignoring_case(name, "if-none-match")) {
            status = 304;
        } else {
            return {};
        }
    }
    if (status == 200 && has_date) return {};
    return status;
}

ssize_t copy(int fd, std::string_view bytes) {
    return quick_send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t lend(const SenderContext& context, int fd, const exchange::CachedFile& file) {
    wire::PageLender& lender = *context.lender;
    if (context.joins_head(file.content.size()))
        return lender.send(fd, file.head, file.content, false);
    const ssize_t n = copy(fd, file.head);
    if (n != static_cast<ssize_t>(file.head.size())) return n;
    return n + std::max<ssize_t>(0, lender.send(fd, {}, file.content, false));
}

} // namespace

void Connection::answer_from(const exchange::CachedFile& file) {
    const auto status = plain_status(exchange_->request, file);
    if (status && !worker_.draining() && respond_at_once(file, *status)) return;
    respond(http::plan_resource(exchange_->request, http::FindResult(file.resource),
                                worker_.plan_config(), wall_now()));
}

// The plain answer to a small file, to HEAD, or to who has the file: out of memory, with one system
// call, or two where it is lent, and no allocation. False: not this way.
bool Connection::respond_at_once(const exchange::CachedFile& file, int status) {
    const bool has_body = status == 200 && exchange_->request.method != http::Method::head;
    if (has_body && !file.in_memory()) return false;
    const SenderContext& context = worker_.sender_context();
    const bool lends = has_body && file.lendable;
    if (lends && !context.lender->able()) return false;
    const std::string_view head = status == 200 ? file.head : file.head_304;
    const std::size_t body_size = has_body ? file.content.size() : 0;
    const std::size_t size = head.size() + body_size;
    const SendPath path = lends ? SendPath::zero_copy : SendPath::memory;
    // What is copied follows its head in memory.
    const ssize_t n = lends ? lend(context, fd_, file) : copy(fd_, {head.data(), size});
    if (n == static_cast<ssize_t>(size)) {
        worker_.score().count(Metric::sent_bytes, path, body_size);
        worker_.count_answer(to_label(exchange_->request.method), status, worker_.now_ms());
        if (worker_.logs_access()) {
            worker_.log_line(log::LogFields::of(exchange_->request),
                             {.peer = client_of(exchange_->request),
                              .status = status,
                              .started = wall_now(),
                              .started_ms = worker_.now_ms(),
                              .body_bytes = body_size,
                              .now_ms = worker_.now_ms(),
                              .end = "complete"});
        }
        next_request();
        return true;
    }
    adopt_transfer(std::string(head), has_body ? file.resource.body : http::Body(),
                   log::LogRecord(log::LogFields::of(exchange_->request)), status);
    transfer_->keep_alive = true;
    transfer_->asked = to_label(exchange_->request.method);
    transfer_->client = client_of(exchange_->request);
    // An error shows again when the sender tries.
    if (n > 0) transfer_->sender.assume_sent(static_cast<std::size_t>(n), path);
    return true;
}

} // namespace fsrv::net
