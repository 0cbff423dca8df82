// Folders as archives, through the real binary and the programs that people read archives and
// resume downloads with.

#include "tests/support/files.h"
#include "tests/support/http2_client.h"
#include "tests/support/process.h"
#include "tests/support/raw_client.h"
#include "tests/support/server.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>

namespace fsrv::test {
namespace {

namespace fs = std::filesystem;

#define NEEDS(program)                                                                             \
    if (!have_program(program)) GTEST_SKIP() << program << " is not installed"

class Archive : public testing::TestWithParam<const char*> {
  protected:
    // What archives find hard: long and foreign names, empty ones, a program, nothing but folders.
    Archive() {
        for (const auto& [name, size] : kFiles) {
            fs::create_directories((tree() / name).parent_path());
            write_pattern(tree() / name, size, size + 1);
            set_mtime(tree() / name);
        }
        fs::create_directories(tree() / "empty/folder");
        set_mtime(tree() / "empty/folder");
        fs::permissions(tree() / "run", fs::perms::owner_all, fs::perm_options::add);
        // What is not in it.
        write_file(tree() / ".hidden", "SECRET");
        write_file(root_ / "outside", "SECRET");
        fs::create_symlink("/etc/passwd", tree() / "passwd");
        fs::create_symlink("nowhere", tree() / "dangling");
        ::mkfifo((tree() / "fifo").c_str(), 0600);
    }
    fs::path tree() const { return root_ / "tree"; }

    void start(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--workers", "2", "--io", GetParam()});
        server_.emplace(root_.path(), more);
    }
    RunResult here(const std::vector<std::string>& command, const std::string& input = {}) {
        return run(command, {.environment = {"no_proxy=*", "HOME=/nonexistent", "LC_ALL=C.UTF-8"},
                             .directory = here_.str(),
                             .input = input});
    }
    std::string target(const char* form) const { return std::string("/tree/?archive=") + form; }
    std::string whole(const char* form) {
        const Response response = fetch(server_->port(), target(form));
        EXPECT_TRUE(response.complete()) << response.problem;
        EXPECT_EQ(response.status, 200);
        return response.body;
    }
    void save(const char* form) { write_file(here_ / form, whole(form)); }
    // The files in `copy` are those of the folder, and there are no others.
    void expect_same(const fs::path& copy) {
        std::size_t files = 0;
        for (const auto& entry : fs::recursive_directory_iterator(copy))
            files += entry.is_regular_file() ? 1 : 0;
        EXPECT_EQ(files, std::size(kFiles));
        for (const auto& [name, size] : kFiles) {
            SCOPED_TRACE(name);
            const std::string bytes = read_file((copy / name).string());
            EXPECT_TRUE(is_pattern(bytes, 0, size, size + 1));
            struct stat status {};
            ASSERT_EQ(::stat((copy / name).c_str(), &status), 0);
            EXPECT_EQ(status.st_mtim.tv_sec, 1'700'000'000);
        }
        EXPECT_TRUE(fs::is_directory(copy / "empty/folder"));
    }
    void expect_same_and_remove() {
        expect_same(here_ / "tree");
        fs::remove_all(here_ / "tree");
    }

    static inline const std::pair<std::string, std::uint64_t> kFiles[] = {
        {"a.txt", 7},
        {"big", 5'000'000},
        {"run", 100},
        {"zero", 0},
        {"block", 512},
        {"sub/16k", 16 * 1024},
        {"sub/16k and one", 16 * 1024 + 1},
        {"sub/\xC3\xBC\xE2\x82\xAC.txt", 30'000},
        {"sub/" + std::string(200, 'n'), 10},
        {std::string(120, 'd') + "/" + std::string(120, 'e') + "/deep", 10}};
    TempDir root_;
    TempDir here_;
    std::optional<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Modes, Archive, testing::Values("auto", "threads", "inline"));

TEST_P(Archive, GnuTarReadsIt) {
    start();
    save("tar");
    EXPECT_TRUE(ran_well(here({"tar", "xf", "tar"}), "tar"));
    EXPECT_EQ(fs::status(here_ / "tree/run").permissions() & fs::perms::owner_exec,
              fs::perms::owner_exec);
    struct stat status {};
    ASSERT_EQ(::stat((here_ / "tree/big").c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_nsec, 123'456'789);
    expect_same_and_remove();
    for (const auto& [form, flag] : {std::pair{"tar.gz", "--gzip"}, {"tar.zst", "--zstd"}}) {
        save(form);
        EXPECT_TRUE(ran_well(here({"tar", "x", flag, "-f", form}), form));
        expect_same_and_remove();
    }
}

TEST_P(Archive, BsdtarReadsBothAlsoFromAPipe) {
    NEEDS("bsdtar");
    start();
    for (const char* form : {"tar", "zip"}) {
        save(form);
        EXPECT_TRUE(ran_well(here({"bsdtar", "xf", form}), form));
        expect_same_and_remove();
        EXPECT_TRUE(ran_well(here({"bsdtar", "xf", "-"}, read_file(here_ / form)), form));
        expect_same_and_remove();
    }
}

TEST_P(Archive, UnzipReadsIt) {
    NEEDS("unzip");
    start();
    save("zip");
    EXPECT_TRUE(ran_well(here({"unzip", "-tq", "zip"}), "unzip -t"));
    EXPECT_TRUE(ran_well(here({"unzip", "-q", "zip"}), "unzip"));
    expect_same_and_remove();
}

TEST_P(Archive, SevenZipReadsBoth) {
    NEEDS("7z");
    start();
    for (const char* form : {"tar", "zip"}) {
        save(form);
        EXPECT_TRUE(ran_well(here({"7z", "t", form}), form));
        EXPECT_TRUE(ran_well(here({"7z", "x", "-y", form}), form));
        expect_same_and_remove();
    }
}

TEST_P(Archive, PythonReadsBoth) {
    NEEDS("python3");
    start();
    save("tar");
    save("zip");
    EXPECT_TRUE(ran_well(
        here({"python3", "-c", "import tarfile; tarfile.open('tar').extractall('.')"}), "tarfile"));
    expect_same_and_remove();
    const RunResult zip = here(
        {"python3", "-c",
         "import zipfile; z = zipfile.ZipFile('zip'); assert z.testzip() is None; "
         "print(len(z.namelist())); print(z.getinfo('tree/run').external_attr >> 16 & 0o777)"});
    EXPECT_TRUE(ran_well(zip, "zipfile"));
    EXPECT_EQ(zip.out, fmt::format("{}\n{}\n", std::size(kFiles) + 6, 0755));
}

TEST_P(Archive, HasNothingThatIsNotListed) {
    start();
    for (const char* form : {"tar", "zip"}) {
        const std::string bytes = whole(form);
        for (const char* part : {"SECRET", "root:", "hidden", "passwd", "fifo", "dangling"})
            EXPECT_EQ(bytes.find(part), bytes.npos) << part;
    }
}

TEST_P(Archive, HeadConditionsAndRangesAreThoseOfAFile) {
    start();
    for (const char* form : {"tar", "zip"}) {
        SCOPED_TRACE(form);
        const Response got = fetch(server_->port(), target(form));
        expect_sound(got);
        RawClient client(server_->port());
        const Response asked = client.ask(head(target(form)), true);
        for (const char* field : {"ETag", "Content-Length", "Last-Modified", "Accept-Ranges",
                                  "Content-Type", "Content-Disposition"}) {
            EXPECT_TRUE(got.field(field).has_value()) << field;
            EXPECT_EQ(asked.field(field), got.field(field)) << field;
        }
        EXPECT_EQ(got.field("Content-Disposition"),
                  fmt::format("attachment; filename=\"tree.{}\"", form));
        const std::string tag = got.field("ETag").value_or("");
        EXPECT_TRUE(tag.starts_with("\""));
        const auto status = [&](const std::string& fields) {
            return fetch(server_->port(), target(form), fields).status;
        };
        EXPECT_EQ(status("If-None-Match: " + tag + "\r\n"), 304);
        EXPECT_EQ(status("If-Match: \"other\"\r\n"), 412);
        EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: " + tag + "\r\n"), 206);
        EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: \"other\"\r\n"), 200);
        EXPECT_EQ(status("Range: bytes=0-9\r\nIf-Range: " +
                         got.field("Last-Modified").value_or("") + "\r\n"),
                  200)
            << "a date tells no two archives apart";
        EXPECT_EQ(status(fmt::format("Range: bytes={}-\r\n", got.body.size())), 416);
    }
    const Response streamed = fetch(server_->port(), target("tar.gz"), "Range: bytes=0-9\r\n");
    EXPECT_EQ(streamed.status, 200);
    EXPECT_EQ(streamed.count("Accept-Ranges"), 0U);
    EXPECT_EQ(streamed.count("Content-Length"), 0U);
    EXPECT_TRUE(streamed.field("ETag").value_or("").starts_with("W/"));
    EXPECT_EQ(fetch(server_->port(), target("rar")).status, 400);
    for (const auto& [form, status] : {std::pair{"tar.gz", 400}, {"tar", 200}}) {
        RawClient old(server_->port());
        ASSERT_TRUE(old.send("GET " + target(form) + " HTTP/1.0\r\n\r\n"));
        EXPECT_EQ(old.read_head().status, status) << "HTTP/1.0 has no chunks";
    }
    EXPECT_EQ(fetch(server_->port(), "/outside?archive=tar").status, 404);
}

// Also from workers that know none of a zip's CRCs.
TEST_P(Archive, RangesAreThoseOfTheWhole) {
    std::mt19937_64 random(11);
    for (const char* form : {"tar", "zip"}) {
        start();
        const Response last = fetch(server_->port(), target(form), "Range: bytes=-300\r\n");
        const std::string all = whole(form);
        EXPECT_EQ(last.body, all.substr(all.size() - 300));
        for (int i = 0; i < 60; ++i) {
            const std::uint64_t first = random() % all.size();
            const std::uint64_t end =
                first + 1 + random() % std::min<std::uint64_t>(all.size() - first, 1'000'000);
            const Response part = fetch(server_->port(), target(form),
                                        fmt::format("Range: bytes={}-{}\r\n", first, end - 1));
            ASSERT_EQ(part.status, 206);
            ASSERT_TRUE(part.body == all.substr(first, end - first)) << form << first;
        }
        const Response parts =
            fetch(server_->port(), target(form), "Range: bytes=0-99,70000-70009,-5\r\n");
        const auto read = parse_byteranges(parts);
        ASSERT_TRUE(read && read->size() == 3);
        for (const BytesPart& part : *read)
            EXPECT_TRUE(part.bytes == all.substr(part.first, part.last - part.first + 1));
    }
}

TEST_P(Archive, Http2GetsTheSame) {
    start();
    for (const char* form : {"tar", "zip"}) {
        Http2Client client(server_->port());
        const Http2Answer answer = client.ask(target(form));
        EXPECT_TRUE(answer.whole);
        const Response one = fetch(server_->port(), target(form));
        EXPECT_TRUE(answer.body == one.body);
        EXPECT_EQ(answer.field("etag"), one.field("ETag"));
        EXPECT_EQ(answer.field("content-length"), one.field("Content-Length"));
    }
    Http2Client client(server_->port());
    const Http2Answer packed = client.ask(target("tar.gz"));
    EXPECT_TRUE(packed.whole);
    write_file(here_ / "packed", packed.body);
    EXPECT_TRUE(ran_well(here({"tar", "xzf", "packed"}), "tar"));
    expect_same_and_remove();
}

TEST_P(Archive, ClientsResumeIt) {
    start();
    for (const char* form : {"tar", "zip"}) {
        SCOPED_TRACE(form);
        const std::string all = whole(form);
        const auto expect_all = [&](const char* name) {
            EXPECT_TRUE(read_file(here_ / name) == all) << name;
            fs::remove(here_ / name);
        };
        const std::string url = server_->url(target(form));
        for (const std::size_t part : {std::size_t{1}, all.size() / 3, all.size() - 1}) {
            if (have_program("curl")) {
                write_file(here_ / "c", all.substr(0, part));
                EXPECT_TRUE(ran_well(here({"curl", "-sSf", "-C", "-", "-o", "c", url}), "curl"));
                expect_all("c");
            }
            if (have_program("wget")) {
                write_file(here_ / "w", all.substr(0, part));
                EXPECT_TRUE(ran_well(here({"wget", "-q", "-c", "-O", "w", url}), "wget"));
                expect_all("w");
            }
        }
        if (have_program("aria2c")) {
            EXPECT_TRUE(
                ran_well(here({"aria2c", "-q", "--no-conf", "-x8", "-s8", "-k1M", "-o", "a", url}),
                         "aria2c"));
            expect_all("a");
        }
    }
}

TEST_P(Archive, AFolderOfManyFiles) {
    for (int i = 0; i < 2'000; ++i) {
        const fs::path path = root_ / fmt::format("many/{}/{:04}.txt", i % 7, i);
        fs::create_directories(path.parent_path());
        write_pattern(path, static_cast<std::uint64_t>(i * 13 % 9'000), static_cast<unsigned>(i));
        set_mtime(path);
    }
    start();
    for (const auto& [form, list] :
         {std::pair{"tar", std::vector<std::string>{"tar", "tf", "many"}},
          {"zip",
           {"python3", "-c",
            "import zipfile; z = zipfile.ZipFile('many'); assert z.testzip() is None; "
            "print('\\n'.join(z.namelist()))"}}}) {
        const Response response = fetch(server_->port(), std::string("/many/?archive=") + form);
        ASSERT_TRUE(response.complete());
        write_file(here_ / "many", response.body);
        const RunResult names = here(list);
        EXPECT_TRUE(ran_well(names, form));
        EXPECT_EQ(std::count(names.out.begin(), names.out.end(), '\n'), 2'000 + 7 + 1);
    }
    for (const pid_t worker : server_->workers())
        EXPECT_LT(open_descriptors(worker, "many"), 3U) << "closed when they were sent";
}

// A member that changes under way: the client never has a complete archive.
TEST_P(Archive, AMemberThatChangesUnderWayIsNeverInACompleteOne) {
    struct Change {
        const char* name;
        void (*make)(const fs::path&);
    };
    const Change changes[] = {
        {"rewritten", [](const fs::path& path) { write_at(path, 3, "!"); }},
        {"truncated", [](const fs::path& path) { fs::resize_file(path, 2); }},
        {"grown", [](const fs::path& path) { append_file(path, "!"); }},
        {"removed", [](const fs::path& path) { fs::remove(path); }},
        {"replaced",
         [](const fs::path& path) {
             const auto size = fs::file_size(path);
             write_pattern(path.string() + ".new", size, 99);
             set_mtime(path.string() + ".new");
             fs::rename(path.string() + ".new", path);
         }},
        {"a link",
         [](const fs::path& path) {
             fs::remove(path);
             fs::create_symlink("a.txt", path);
         }},
    };
    // More than the kernel holds for the client before it.
    write_pattern(tree() / "huge", 40'000'000);
    set_mtime(tree() / "huge");
    start();
    for (const char* form : {"tar", "zip", "tar.zst"}) {
        for (const Change& change : changes) {
            for (const char* which : {"run", "sub/16k and one"}) {
                SCOPED_TRACE(fmt::format("{}, {} {}", form, which, change.name));
                RawClient client(server_->port(), {.receive_buffer = 64 * 1024});
                ASSERT_TRUE(client.send(get(target(form))));
                const Response head = client.read_head();
                ASSERT_EQ(head.status, 200);
                change.make(tree() / which);
                const std::string body = client.read_to_end();
                EXPECT_NE(client.end(), Got::complete);
                if (const auto length = head.content_length()) {
                    EXPECT_LT(body.size(), *length);
                } else {
                    EXPECT_FALSE(body.ends_with("0\r\n\r\n"));
                }
                fs::remove(tree() / which);
                for (const auto& [name, size] : kFiles) {
                    if (name != which) continue;
                    write_pattern(tree() / name, size, size + 1);
                    set_mtime(tree() / name);
                }
            }
        }
    }
    EXPECT_EQ(fetch(server_->port(), target("tar")).status, 200);
}

TEST_P(Archive, TheLimitIsSaidClearly) {
    start({"--archive-limit", "1MiB"});
    const Response refused = fetch(server_->port(), target("tar"));
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("--archive-limit"), refused.body.npos);
    EXPECT_EQ(fetch(server_->port(), "/tree/empty/?archive=tar").status, 200);
    start({"--archive-limit", "0"});
    EXPECT_EQ(fetch(server_->port(), "/tree/empty/?archive=tar").status, 403);
    const std::string page = fetch(server_->port(), "/tree/").body;
    EXPECT_EQ(page.find("archive"), page.npos);
}

// What is kept of an index answers nobody who asks for the archive.
TEST_P(Archive, IsNotAnsweredByTheIndexOfItsFolder) {
    write_file(tree() / "index.html", "index");
    set_mtime(tree() / "index.html");
    start();
    for (int time = 0; time < 3; ++time) {
        EXPECT_EQ(fetch(server_->port(), "/tree/").body, "index");
        EXPECT_EQ(fetch(server_->port(), target("tar")).field("Content-Type"), "application/x-tar");
        EXPECT_EQ(fetch(server_->port(), "/tree/?%61rchive=zip").field("Content-Type"),
                  "application/zip");
    }
}

} // namespace
} // namespace fsrv::test
