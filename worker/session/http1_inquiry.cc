#include "worker/session/http1_inquiry.h"

#include "common/limits.h"

#include <algorithm>
#include <cstring>

namespace fsrv::session {

Http1Inquiry::Http1Inquiry(SpareInquiries& home, const http::ParserLimits& limits)
    : capacity(limits.max_head_bytes +
               64), // a head at the limit, an empty line before it, and one byte too many
      buffer(std::make_unique<char[]>(capacity)),
      parser(limits),
      home_(home) {}

void Http1Inquiry::received(std::size_t bytes) {
    end += bytes;
    used = std::max(used, end);
}

void Http1Inquiry::make_room() {
    std::memmove(buffer.get(), buffer.get() + begin, end - begin);
    end -= begin;
    begin = 0;
}

void Http1Inquiry::forget() {
    ::explicit_bzero(buffer.get(), used);
    begin = end = used = 0;
    parser.reset();
    lookup.forget();
    admission.reset();
}

void Http1Inquiry::come_back() {
    home_.give_back(std::unique_ptr<Http1Inquiry>(this));
}

SpareInquiries::SpareInquiries(std::size_t max_head_bytes, disk::FileCloser& closer)
    : max_head_bytes_(max_head_bytes), closer_(closer) {}

SpareInquiries::~SpareInquiries() = default;

std::unique_ptr<Http1Inquiry> SpareInquiries::take() {
    if (spare_.empty()) {
        return std::make_unique<Http1Inquiry>(
            *this, http::ParserLimits{.max_head_bytes = max_head_bytes_});
    }
    std::unique_ptr<Http1Inquiry> inquiry = std::move(spare_.back());
    spare_.pop_back();
    return inquiry;
}

void SpareInquiries::give_back(std::unique_ptr<Http1Inquiry> inquiry) {
    if (!inquiry) return;
    if (inquiry->lookup.is_under_way()) {
        inquiry.release()->lookup.cancel();
        return;
    }
    if (inquiry->lookup.plan) closer_.let_go(std::move(inquiry->lookup.plan->body));
    if (spare_.size() >= limits::kMaxSpareInquiries) return;
    inquiry->forget();
    spare_.push_back(std::move(inquiry));
}

} // namespace fsrv::session
