#include "worker/content/listing.h"
#include "worker/http/page.h"

#include <fmt/format.h>

namespace fsrv::content {
namespace {

// What a page has beside what works without it: "/" goes to the filter, arrows go over the entries,
// "c" copies the link of one; the filter of a whole folder answers while it is typed.
constexpr std::string_view kListingScript = R"(
"use strict";
const box = document.querySelector("input[name=q]");
const table = document.querySelector("table");
const shown = () => [...table.querySelectorAll("td>a")].filter(a => !a.closest("tr").hidden);
const say = document.createElement("p");
say.className = "said";
say.setAttribute("role", "status");
document.body.append(say);
let forget;
async function copy(button, url) {
  let done = true;
  try {
    await navigator.clipboard.writeText(url);
  } catch {
    const text = document.createElement("textarea");
    const focused = document.activeElement;
    text.value = url;
    document.body.append(text);
    text.select();
    done = document.execCommand("copy");
    text.remove();
    if (focused) focused.focus();
  }
  say.textContent = done ? "Link copied" : url;
  if (done) button.classList.add("done");
  clearTimeout(forget);
  forget = setTimeout(() => {
    say.textContent = "";
    for (const b of document.querySelectorAll(".done")) b.classList.remove("done");
  }, 2000);
}
for (const a of table.querySelectorAll("td>a")) {
  if (a.getAttribute("href") === "../") continue;
  const b = document.createElement("button");
  b.type = "button";
  b.className = "copy";
  b.tabIndex = -1;
  b.title = "Copy link";
  b.setAttribute("aria-label", "Copy the link of " + a.textContent);
  a.after(b);
}
table.addEventListener("click", e => {
  if (e.target.className.startsWith("copy")) copy(e.target, e.target.previousElementSibling.href);
});
const own = document.getElementById("copy");
own.hidden = false;
own.addEventListener("click", () => copy(own, location.href));
addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const typing = e.target === box;
  if (e.key === "/" && !typing && box) {
    e.preventDefault();
    box.focus();
    box.select();
  } else if (e.key === "Escape" && typing) {
    box.blur();
  } else if (e.key === "c" && !typing && e.target.closest("td")) {
    copy(e.target.nextElementSibling || e.target, e.target.href);
  } else if (e.key === "ArrowDown" || e.key === "ArrowUp") {
    const links = shown();
    const at = links.indexOf(document.activeElement);
    const to = at + (e.key === "ArrowDown" ? 1 : -1);
    if (at < 0 && e.key === "ArrowUp") return;
    if (to >= links.length) return;
    e.preventDefault();
    if (to >= 0) links[to].focus();
    else if (box) box.focus();
  }
});
if (box && table.classList.contains("whole")) {
  box.addEventListener("input", () => {
    const text = box.value.toLowerCase();
    for (const a of table.querySelectorAll("td>a"))
      a.closest("tr").hidden = a.getAttribute("href") !== "../" && !a.firstChild.data.toLowerCase().includes(text);
  });
}
)";

// base64(SHA-256) of exactly what stands between <script> and </script>.
constexpr std::string_view kListingScriptHash = "bJWLyETqPjQSKq7BxXptmInBRwTN6uvKeYR7jgbhtck=";

} // namespace

std::string_view listing_script() {
    return kListingScript;
}

std::string listing_page_policy() {
    return fmt::format("{}; script-src 'sha256-{}'", http::page_security_policy(http::Forms::own),
                       kListingScriptHash);
}

} // namespace fsrv::content
