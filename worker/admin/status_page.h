// A Status as a page for people. Whole without its script (it then asks to be loaded anew every
// few seconds); with it, the page fetches itself and changes only what is different, so that
// nothing flickers, no selection is lost, and there is one renderer.
#pragma once

#include "common/figures/status.h"

#include <string>
#include <string_view>

namespace fsrv::admin {

std::string status_page(const Status& status);

// Value of Content-Security-Policy for it: that one script, by its hash.
std::string status_page_policy();

std::string_view status_page_script(); // for the test of the hash

// "850 ms" is "0 s"; "59 s", "3 min 5 s", "2 h 10 min", "5 d 3 h".
std::string duration_text(double seconds);

} // namespace fsrv::admin
