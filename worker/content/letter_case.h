// Names compared without case, as far as scripts have it that are common in names of files: Latin,
// Greek, Cyrillic, Armenian. Letter by letter: nothing that changes the number of letters.
#pragma once

#include <string>
#include <string_view>

namespace fsrv::content {

// Capital letters as small ones; bytes that are no UTF-8 stay. `out` is replaced.
void fold_case(std::string_view text, std::string& out);

// Which names have a text in them, without case. Not to be asked by two threads at once.
class NameFilter final {
  public:
    explicit NameFilter(std::string_view text) { fold_case(text, text_); }

    bool passes(std::string_view name) {
        if (text_.empty()) return true;
        fold_case(name, name_);
        return name_.find(text_) != std::string::npos;
    }

  private:
    std::string text_;
    std::string name_; // the last one, for its memory
};

} // namespace fsrv::content
