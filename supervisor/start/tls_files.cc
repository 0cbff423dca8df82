#include "supervisor/start/tls_files.h"

#include "common/limits.h"
#include "supervisor/start/key_memory.h"
#include "supervisor/start/secret_file.h"
#include "supervisor/start/tls_pem.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <span>
#include <string_view>
#include <sys/stat.h>

namespace fsrv {
namespace {

// What a file is named for.
struct Purpose {
    std::string_view option; // as in common/options.def
    std::string_view noun;
    std::string_view begins; // the PEM that has to be in it
};
constexpr Purpose kCertificate{"tls-cert", "certificate", "-----BEGIN CERTIFICATE-----"};
constexpr Purpose kKey{"tls-key", "key", "-----BEGIN PRIVATE KEY-----"};
constexpr Purpose kClientCa{"tls-client-ca", "CAs of clients", "-----BEGIN CERTIFICATE-----"};

struct TlsFile {
    std::string name;
    const Purpose* purpose = nullptr;
    mode_t mode = 0;
    bool is_for_everybody = false;
    PemContent content;
};

tl::unexpected<StartError> refused(const std::string& name, const Purpose& purpose,
                                   std::string_view why) {
    return unexpected(
        StartError{.exit_status = kExitUsage,
                   .message = fmt::format("cannot use the {} \"{}\": {}", purpose.noun, name, why),
                   .option = purpose.option});
}

std::string why_not_parsed(const std::string& name, const PemError& error) {
    if (error.kind == PemError::Kind::pass_phrase)
        return fmt::format("its key has a pass phrase, which is asked for nowhere; expected one "
                           "without, which is made by: openssl pkey -in \"{}\" -out NEW-FILE, and "
                           "kept for its owner: chmod 600 NEW-FILE",
                           name);
    return fmt::format("expected sound PEM, but {} in it is broken; copy it anew from where it was "
                       "made",
                       error.what);
}

std::string why_empty(const std::string& name, const Purpose& purpose, const Secret& bytes,
                      const std::string& others) {
    constexpr char kDerSequence = '\x30';
    std::string why = fmt::format("expected {} ... in PEM, found none", purpose.begins);
    if (!others.empty()) why += fmt::format(" (but {})", others);
    if (!bytes.empty() && bytes.view().front() == kDerSequence)
        why += purpose.option == kKey.option
                   ? fmt::format(
                         "; if it is DER: openssl pkey -inform der -in \"{}\" -out NEW-FILE", name)
                   : fmt::format("; if it is DER: openssl x509 -inform der -in \"{}\" -out "
                                 "NEW-FILE; if it is PKCS #12: openssl pkcs12 -nodes -in \"{}\" "
                                 "-out NEW-FILE",
                                 name, name);
    else
        why += "; name the file that has it";
    return why;
}

Result<TlsFile, StartError> read_file(const std::string& name, const Purpose& purpose,
                                      const AboutTo& about_to) {
    if (about_to) about_to(fmt::format("the {} \"{}\"", purpose.noun, name));
    TlsFile file{.name = name, .purpose = &purpose};
    const auto read = read_secret_file(name, "PEM");
    if (!read) return refused(name, purpose, read.error());
    const Secret& bytes = read->bytes;
    file.is_for_everybody = read->is_for_everybody();
    file.mode = read->mode;
    auto content = read_pem(bytes.view());
    if (!content) return refused(name, purpose, why_not_parsed(name, content.error()));
    const bool is_empty =
        purpose.option == kKey.option ? content->keys.empty() : content->certificates.empty();
    if (is_empty) return refused(name, purpose, why_empty(name, purpose, bytes, content->others));
    file.content = std::move(*content);
    return file;
}

const PemKey* key_for(const PemCertificate& certificate, std::span<const TlsFile> files) {
    for (const TlsFile& file : files)
        for (const PemKey& key : file.content.keys)
            if (belongs_to(key, certificate)) return &key;
    return nullptr;
}

// Of a certificate that none of the keys belongs to.
std::string why_no_key(const TlsFile& file, std::span<const TlsFile> files) {
    const auto& chain = file.content.certificates;
    if (std::any_of(chain.begin() + 1, chain.end(), [&](const PemCertificate& certificate) {
            return key_for(certificate, files) != nullptr;
        }))
        return "expected the server's own certificate as the first in it, those of its issuers "
               "after it; put them in that order";
    const auto has_key = [](const TlsFile& f) { return !f.content.keys.empty(); };
    if (std::none_of(files.begin(), files.end(), has_key))
        return "expected its key, in the same file or in one that --tls-key names";
    return fmt::format("none of the keys is its own; expected the one that it was made with: "
                       "openssl x509 -noout -pubkey -in \"{}\" and openssl pkey -pubout -in KEY "
                       "print the same where they belong together",
                       file.name);
}

std::string why_not_valid(const PemCertificate& certificate, std::int64_t now) {
    if (now > certificate.not_after)
        return fmt::format("it has expired, on {}; expected one that is valid: renew it",
                           date_text(certificate.not_after));
    if (now < certificate.not_before)
        return fmt::format("it is not valid before {}; expected one that is valid: is this "
                           "machine's clock right?",
                           date_text(certificate.not_before));
    return {};
}

Result<TlsPair, StartError> make_pair(const TlsFile& file, std::span<const TlsFile> files,
                                      std::int64_t now) {
    const PemCertificate& leaf = file.content.certificates.front();
    if (const std::string why = why_not_served_with(leaf); !why.empty())
        return refused(file.name, kCertificate, why + "; make a new key, and a certificate for it");
    const PemKey* key = key_for(leaf, files);
    if (key == nullptr) return refused(file.name, kCertificate, why_no_key(file, files));
    if (!signs_for(*key, leaf))
        return refused(file.name, kCertificate,
                       "expected a sound key, but what its key signs is not good; copy the key "
                       "anew from where it was made");
    if (const std::string why = why_not_valid(leaf, now); !why.empty())
        return refused(file.name, kCertificate, why);
    TlsPair pair{.key = key->pem.copy(),
                 .name = file.name,
                 .not_after = leaf.not_after,
                 .fingerprint = leaf.fingerprint};
    for (const PemCertificate& certificate : file.content.certificates)
        pair.chain += certificate.pem;
    return pair;
}

std::vector<std::string> warnings_of(std::span<const TlsFile> files,
                                     const std::vector<TlsPair>& pairs, std::int64_t now) {
    std::vector<std::string> warnings;
    for (const TlsPair& pair : pairs)
        if (pair.not_after - now < limits::kTlsExpirySoonS)
            warnings.push_back(fmt::format("the certificate \"{}\" expires soon, on {}: renew it; "
                                           "the new one is taken without a reload",
                                           pair.name, date_text(pair.not_after)));
    for (const TlsFile& file : files)
        if (!file.content.keys.empty() && file.is_for_everybody)
            warnings.push_back(
                fmt::format("every user of this machine may read the key in \"{}\" (mode {:04o}): "
                            "chmod o= \"{}\"",
                            file.name, file.mode & 07777U, file.name));
    return warnings;
}

Result<std::vector<TlsFile>, StartError> read_files(const Options& options,
                                                    const AboutTo& about_to) {
    std::vector<TlsFile> files;
    const auto add = [&](const std::string& name,
                         const Purpose& purpose) -> Result<void, StartError> {
        auto file = read_file(name, purpose, about_to);
        if (!file) return unexpected(std::move(file.error()));
        files.push_back(std::move(*file));
        return {};
    };
    if (!options.makes_certificate())
        for (const std::string& name : options.tls_certs)
            if (auto ok = add(name, kCertificate); !ok) return unexpected(std::move(ok.error()));
    for (const std::string& name : options.tls_keys)
        if (auto ok = add(name, kKey); !ok) return unexpected(std::move(ok.error()));
    return files;
}

Result<std::vector<TlsPair>, StartError> make_pairs(std::span<const TlsFile> files,
                                                    std::int64_t now) {
    std::vector<TlsPair> pairs;
    for (const TlsFile& file : files) {
        if (file.purpose != &kCertificate) continue;
        auto pair = make_pair(file, files, now);
        if (!pair) return unexpected(std::move(pair.error()));
        for (const TlsPair& other : pairs)
            if (other.fingerprint == pair->fingerprint)
                return refused(file.name, kCertificate,
                               fmt::format("it is the same as \"{}\"; expected each certificate "
                                           "once: name one of them",
                                           other.name));
        pairs.push_back(std::move(*pair));
    }
    for (const TlsFile& file : files) {
        if (file.purpose != &kKey) continue;
        const auto has_its_key = [&](const TlsFile& other) {
            return other.purpose == &kCertificate &&
                   std::any_of(file.content.keys.begin(), file.content.keys.end(),
                               [&](const PemKey& key) {
                                   return belongs_to(key, other.content.certificates.front());
                               });
        };
        if (std::none_of(files.begin(), files.end(), has_its_key))
            return refused(file.name, kKey,
                           "it belongs to none of the certificates; expected the key of one: name "
                           "its certificate with --tls-cert, or leave the key out");
    }
    return pairs;
}

std::string stamp_of_file(const std::string& name) {
    struct stat found {};
    if (stat(name.c_str(), &found) != 0) return fmt::format("none {}\n", errno);
    return fmt::format("{} {} {} {}.{} {}.{}\n", found.st_dev, found.st_ino, found.st_size,
                       found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec,
                       found.st_ctim.tv_nsec);
}

} // namespace

std::string date_text(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    char text[64];
    if (gmtime_r(&time, &parts) == nullptr ||
        std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        return "a day far off";
    return text;
}

std::string stamp_of(const Options& options, const AboutTo& about_to) {
    std::string stamp;
    const auto add = [&](const std::string& name, const Purpose& purpose) {
        if (about_to) about_to(fmt::format("the {} \"{}\"", purpose.noun, name));
        stamp += stamp_of_file(name);
    };
    if (!options.makes_certificate())
        for (const std::string& name : options.tls_certs) add(name, kCertificate);
    for (const std::string& name : options.tls_keys) add(name, kKey);
    if (!options.tls_client_ca.empty()) add(options.tls_client_ca, kClientCa);
    return stamp;
}

Result<LoadedTls, StartError> load_tls(const Options& options, std::int64_t now,
                                       const AboutTo& about_to) {
    keep_memory_private();
    LoadedTls tls{.stamp = stamp_of(options, about_to)};
    tls.material.least = options.tls_min;
    const auto files = read_files(options, about_to);
    if (!files) return unexpected(files.error());
    auto pairs = make_pairs(*files, now);
    if (!pairs) return unexpected(std::move(pairs.error()));
    tls.material.pairs = std::move(*pairs);
    if (!options.tls_client_ca.empty()) {
        const auto cas = read_file(options.tls_client_ca, kClientCa, about_to);
        if (!cas) return unexpected(cas.error());
        for (const PemCertificate& certificate : cas->content.certificates)
            tls.material.client_ca += certificate.pem;
    }
    tls.warnings = warnings_of(*files, tls.material.pairs, now);
    return tls;
}

} // namespace fsrv
