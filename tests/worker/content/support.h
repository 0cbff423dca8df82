// A tree on disk and a store over it, for the tests of worker/content.
#pragma once

#include "tests/support/files.h"
#include "worker/content/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fsrv::content {

// root/ is served, outside/ holds what must never be: every file there says "SECRET".
class Tree {
  public:
    Tree() {
        folder("");
        std::filesystem::create_directories(base_ / "outside/sub");
        test::write_file(base_ / "outside/secret.txt", "SECRET");
        test::write_file(base_ / "outside/sub/secret.txt", "SECRET");
        fd_.reset(::open(root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }

    std::string base() const { return base_.str(); }
    std::string root() const { return base_.str() + "/root"; }
    std::string at(std::string_view name) const { return root() + "/" + std::string(name); }
    int fd() const { return fd_.get(); }

    void folder(std::string_view name) { std::filesystem::create_directories(at(name)); }
    void file(std::string_view name, std::string_view bytes) { test::write_file(at(name), bytes); }
    void link(std::string_view target, std::string_view name) {
        ASSERT_EQ(::symlink(std::string(target).c_str(), at(name).c_str()), 0) << name;
    }
    void fifo(std::string_view name) { ASSERT_EQ(::mkfifo(at(name).c_str(), 0666), 0) << name; }
    void socket(std::string_view name) {
        ASSERT_EQ(::mknod(at(name).c_str(), S_IFSOCK | 0666, 0), 0) << name;
    }

    StoreConfig config(ResolveForm form = ResolveForm::automatic) const {
        return {.root_fd = fd(), .root_path = root(), .index = "index.html", .form = form};
    }

  private:
    test::TempDir base_;
    UniqueFd fd_;
};

// Every test that resolves runs in both forms: INSTANTIATE_TEST_SUITE_P(BothForms, ..., kForms,
// form_name).
inline const auto kForms = testing::Values(ResolveForm::openat2, ResolveForm::walk);
inline std::string form_name(const testing::TestParamInfo<ResolveForm>& form) {
    return form.param == ResolveForm::walk ? "Walk" : "Openat2";
}

// Permissions as somebody who is not root meets them: root's way around them goes with its file
// system identity. Of this thread only.
class AsNobody {
  public:
    AsNobody() : user_(static_cast<uid_t>(::setfsuid(65534))) {}
    ~AsNobody() { ::setfsuid(user_); }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;

  private:
    uid_t user_;
};

inline std::string read_body(const http::Body& body) {
    std::string out;
    for (const http::Segment& segment : body.segments) {
        if (const auto* parts = std::get_if<http::PartsExtent>(&segment)) {
            http::Body opened;
            for (http::PartsExtent rest = *parts; rest.length > 0;) {
                opened.segments.clear();
                const auto had = rest.parts->open(rest.offset, rest.length, false, opened.segments);
                if (had == http::Parts::Had::none_yet) continue;
                if (had != http::Parts::Had::some) return out;
                out += read_body(opened);
                rest.offset += opened.size();
                rest.length -= opened.size();
            }
        } else if (const auto* stream = std::get_if<http::Stream>(&segment)) {
            std::vector<char> room(1000); // less than a line, now and then
            http::Producer::Made made;
            while (made.state == http::Producer::State::more) {
                made = stream->producer->produce(room);
                out.append(room.data(), made.bytes);
            }
            if (made.state != http::Producer::State::end) return out + "(broken off)";
        } else if (const auto* memory = std::get_if<http::MemoryExtent>(&segment)) {
            out += memory->view();
        } else {
            const auto& extent = std::get<http::FileExtent>(segment);
            std::string bytes(extent.length, '\0');
            const ssize_t got = ::pread(extent.file->fd.get(), bytes.data(), bytes.size(),
                                        static_cast<off_t>(extent.offset));
            bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
            out += bytes;
        }
    }
    return out;
}

// What a request for `origin` gets from the store, flat.
struct Answer {
    int status = 0;
    std::string body;
    std::string type;
    std::string location;
    std::string disposition;
    std::string fields;
    std::string etag;
};

inline Answer ask(const LocalStore& store, std::string_view origin, const Ask& more) {
    const auto target = http::parse_target(origin);
    if (!target) return {.status = target.error().status};
    auto found = store.find(*target, more);
    if (!found) return {.status = found.error().status, .location = found.error().location};
    return {.status = 200,
            .body = read_body(found->body),
            .type = found->content_type,
            .disposition = found->content_disposition,
            .fields = found->extra_fields,
            .etag = found->validators ? found->validators->etag : ""};
}

inline Answer ask(const LocalStore& store, std::string_view origin, std::string_view accept = "") {
    return ask(store, origin, Ask{.accept = accept});
}

} // namespace fsrv::content
