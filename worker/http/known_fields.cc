#include "worker/http/known_fields.h"

#include <limits>

namespace fsrv::http {
namespace {

constexpr std::size_t kMostBytes = 1024; // a browser's are about 500
static_assert(kMostBytes <= std::numeric_limits<std::uint16_t>::max());

constexpr std::string_view kCredentials[] = {
    "authorization", "proxy-authorization", "cookie", "cookie2", "x-api-key", "x-auth-token"};

bool has_credentials(const Request& request) {
    for (const Field& field : request.all_fields())
        for (const std::string_view name : kCredentials)
            if (equal_ignoring_case(field.name, name)) return true;
    return false;
}

} // namespace

void KnownFields::learn(std::string_view all, const Request& request) {
    if (all.size() > kMostBytes || has_credentials(request)) return;
    const auto extent_of = [all](std::string_view view) { // an empty one may be of nothing
        return Extent{.at = static_cast<std::uint16_t>(view.empty() ? 0 : view.data() - all.data()),
                      .size = static_cast<std::uint16_t>(view.size())};
    };
    bytes_ = all;
    fields_.clear();
    for (const auto& [name, value] : request.all_fields())
        fields_.push_back({.name = extent_of(name), .value = extent_of(value)});
    host_ = extent_of(request.host);
    keep_alive_ = request.keep_alive;
    expects_continue_ = request.expects_continue;
    may_be_conditional_ = request.may_be_conditional;
}

void KnownFields::recall(Request& request, const char* at) const {
    const auto view = [at](Extent extent) { return std::string_view(at + extent.at, extent.size); };
    Field* out = request.fields.data();
    for (const KnownField& field : fields_)
        *out++ = {.name = view(field.name), .value = view(field.value)};
    request.field_count = static_cast<unsigned>(fields_.size());
    request.host = view(host_);
    request.keep_alive = keep_alive_;
    request.expects_continue = expects_continue_;
    request.may_be_conditional = may_be_conditional_;
    request.chunked = false;
    request.content_length = 0;
}

} // namespace fsrv::http
