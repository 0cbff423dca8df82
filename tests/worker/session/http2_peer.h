// A client of HTTP/2 in memory, by nghttp2: what it wants to say comes out as bytes, what it is
// told is kept by stream. It opens its windows only as the test says.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <nghttp2/nghttp2.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fsrv::session {

class Http2Peer final {
  public:
    struct Heard { // of a stream
        std::map<std::string, std::string> fields;
        std::string body;
        bool whole = false;                 // END_STREAM
        std::optional<std::uint32_t> reset; // by the server, with that error
    };
    using Fields = std::vector<std::pair<std::string, std::string>>;

    // `window`: of each stream, in bytes. The connection's is opened by itself.
    explicit Http2Peer(std::uint32_t window = 1 << 30) {
        nghttp2_session_callbacks* calls = nullptr;
        nghttp2_session_callbacks_new(&calls);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
        nghttp2_option* option = nullptr;
        nghttp2_option_new(&option);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_session_client_new2(&session_, calls, this, option);
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(calls);
        const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &entry, 1);
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    }
    ~Http2Peer() { nghttp2_session_del(session_); }
    Http2Peer(const Http2Peer&) = delete;
    Http2Peer& operator=(const Http2Peer&) = delete;

    std::int32_t get(const std::string& path, const Fields& more = {}) {
        return ask("GET", path, more);
    }
    // With a body, the request goes on with it, and ends with these trailers if there are any.
    std::int32_t ask(const std::string& method, const std::string& path, const Fields& more = {},
                     std::optional<std::string> body = {}, const Fields& trailers = {}) {
        Fields fields{
            {":method", method}, {":scheme", "http"}, {":authority", "h"}, {":path", path}};
        fields.insert(fields.end(), more.begin(), more.end());
        const std::vector<nghttp2_nv> nv = list(fields);
        if (!body)
            return nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), nullptr,
                                          nullptr);
        body_ = *std::move(body);
        trailers_ = trailers;
        const nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = read_body};
        return nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), &provider, nullptr);
    }
    void open_window(std::int32_t stream, std::int32_t more) {
        nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, stream, more);
    }
    void reset(std::int32_t stream) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    }
    void ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

    std::string to_say() {
        std::string all;
        const std::uint8_t* bytes = nullptr;
        for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &bytes)) > 0;)
            all.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n));
        return all;
    }
    // False: it is no HTTP/2.
    bool hear(std::string_view bytes) {
        return nghttp2_session_mem_recv(session_,
                                        reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                        bytes.size()) == static_cast<ssize_t>(bytes.size());
    }

    Heard& of(std::int32_t stream) { return streams_[stream]; }
    std::string status(std::int32_t stream) { return streams_[stream].fields[":status"]; }

    std::vector<std::int32_t> data_of; // the streams of DATA frames, in their order
    std::vector<std::pair<std::int32_t, std::uint32_t>> goaways; // the last stream, the error
    unsigned pings = 0;                                          // that were answered

  private:
    static std::vector<nghttp2_nv> list(const Fields& fields) {
        std::vector<nghttp2_nv> nv;
        const auto bytes = [](const std::string& text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
        };
        for (const auto& [name, value] : fields)
            nv.push_back(
                {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
        return nv;
    }
    static ssize_t read_body(nghttp2_session* session, std::int32_t stream, std::uint8_t* to,
                             std::size_t most, std::uint32_t* flags, nghttp2_data_source* source,
                             void*) {
        auto& self = *static_cast<Http2Peer*>(source->ptr);
        const std::size_t n = self.body_.copy(reinterpret_cast<char*>(to), most);
        self.body_.erase(0, n);
        if (self.body_.empty()) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!self.trailers_.empty()) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                const std::vector<nghttp2_nv> nv = list(self.trailers_);
                nghttp2_submit_trailer(session, stream, nv.data(), nv.size());
            }
        }
        return static_cast<ssize_t>(n);
    }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* self) {
        const std::string key(reinterpret_cast<const char*>(name), name_size);
        static_cast<Http2Peer*>(self)->streams_[frame->hd.stream_id].fields[key] =
            std::string(reinterpret_cast<const char*>(value), value_size);
        return 0;
    }
    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream,
                       const std::uint8_t* bytes, std::size_t size, void* self) {
        static_cast<Http2Peer*>(self)->streams_[stream].body.append(
            reinterpret_cast<const char*>(bytes), size);
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        auto& self = *static_cast<Http2Peer*>(user);
        Heard& heard = self.streams_[frame->hd.stream_id];
        switch (frame->hd.type) {
        case NGHTTP2_DATA: self.data_of.push_back(frame->hd.stream_id); [[fallthrough]];
        case NGHTTP2_HEADERS:
            if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) heard.whole = true;
            break;
        case NGHTTP2_RST_STREAM: heard.reset = frame->rst_stream.error_code; break;
        case NGHTTP2_GOAWAY:
            self.goaways.emplace_back(frame->goaway.last_stream_id, frame->goaway.error_code);
            break;
        case NGHTTP2_PING: ++self.pings; break;
        default: break;
        }
        return 0;
    }

    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, Heard> streams_;
    std::string body_;
    Fields trailers_;
};

} // namespace fsrv::session
