// The look of every HTML page fsrv makes (listing, errors): one self-contained document, light and
// dark, readable on a phone, no script (but a listing adds its own) and nothing loaded from
// elsewhere, so that a strict Content-Security-Policy holds.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::http {

std::string
escape_html(std::string_view text); // also maps bytes that are not valid UTF-8 to U+FFFD

// `title` is plain text, escaped here; `body_html` is markup, as it is.
std::string render_page(std::string_view title, std::string_view body_html);

// The two halves of render_page(), for a body that is made in pieces.
std::string page_start(std::string_view title);
std::string_view page_end();

// For a page that is made elsewhere: the colours as CSS variables, and the address of the icon.
std::string_view page_palette();
std::string_view page_icon();

// Value of Content-Security-Policy for such a page, which may have forms that ask this server for
// the next one, or none.
enum class Forms { none, own };
std::string_view page_security_policy(Forms forms = Forms::none);

} // namespace fsrv::http
