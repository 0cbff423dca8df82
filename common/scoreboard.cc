#include "common/scoreboard.h"

#include "common/check.h"
#include "common/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>

namespace fsrv {

// Ends with the word that holds the terminating NUL; what an earlier, longer text left behind it is
// never read.
template <std::size_t Bytes>
void SharedText<Bytes>::set(std::string_view text) {
    text = text.substr(0, Bytes - 1);
    for (std::size_t i = 0; i <= text.size() / 8; ++i) {
        const std::string_view part = text.substr(i * 8, 8);
        std::uint64_t word = 0;
        // Not memcpy: the data() of an empty text may be null.
        part.copy(reinterpret_cast<char*>(&word), part.size());
        words_[i].store(word, std::memory_order_release);
    }
}

template <std::size_t Bytes>
std::string SharedText<Bytes>::get() const {
    std::array<std::uint64_t, Bytes / 8> words{};
    for (std::size_t i = 0; i < words.size(); ++i)
        words[i] = words_[i].load(std::memory_order_acquire);
    std::string text(sizeof words, '\0');
    std::memcpy(text.data(), words.data(), sizeof words);
    text.resize(std::min(text.find('\0'), text.size()));
    return text;
}

template class SharedText<limits::kLastRequestBytes>;
template class SharedText<limits::kShownClientBytes>;
template class SharedText<limits::kShownTargetBytes>;
template class SharedText<limits::kShownCertificateBytes>;

// As Scoreboard::Change, below.
template <class Change>
void SharedTransfer::change(Change&& what) {
    const std::uint64_t before = sequence_.load(std::memory_order_relaxed);
    sequence_.store(before + 1, std::memory_order_relaxed);
    what([](SharedWord& word, std::uint64_t value) {
        word.store(value, std::memory_order_release);
    });
    sequence_.store(before + 2, std::memory_order_release);
}

void SharedTransfer::begin(const ShownTransfer& transfer) {
    change([&](auto put) {
        put(id_, transfer.id);
        put(started_ms_, transfer.started_ms);
        put(sent_, transfer.sent);
        put(total_, transfer.total);
        put(paused_, transfer.paused ? 1 : 0);
        put(throttled_, transfer.throttled ? 1 : 0);
        client_.set(transfer.client);
        target_.set(transfer.target);
    });
}

void SharedTransfer::update(std::uint64_t sent, bool paused, bool throttled) {
    change([&](auto put) {
        put(sent_, sent);
        put(paused_, paused ? 1 : 0);
        put(throttled_, throttled ? 1 : 0);
    });
}

void SharedTransfer::end() {
    change([&](auto put) { put(id_, 0); });
}

ShownTransfer SharedTransfer::get() const {
    const auto read = [](const SharedWord& word) { return word.load(std::memory_order_acquire); };
    const std::uint64_t before = read(sequence_);
    ShownTransfer transfer{.id = read(id_),
                           .started_ms = read(started_ms_),
                           .sent = read(sent_),
                           .total = read(total_),
                           .paused = read(paused_) != 0,
                           .throttled = read(throttled_) != 0};
    if (transfer.id == 0) return {};
    transfer.client = client_.get();
    transfer.target = target_.get();
    if (before % 2 != 0 || sequence_.load(std::memory_order_relaxed) != before) return {};
    return transfer;
}

std::string_view name_of(ProcessState state) {
    static constexpr std::string_view kNames[] = {
#define FSRV_STATE(id) #id,
        FSRV_PROCESS_STATES(FSRV_STATE)
#undef FSRV_STATE
    };
    return static_cast<unsigned>(state) < std::size(kNames) ? kNames[static_cast<unsigned>(state)]
                                                            : "?";
}

namespace {

constexpr unsigned kReadAttempts = 50;
constexpr timespec kReadPause = {.tv_sec = 0, .tv_nsec = 100'000};

unsigned slots_for(unsigned max_workers) {
    return max_workers * limits::kScoreGenerations + limits::kSpareScores;
}

std::size_t in_pages(std::size_t bytes) {
    return (bytes + kSharedPage - 1) / kSharedPage * kSharedPage;
}

// What a reader must agree about with who writes: a hash (FNV-1a) of it.
std::uint64_t layout_with(std::size_t head_bytes, std::size_t row_bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto add = [&](std::string_view bytes) {
        for (const char c : bytes)
            hash = (hash ^ static_cast<unsigned char>(c)) * std::uint64_t{0x100000001b3};
    };
    const auto add_number = [&](std::uint64_t number) {
        add({reinterpret_cast<const char*>(&number), sizeof number});
    };
    add(FSRV_VERSION);
    for (const std::uint64_t number :
         {std::uint64_t{head_bytes}, std::uint64_t{row_bytes}, std::uint64_t{sizeof(ScoreSlot)},
          std::uint64_t{sizeof(SharedTransfer)}, std::uint64_t{kProcessStates}})
        add_number(number);
    for (const MetricSpec& spec : metric_table()) {
        add(spec.name);
        add_number(shape_of(spec.id).words());
    }
    return hash;
}

// Word by word, since a reader may still look at the slot of a process that has ended.
void clear(ScoreSlot& slot) {
    static_assert(sizeof(ScoreSlot) % sizeof(SharedWord) == 0);
    auto* words = reinterpret_cast<SharedWord*>(&slot);
    for (std::size_t i = 0; i < sizeof(ScoreSlot) / sizeof(SharedWord); ++i)
        words[i].store(0, std::memory_order_relaxed);
}

} // namespace

struct ScoreView::Head {
    struct SharedCertificate {
        SharedText<limits::kShownCertificateBytes> name;
        SharedWord not_after{0};
    };

    SharedWord layout{0}; // the first word, in every version
    SharedWord max_workers{0};
    SharedWord sequence{0}; // odd: being changed
    SharedWord pid{0};
    SharedWord started_s{0};
    SharedWord started_ms{0};
    SharedWord generation{0};
    SharedWord workers{0};
    SharedWord draining{0};
    SharedWord rules_since{0}; // the generation that was the first with the rules of now
    SharedWord stop_announced{0};
    SharedWord rows{0};
    SharedWord certificate_rows{0};
    std::array<SharedCertificate, limits::kShownCertificates> certificates;
    MetricWords retired;
};

struct ScoreView::SharedRow {
    SharedWord state{0};
    SharedWord admin{0};
    SharedWord slot{0};
    SharedWord score{kNoScore};
    SharedWord generation{0};
    SharedWord pid{0};
    SharedWord spawned_ms{0};
};

// A sequence lock without fences, which ThreadSanitizer does not know: what is changed under it is
// stored with release, so that who reads any of it (with acquire) also sees the odd number.
class Scoreboard::Change final {
  public:
    explicit Change(Scoreboard& board) : board_(board) {
        board_.head_->sequence.store(++board_.sequence_, std::memory_order_relaxed);
    }
    ~Change() { board_.head_->sequence.store(++board_.sequence_, std::memory_order_release); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

  private:
    Scoreboard& board_;
};

std::uint64_t ScoreView::layout() {
    return layout_with(sizeof(Head), sizeof(SharedRow));
}

ScoreView::ScoreView(unsigned max_workers)
    : size_(slots_for(max_workers)),
      max_rows_(size_ + max_workers),
      rows_at_(in_pages(sizeof(Head))),
      slots_at_(rows_at_ + in_pages(max_rows_ * sizeof(SharedRow))),
      bytes_(slots_at_ + size_ * sizeof(ScoreSlot)) {}

ScoreView::ScoreView(ScoreView&& other) noexcept
    : size_(other.size_),
      max_rows_(other.max_rows_),
      rows_at_(other.rows_at_),
      slots_at_(other.slots_at_),
      bytes_(other.bytes_),
      head_(std::exchange(other.head_, nullptr)),
      rows_(other.rows_),
      slots_(other.slots_) {}

ScoreView& ScoreView::operator=(ScoreView&& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(max_rows_, other.max_rows_);
    std::swap(rows_at_, other.rows_at_);
    std::swap(slots_at_, other.slots_at_);
    std::swap(bytes_, other.bytes_);
    std::swap(head_, other.head_);
    std::swap(rows_, other.rows_);
    std::swap(slots_, other.slots_);
    return *this;
}

ScoreView::~ScoreView() {
    if (head_ != nullptr) munmap(head_, bytes_);
}

void ScoreView::map(int fd, int protection, int flags) {
    void* memory = mmap(nullptr, bytes_, protection, MAP_SHARED | MAP_NORESERVE | flags, fd, 0);
    if (memory == MAP_FAILED) fatal("memory shared with the workers: {}", errno_text(errno));
    auto* bytes = static_cast<char*>(memory);
    // All that is in it begins as zeros, which the kernel has seen to: constructing every slot
    // would touch every page.
    head_ = reinterpret_cast<Head*>(bytes);
    rows_ = reinterpret_cast<SharedRow*>(bytes + rows_at_);
    slots_ = reinterpret_cast<ScoreSlot*>(bytes + slots_at_);
}

Result<ScoreView, std::string> ScoreView::open(const UniqueFd& memory) {
    const std::string other = "the server is another build of fsrv, with another layout of its "
                              "figures; ask with that, or replace the server (--ctl upgrade)";
    struct stat found {};
    const int seals = fcntl(memory.get(), F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(memory.get(), &found) != 0)
        return unexpected(std::string("the server sent no figures"));
    std::array<std::uint64_t, 2> words{}; // of the head
    static_assert(sizeof(Head::layout) + sizeof(Head::max_workers) == sizeof words);
    if (pread(memory.get(), words.data(), sizeof words, 0) != ssize_t{sizeof words} ||
        words[0] != layout() || words[1] < 1 || words[1] > limits::kMaxWorkers)
        return unexpected(other);
    ScoreView view(static_cast<unsigned>(words[1]));
    if (static_cast<std::uint64_t>(found.st_size) != view.bytes_) return unexpected(other);
    view.map(memory.get(), PROT_READ, 0);
    return view;
}

// A descriptor of memory can be shared with others; without one it is the children's alone. Pages
// cost nothing until a process writes to them.
Scoreboard::Scoreboard(unsigned max_workers) : ScoreView(max_workers), taken_(size_, false) {
    FSRV_CHECK(max_workers >= 1 && max_workers <= limits::kMaxWorkers, "a slot for each worker");
    memory_.reset(memfd_create("fsrv figures", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (memory_ && ftruncate(memory_.get(), static_cast<off_t>(bytes_)) != 0) memory_.reset();
    map(memory_.get(), PROT_READ | PROT_WRITE, memory_ ? 0 : MAP_ANONYMOUS);
    // From now on nobody else can map it to write.
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    if (memory_ && fcntl(memory_.get(), F_ADD_SEALS, kSeals) != 0) memory_.reset();
    std::construct_at(head_);
    head_->max_workers.store(max_workers, std::memory_order_relaxed);
    head_->layout.store(layout(), std::memory_order_release);
}

std::optional<unsigned> Scoreboard::take() {
    const auto free = std::find(taken_.begin(), taken_.end(), false);
    if (free == taken_.end()) return std::nullopt;
    *free = true;
    const auto index = static_cast<unsigned>(free - taken_.begin());
    clear(slots_[index]);
    return index;
}

unsigned Scoreboard::free() const {
    return static_cast<unsigned>(std::count(taken_.begin(), taken_.end(), false));
}

void Scoreboard::retire(unsigned i) {
    FSRV_CHECK(taken_[i], "a slot is given back twice");
    const Change change(*this);
    retired_.take_over(slots_[i]);
    head_->retired.show(retired_);
    taken_[i] = false;
}

void Scoreboard::publish_retired() {
    const Change change(*this);
    head_->retired.show(retired_);
}

void Scoreboard::announce_rules(std::uint64_t generation) {
    head_->rules_since.store(generation, std::memory_order_release);
}

void Scoreboard::announce_stop() {
    head_->stop_announced.store(1, std::memory_order_release);
}

const SharedWord& Scoreboard::rules_since() const {
    return head_->rules_since;
}

const SharedWord& Scoreboard::stop_announced() const {
    return head_->stop_announced;
}

void Scoreboard::publish(const ServerRow& server, std::span<const ProcessRow> processes) {
    const auto put = [](SharedWord& word, std::uint64_t value) {
        word.store(value, std::memory_order_release);
    };
    const Change change(*this);
    put(head_->pid, static_cast<std::uint64_t>(server.pid));
    put(head_->started_s, server.started_s);
    put(head_->started_ms, server.started_ms);
    put(head_->generation, server.generation);
    put(head_->workers, server.workers);
    put(head_->draining, server.draining ? 1 : 0);
    const std::size_t count = std::min<std::size_t>(processes.size(), max_rows_);
    for (std::size_t i = 0; i < count; ++i) {
        const ProcessRow& from = processes[i];
        SharedRow& to = rows_[i];
        put(to.state, static_cast<std::uint64_t>(from.state));
        put(to.admin, from.admin ? 1 : 0);
        put(to.slot, from.slot);
        put(to.score, from.score);
        put(to.generation, from.generation);
        put(to.pid, static_cast<std::uint64_t>(from.pid));
        put(to.spawned_ms, from.spawned_ms);
    }
    put(head_->rows, count);
}

void Scoreboard::publish(std::span<const CertificateRow> certificates) {
    const Change change(*this);
    const std::size_t count = std::min(certificates.size(), head_->certificates.size());
    for (std::size_t i = 0; i < count; ++i) {
        head_->certificates[i].name.set(certificates[i].name);
        head_->certificates[i].not_after.store(
            static_cast<std::uint64_t>(certificates[i].not_after), std::memory_order_release);
    }
    head_->certificate_rows.store(count, std::memory_order_release);
}

// Mapped anew, since what is sealed now cannot be made writable again, as it could by mprotect().
bool Scoreboard::make_read_only(std::size_t from, std::size_t to) {
    if (from == to) return true;
    char* const at = reinterpret_cast<char*>(head_) + from;
    if (!memory_) return mprotect(at, to - from, PROT_READ) == 0;
    return mmap(at, to - from, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, memory_.get(),
                static_cast<off_t>(from)) != MAP_FAILED;
}

void Scoreboard::keep_only(unsigned own) {
    const std::size_t at = slots_at_ + own * sizeof(ScoreSlot);
    if (!make_read_only(0, at) || !make_read_only(at + sizeof(ScoreSlot), bytes_))
        log_warn("the figures stay writable: {}", errno_text(errno));
    memory_.reset();
}

std::optional<ScoreReading> ScoreView::read() const {
    for (unsigned attempt = 0; attempt < kReadAttempts; ++attempt) {
        if (ScoreReading reading; try_read(reading)) return reading;
        nanosleep(&kReadPause, nullptr);
    }
    return std::nullopt;
}

// Nothing that is read is believed before the sequence number has been found unchanged, beyond what
// keeps within the mapping.
bool ScoreView::try_read(ScoreReading& reading) const {
    const auto get = [](const SharedWord& word) { return word.load(std::memory_order_acquire); };
    const std::uint64_t before = get(head_->sequence);
    if (before % 2 != 0) return false;
    reading.server = {.pid = static_cast<pid_t>(get(head_->pid)),
                      .started_s = get(head_->started_s),
                      .started_ms = get(head_->started_ms),
                      .generation = get(head_->generation),
                      .workers = get(head_->workers),
                      .draining = get(head_->draining) != 0};
    head_->retired.add_to(reading.totals);
    const std::uint64_t certificates =
        std::min<std::uint64_t>(get(head_->certificate_rows), limits::kShownCertificates);
    for (std::uint64_t i = 0; i < certificates; ++i)
        reading.certificates.push_back(
            {.name = head_->certificates[i].name.get(),
             .not_after = static_cast<std::int64_t>(get(head_->certificates[i].not_after))});
    const std::uint64_t count = std::min<std::uint64_t>(get(head_->rows), max_rows_);
    for (std::uint64_t i = 0; i < count; ++i) {
        const SharedRow& from = rows_[i];
        ScoreReading::Process process;
        process.row = {.state = static_cast<ProcessState>(get(from.state)),
                       .admin = get(from.admin) != 0,
                       .slot = static_cast<unsigned>(get(from.slot)),
                       .score = static_cast<unsigned>(get(from.score)),
                       .generation = get(from.generation),
                       .pid = static_cast<pid_t>(get(from.pid)),
                       .spawned_ms = get(from.spawned_ms)};
        if (process.row.score < size_) {
            const ScoreSlot& score = slots_[process.row.score];
            score.add_to(process.figures);
            process.tick_ms = get(score.tick_ms);
            process.lag_ms = get(score.lag_ms);
            for (const SharedTransfer& shared : score.transfers)
                if (ShownTransfer transfer = shared.get(); transfer.id != 0)
                    process.transfers.push_back(std::move(transfer));
        }
        reading.processes.push_back(process);
    }
    if (head_->sequence.load(std::memory_order_relaxed) != before) return false;
    for (ScoreReading::Process& process : reading.processes)
        for (std::size_t i = 0; i < kMetricWords; ++i)
            reading.totals.words()[i] += process.figures.words()[i];
    return true;
}

} // namespace fsrv
