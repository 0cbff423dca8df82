#include "worker/http/known_fields.h"

#include <algorithm>

namespace fsrv::http {
namespace {

constexpr std::size_t kMostBytes = 1024; // a browser's are about 500

constexpr std::string_view kCredentials[] = {
    "authorization", "proxy-authorization", "cookie", "cookie2", "x-api-key", "x-auth-token"};

bool has_credentials(const Request& request) {
    for (const Field& field : request.all_fields())
        for (const std::string_view name : kCredentials)
            if (equal_ignoring_case(field.name, name)) return true;
    return false;
}

std::string_view moved(std::string_view view, const char* from, const char* to) {
    // An empty one may be of nothing.
    return {view.empty() ? to : to + (view.data() - from), view.size()};
}

} // namespace

void KnownFields::learn(std::string_view all, const Request& request) {
    if (all.size() > kMostBytes || has_credentials(request)) return;
    bytes_ = all;
    fields_.clear();
    for (const auto& [name, value] : request.all_fields())
        fields_.push_back({.name = moved(name, all.data(), bytes_.data()),
                           .value = moved(value, all.data(), bytes_.data())});
    host_ = moved(request.host, all.data(), bytes_.data());
    keep_alive_ = request.keep_alive;
    expects_continue_ = request.expects_continue;
}

void KnownFields::recall(Request& request, const char* at) const {
    request.field_count = 0;
    for (const auto& [name, value] : fields_)
        request.fields[request.field_count++] = {.name = moved(name, bytes_.data(), at),
                                                 .value = moved(value, bytes_.data(), at)};
    request.host = moved(host_, bytes_.data(), at);
    request.keep_alive = keep_alive_;
    request.expects_continue = expects_continue_;
    request.chunked = false;
    request.content_length = 0;
}

} // namespace fsrv::http
