// The line that tells a person that the server is up. Its words "serves" and "at", the URLs and
// "(pid N)" are a promise: scripts wait for it and read it.
//
//   fsrv 0.1.0 serves /srv/files at http://localhost:8080/ http://192.0.2.2:8080/ with 2 workers
//   (pid 4711)
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace fsrv {

struct Announcement {
    std::string root;
    std::span<const std::string> urls;
    unsigned ready = 0; // workers that are
    unsigned workers = 0;
    pid_t pid = 0;
};

std::string start_line(const Announcement& announcement); // without the newline

// To stderr, unless that cannot take it now: nobody reads it then.
void print_for_person(std::string line);

// Likewise why the program ends: "fsrv: ", and before it what tells the journal that it is an
// error.
void print_failure(std::string_view why);

// All of it to stdout: the exit status. A reader that has gone (`fsrv --help | head -1`) is not an
// error; what could not be written for another reason is one, and stderr is told.
int print_output(std::string_view text);

} // namespace fsrv
