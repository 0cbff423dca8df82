#include "supervisor/start/sign_url.h"

#include "common/clock.h"
#include "common/crypto/base64.h"
#include "common/crypto/digest.h"
#include "common/crypto/signed_link.h"
#include "supervisor/start/access_files.h"
#include "supervisor/start/announce.h"
#include "supervisor/start/configuration.h"

#include <algorithm>
#include <fmt/format.h>

namespace fsrv {
namespace {

constexpr std::size_t kIdBytes = 9; // 12 characters

// Where the path begins; the size of the URL where it has none.
std::size_t path_of_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return 0;
    return std::min(url.find_first_of("/?", scheme + 3), url.size());
}

std::string why_no_url(std::string_view url) {
    const auto is_odd = [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F || c == '#'; };
    if (std::ranges::any_of(url, is_odd))
        return "expected a URL as browsers send it: blanks and # encoded (%20, %23)";
    const std::size_t begin = path_of_url(url);
    if (begin < url.size() && url[begin] != '/')
        return "expected a URL with a path, such as https://files.example.org/a/file";
    return {};
}

unsigned segments_of(std::string_view path) {
    if (path.empty()) return 0;
    return static_cast<unsigned>(std::ranges::count(path, '/')) + 1;
}

int end_with_error(std::string message) {
    print_failure(message);
    return kExitUsage;
}

} // namespace

Result<std::string, std::string> signed_url(const LinkOrder& order, const SigningKey& key,
                                            LinkPath path_of, bool api, std::int64_t now,
                                            std::string id) {
    const auto refused = [&](std::string_view why) {
        return unexpected(fmt::format("--sign: {}", why));
    };
    std::string url = order.url;
    if (const std::string why = why_no_url(url); !why.empty()) return refused(why);
    const std::size_t begin = path_of_url(url);
    if (begin == url.size()) url += '/';
    const std::string_view origin = std::string_view(url).substr(begin);
    const std::size_t query = url.find('?', begin);
    if (query != std::string::npos &&
        crypto::has_link_terms(std::string_view(url).substr(query + 1)))
        return refused("expected a URL without a link's terms; it is signed already, or has "
                       "parameters of their names");
    if (order.uses > 0)
        return refused(
            "--uses: this version counts no downloads, and lets nobody in by such a link");
    const auto path = path_of(origin, api);
    if (!path) return refused(path.error());

    const auto seconds = [](Millis time) { return std::int64_t{time.count()} / 1000; };
    crypto::LinkTerms terms{.begin_by = now + seconds(order.expires),
                            .client = order.client,
                            .uses = order.uses,
                            .attachment = order.attachment};
    if (order.resume.count() > 0) terms.resume_by = terms.begin_by + seconds(order.resume);
    if (order.prefix) terms.prefix = segments_of(*path);
    if (order.uses > 0) terms.id = std::move(id);
    const char separator = query == std::string::npos ? '?' : '&';
    return fmt::format("{}{}{}", url, separator, crypto::sign_link(terms, *path, key));
}

int run_sign(const Options& options, const Places& places, const LinkOrder& order,
             LinkPath path_of) {
    if (options.signing_key.empty())
        return end_with_error("--sign: wants --signing-key, the file of the key that signs");
    const auto access = load_signing_keys(options);
    if (!access) return end_with_error(placed(access.error(), places).message);
    const auto url = signed_url(
        order, access->material.signing_keys.front(), path_of, options.api, wall_now().seconds,
        crypto::encode_base64(crypto::random_bytes(kIdBytes), crypto::Base64::url));
    if (!url) return end_with_error(url.error());
    return print_output(*url + '\n');
}

} // namespace fsrv
