#include "worker/http/page.h"

#include "common/escape.h"

namespace fsrv::http {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD

constexpr std::string_view kPalette = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2126;--soft:#5f6873;--line:#e3e6ea;--wash:#f3f6fa;--link:#0a58ca;--folder:#d99a1c}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e7eb;--soft:#98a2ad;--line:#2a2f35;--wash:#1d2227;--link:#7db4ff;--folder:#e0b04f}}
)";

// Two columns of numbers never wrap, the name does; below 40rem the time of day goes, below 30rem
// they stand under the name. The icons are shapes cut from the text colour, so that no image is
// needed.
constexpr std::string_view kStyle = R"(
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 1rem}
h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
p{margin:0 0 1rem}
h1,p,nav,footer{padding:0 .5rem}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
a:focus-visible,button:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
td>a:focus-visible{outline-offset:-2px}
nav ol{display:flex;flex-wrap:wrap;margin:0 0 .25rem;padding:0;list-style:none;color:var(--soft);overflow-wrap:anywhere}
nav li+li::before{content:"/";margin:0 .45rem;color:var(--soft)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-weight:500;font-size:.875rem;color:var(--soft);text-align:left}
button{margin:0;padding:0;border:0;background:none;font:inherit;color:var(--link);cursor:pointer}
button:hover{text-decoration:underline}
th button{color:inherit}
th[aria-sort] button{color:var(--ink)}
th[aria-sort=ascending] button::after{content:" \2191"}
th[aria-sort=descending] button::after{content:" \2193"}
th,td{padding:.45rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
td+td,th+th{width:1%;white-space:nowrap;text-align:right;color:var(--soft);padding-left:1rem}
td:first-child{padding:0;overflow-wrap:anywhere}
tbody tr:hover{background:var(--wash)}
td>a{display:block;position:relative;padding:.45rem .5rem .45rem 2.25rem}
td>a::before{content:"";position:absolute;left:.6rem;top:.65rem;width:1rem;height:1.1rem;background:var(--soft);opacity:.55;clip-path:polygon(10% 0,62% 0,92% 28%,92% 100%,10% 100%)}
td>a[href$="/"]::before{top:.75rem;width:1.15rem;height:.95rem;background:var(--folder);opacity:1;clip-path:polygon(0 0,38% 0,50% 16%,100% 16%,100% 100%,0 100%)}
td>a[href="../"]::before{left:.65rem;top:.8rem;width:1rem;height:.85rem;background:var(--soft);clip-path:polygon(50% 0,100% 55%,65% 55%,65% 100%,35% 100%,35% 55%,0 55%)}
td:first-child{position:relative}
td>a:not(:last-child){padding-right:2.5rem}
.copy{position:absolute;top:.3rem;right:.25rem;width:1.9rem;height:1.9rem;color:var(--soft);opacity:0}
.copy::before,.copy::after{content:"";position:absolute;left:.5rem;top:.4rem;width:.7rem;height:.85rem;border:1.5px solid;border-radius:2px}
.copy::after{left:.75rem;top:.65rem;background:var(--paper)}
.copy.done{opacity:1!important;color:var(--link)}
.copy.done::before{content:"\2713";border:0;font-weight:700;line-height:1}
.copy.done::after{display:none}
tr:hover .copy,td:focus-within .copy{opacity:.85}
.copy:hover{color:var(--link);text-decoration:none}
.said{position:fixed;left:0;right:0;bottom:1rem;width:max-content;max-width:90%;margin:auto;padding:.45rem 1rem;border-radius:6px;background:var(--ink);color:var(--paper);overflow-wrap:anywhere}
.said:empty,[hidden]{display:none!important}
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem 1.25rem;margin:0 0 1rem;padding:0 .5rem;font-size:.875rem;color:var(--soft)}
.find{display:flex;flex:1 1 15rem;gap:.75rem;max-width:26rem}
.find input{flex:1;min-width:0;margin:0;padding:.35rem .7rem;border:1px solid var(--line);border-radius:6px;background:var(--wash);color:var(--ink);font:inherit;font-size:1rem}
.find input:focus-visible{outline:2px solid var(--link);outline-offset:-1px}
.pages{display:flex;flex-wrap:wrap;gap:.6rem;margin-top:1rem}
.pages a,.pages button{display:block;padding:.4rem .9rem;border:1px solid var(--line);border-radius:6px}
.pages a{margin-left:auto}
form.note{margin:0 0 1rem}
.note{padding:.6rem .9rem;border-left:3px solid var(--folder);background:var(--wash)}
.none{padding:2.5rem 0;color:var(--soft);text-align:center}
footer{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:1rem;color:var(--soft);font-size:.875rem}
footer>:last-child{margin-left:auto}
@media(max-width:40rem){main{padding:1.25rem .75rem}h1{font-size:1.35rem}td+td,th+th{padding-left:.25rem}td+td{font-size:.8rem;line-height:1.9}time span{display:none}}
@media(max-width:30rem){tr{display:flex;flex-wrap:wrap;border-bottom:1px solid var(--line)}th,td{border:0}th:first-child{flex:1}th+th{width:auto}tbody td:first-child{flex:0 0 100%}tbody td+td{width:auto;padding:0 0 .45rem 2.25rem;line-height:1.4}tbody td+td+td{padding-left:.6rem}td+td:empty{display:none}time span{display:inline}}
@media(hover:none){.copy{opacity:.5}}
@media(pointer:coarse){td>a,td+td{padding-top:.65rem;padding-bottom:.65rem}td>a::before{margin-top:.2rem}.copy{top:.5rem}}
@media print{.tools,.pages,.copy{display:none}td>a::before{display:none}td>a{padding-left:.5rem}}
)";

constexpr std::string_view kIcon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%23d99a1c' d='M1 2h5l2 2h7v10H1z'/%3E%3C/svg%3E";

} // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        switch (text.front()) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += length == 0 ? kReplacement : text.substr(0, length); break;
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

std::string_view page_palette() {
    return kPalette;
}

std::string_view page_icon() {
    return kIcon;
}

std::string page_start(std::string_view title) {
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>";
    out.append(escape_html(title)).append("</title>\n<link rel=\"icon\" href=\"").append(kIcon);
    out.append("\">\n<style>")
        .append(kPalette)
        .append(kStyle)
        .append("</style>\n</head>\n<body>\n<main>\n");
    return out;
}

std::string_view page_end() {
    return "</main>\n</body>\n</html>\n";
}

std::string render_page(std::string_view title, std::string_view body_html) {
    std::string out = page_start(title);
    out.append(body_html).append("\n").append(page_end());
    return out;
}

// The style is in the page, the icon in a data: URL; nothing else is loaded, sent or framed
// elsewhere.
#define FSRV_POLICY(form_action)                                                                   \
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "              \
    "form-action '" form_action "'; frame-ancestors 'self'"

std::string_view page_security_policy(Forms forms) {
    return forms == Forms::own ? FSRV_POLICY("self") : FSRV_POLICY("none");
}

} // namespace fsrv::http
