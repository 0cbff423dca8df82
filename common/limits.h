// Every fixed bound of the program, with its unit and its reason. What a user may choose is an
// option (options.def) instead.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fsrv::limits {

// Workers: slots in the scoreboard and bits of arithmetic; more than any machine has cores.
inline constexpr unsigned kMaxWorkers = 1024;
// Slots of the scoreboard: for the workers, and for those of earlier generations that still drain.
inline constexpr unsigned kScoreGenerations = 16; // times the workers
inline constexpr unsigned kSpareScores = 32;
// Downloads of one worker that are shown while they run: those that run longest.
inline constexpr unsigned kShownTransfers = 64;
inline constexpr std::size_t kShownTargetBytes = 512;
inline constexpr std::size_t kShownClientBytes = 64;
inline constexpr std::uint64_t kShownAfterMs = 1'000; // what is over sooner would only flicker
inline constexpr std::uint64_t kShowEveryMs = 500;

// Request head.
inline constexpr std::size_t kMaxTarget =
    8 * 1024; // bytes; 414 above. What browsers and proxies cope with.
inline constexpr unsigned kMaxFields = 100;          // header fields; 431 above.
inline constexpr std::size_t kMaxProxyHeader = 1024; // bytes before it, of the PROXY protocol
inline constexpr std::size_t kMaxProxyHops = 32;     // of a forwarded client that are looked at
inline constexpr unsigned kMaxLeadingEmptyLines = 1; // RFC 9112 2.2 asks for "at least one".

// Request body: read and dropped up to this many bytes (framing included), then the connection
// closes.
inline constexpr std::size_t kMaxDroppedBody = 64 * 1024;

// An answer that a client has at once, whatever its line; after a longer one a close lingers.
inline constexpr std::uint64_t kSoonTaken = 64 * 1024;
// Lingering close: bytes and time that a peer may still send after its last answer.
inline constexpr std::size_t kMaxLingerBytes = 16 * 1024 * 1024;
inline constexpr std::uint64_t kLingerMs = 5000;

// File bytes: one chunk in flight per download.
inline constexpr std::size_t kChunkBytes = 256 * 1024;
inline constexpr std::size_t kSmallChunkBytes =
    16 * 1024; // once kMaxBigChunks are in use: memory stays bounded
inline constexpr unsigned kMaxBigChunks = 256; // per worker: 64 MiB
// Likewise of what is encrypted or framed here: two records of TLS.
inline constexpr std::size_t kCodedBytes = 32 * 1024;
inline constexpr unsigned kMaxSpareChunks = 16; // kept for reuse when nobody needs them
inline constexpr unsigned kMaxSpareInquiries = 64;
// The two queues of a connection to this machine together (worker/wire/queue_bound.h), when the
// kernel does not tell: more than its defaults of any version (4 and 32 MiB).
inline constexpr std::uint64_t kAssumedQueues = 64 * 1024 * 1024;
// What segmentation offload takes for one packet, about. A head before more than that leaves by
// itself where connections are paced: in one with the first pages of the file it costs BBR three
// times as much.
inline constexpr std::uint64_t kLargestPacket = 64'000;
// Lending costs a system call of its own and work by the page: more than copying so little.
inline constexpr std::uint64_t kCheapToCopy = 16 * 1024;
// A mapping of its own, for so little, costs more than the copy that it saves.
inline constexpr std::uint64_t kCheapToCopyTwice = 128 * 1024;
// Of a cached file, whose head is lent with it. Of one file both cost the same at 4 KiB; of many,
// lending spares a look at bytes that no processor cache has.
inline constexpr std::uint64_t kCheapToCopyWithHead = 3 * 1024;
// One download sends so much, then others have their turn; the page cache is asked for as much.
inline constexpr std::size_t kTurnBytes = 1024 * 1024;
// Files of one body that were lent and are to be looked at once more: each has a descriptor. Files
// of a megabyte come to what the queues hold; of smaller ones the rest is mapped or copied.
inline constexpr std::size_t kMostLentFiles = 64;
// Of all bodies, one in so many of a worker's descriptors.
inline constexpr std::size_t kLentShare = 8;
// What was copied counts so many times for a turn: a megabyte out of cold memory takes
// milliseconds.
inline constexpr std::uint64_t kCopyWeight = 4;
inline constexpr std::uint64_t kMappedWeight = 2; // copied once
// HTTP/2, of a connection. Streams at a time: as many as others allow.
inline constexpr std::uint32_t kHttp2Streams = 100;
// Resets at once, above --http2-resets a second: a player that seeks makes dozens in a second.
inline constexpr std::uint64_t kHttp2Resets = 1'000;
// Frames that ask for nothing (all but those that complete a request: PING, SETTINGS,
// WINDOW_UPDATE, PRIORITY_UPDATE, bodies, unknown ones): at once, a second, and one more for so
// many bytes that the client takes.
inline constexpr std::uint64_t kHttp2IdleFrames = 10'000;
inline constexpr std::uint64_t kHttp2IdleFramesPerSecond = 100;
inline constexpr std::uint64_t kHttp2BytesPerFrame = 1'024;
// Frames that wait for a client that takes nothing: heads of its streams, replies (1,000 are the
// library's bound), and resets of streams that were one too many, for which it has none.
inline constexpr std::size_t kHttp2QueuedFrames = 2'000;

// So long downloads have their turns, one after the other, before it is seen who else has come.
inline constexpr std::uint64_t kTurnsNs = 500'000;
inline constexpr std::size_t kReadaheadBytes =
    1024 * 1024; // hinted to the kernel beyond a chunk that was read

// So long after a miss of the page cache the pool reads all of that file: what the kernel reads
// ahead may still be on its way.
inline constexpr std::uint64_t kFillingMs = 10'000;
// Unless it has found so many chunks there, one after the other: 64 MiB.
inline constexpr unsigned kFoundInARow = 256;

// Content codings. What is smaller fits in a packet all the same.
inline constexpr std::uint64_t kLeastCoded = 512;
// Files up to this size are coded whole, which takes a thread of the pool for a fifth of a second
// at most, and kept; larger ones are streams.
inline constexpr std::uint64_t kMostCodedAtOnce = 4 * 1024 * 1024;
// Of what a file does not become shorter by a 16th, the identity is sent.
inline constexpr std::size_t kLeastGain = 16;
// Streams under way in a worker: each has up to 12 MiB of memory, paused ones too.
inline constexpr unsigned kMostCodedStreams = 8;
// Bytes of a file that a job of a stream codes: what becomes very little of them does not hold a
// thread for long.
inline constexpr std::uint64_t kMostCodedInARow = 4 * 1024 * 1024;
// What is kept of codings, as a part of --cache-memory.
inline constexpr std::size_t kCodedShare = 4;

// ?follow. A file that has nothing new is looked at so often by the loop, and so seldom where that
// takes a thread: of a file that is not local, and whether the path still leads to it.
inline constexpr std::uint64_t kFollowLookMs = 200;
inline constexpr std::uint64_t kFollowFarLookMs = 1'000;
// Of a worker's connections, one in so many may follow a file: each stays as long as it likes.
inline constexpr std::size_t kFollowShare = 4;
// Bytes that were sent last, which must still stand before what has come since.
inline constexpr std::size_t kFollowSeam = 64;

// What the kernel may queue, not yet sent, for one client (TCP_NOTSENT_LOWAT; SO_SNDBUF on Unix
// sockets).
inline constexpr int kNotSentLowat = 128 * 1024;
inline constexpr int kUnixSendBuffer = 256 * 1024;
// Downloads of a worker at a time for which that mark is lifted, so that all the kernel allows (4
// MiB by default) may be queued: paused ones keep their place until they go on.
inline constexpr std::size_t kMaxSwift = 64;
// A client that says nothing is accepted after the kernel has asked it once more (1 s).
inline constexpr int kDeferAcceptSeconds = 1;

inline constexpr int kListenBacklog = 4096;             // the kernel clamps it to somaxconn
inline constexpr std::uint64_t kAbilityAgainMs = 1'000; // after a failure that passes (ability.h)
inline constexpr std::uint64_t kAcceptPauseMs = kAbilityAgainMs; // out of descriptors
inline constexpr unsigned kMaxOverloadAnswers =
    64; // connections beyond the limit that may get a 503 at a time
// Connections that linger do not count against --max-connections, but for one in so many of it.
inline constexpr std::size_t kLingeringShare = 8;
inline constexpr std::size_t kLeastLingering = 16;
// At --max-connections one that has been silent, or has waited for a disk, for as long makes room.
inline constexpr std::uint64_t kShedAfterMs = 1'000;
inline constexpr unsigned kShedLooks =
    16; // at connections of a state, which may have a request by now
inline constexpr unsigned kAcceptBatch = 16;   // connections taken in one turn of the loop
inline constexpr unsigned kPipelineBatch = 16; // requests of one connection answered in one turn

// Descriptors of a worker that are no connection's: loop, logs, pipes, listen sockets of small
// set-ups.
inline constexpr unsigned kReservedFds = 64;

// A folder's listing is cut here, says so, and where it goes on. People get pages of so many.
inline constexpr std::size_t kMaxListingEntries = 100'000;
inline constexpr std::size_t kListingPageEntries = 1'000;
inline constexpr std::size_t kMaxListingBytesInFlight = 256 * 1024 * 1024; // per worker; 503 above
// Listings of so many entries and more are kept for so long, per worker, within so many bytes of
// these.
inline constexpr std::size_t kKeptListingEntries = 1'000;
inline constexpr std::uint64_t kKeptListingMs = 1'000;
inline constexpr std::size_t kKeptListingBytes = kMaxListingBytesInFlight / 8;
// One that is streamed counts as so many bytes of them: an open folder, a chunk that its client
// does not take, and 256 of them at most. It has a thread for so long at a time.
inline constexpr std::size_t kListingStreamBytes = 1024 * 1024;
inline constexpr std::uint64_t kListingSliceMs = 20;
// A change of a folder this long after another one shows in its time: two ticks of the kernel's
// slowest clock.
inline constexpr std::int64_t kFolderTickNs = 20'000'000;
// At a 503 so much is taken from those that are paused with one.
inline constexpr std::size_t kListingRoomBytes = kMaxListingBytesInFlight / 4;

// Archives. Of more members none is made: half a second of a thread for each look at it.
inline constexpr std::size_t kMaxArchiveEntries = 200'000;
inline constexpr std::size_t kMaxArchiveDepth = 128; // folders; the walk recurses in a small stack
// Lists of members in a worker: some 80 bytes for each; 503 above.
inline constexpr std::size_t kMaxArchiveListBytes = 64 * 1024 * 1024;
inline constexpr std::size_t kArchiveNoteBytes = 64 * 1024; // of names that were left out
// Heads and files of up to kCheapToCopy are had together, about so many bytes at a time.
inline constexpr std::size_t kArchiveBlockBytes = 32 * 1024;
// For the CRCs of a zip a job reads so much, of so many files, then another has the thread.
inline constexpr std::uint64_t kCrcBytesInARow = 32 * 1024 * 1024;
inline constexpr unsigned kCrcFilesInARow = 64;
// CRCs that a worker keeps: 100 bytes each.
inline constexpr std::size_t kKeptCrcs = 65'536;

// Digests. A job reads so much of a file, then another has the thread.
inline constexpr std::uint64_t kDigestBytesInARow = 8 * 1024 * 1024;
// Files whose digests are being computed, or wait for it, in a worker: each has a descriptor.
// Beyond that who asks is told nothing.
inline constexpr std::size_t kMostDigestJobs = 64;
inline constexpr std::size_t kKeptDigests = 65'536; // in a worker: 150 bytes each
// Answers of a worker that are made of digests while they are sent; 503 above.
inline constexpr unsigned kMostDigestStreams = 4;
// Pieces of a file in a metalink: 32 bytes each are kept, of so many files.
inline constexpr std::uint64_t kMostPieces = 2'048;
inline constexpr std::uint64_t kLeastPieceBytes = 1024 * 1024;
inline constexpr std::size_t kKeptPieceLists = 64;

// So many of the folders above it are links in a listing, next to the root: each costs what it is
// deep.
inline constexpr std::size_t kMaxShownAncestors = 32;

// Pool: threads of a worker for all other devices than the root's together, each with --threads of
// its own: room for a dozen mounts that hang.
inline constexpr std::size_t kMaxPoolThreads = 128;
// A disk is not called ill sooner than this, however short --stall-timeout is: it may be asleep,
// and threads that wait for a core are no fault of its own.
inline constexpr std::uint64_t kLeastSilenceMs = 3'000;
inline constexpr std::size_t kMaxWaitingListings = 64; // of one device; 503 above

// Passwords that a worker hashes or has waiting for it, each a different one: half a second of work
// and more. Beyond that who asks is told to come again.
inline constexpr unsigned kMostHashes = 32;
// Whose rights a worker may take on (permissions = "user"): its filter of system calls names them.
inline constexpr std::size_t kMostAccounts = 500;
// A look-up that no thread has come to, or that one stays away with, though its device answers
// others: 503.
inline constexpr std::uint64_t kLookUpMs = 60'000;

inline constexpr unsigned kMaxSymlinks = 40; // what the kernel allows
inline constexpr unsigned kMaxResolveRetries =
    16; // EAGAIN of openat2 while the tree is being renamed

// A file modified less than this before now, or dated so little after it, may change again without
// its time changing: weak ETag.
inline constexpr std::int64_t kYoungFileNs = 1'000'000'000;
// Where times move in steps of two seconds (FAT), or are told by another machine.
inline constexpr std::int64_t kYoungFarFileNs = 3'000'000'000;

// Access log: lines that wait for a log that does not take them, per worker; dropped and counted
// above.
inline constexpr std::size_t kLogQueueBytes = 1024 * 1024;
// After a write, lines are gathered for as long, or up to so many bytes.
inline constexpr unsigned kLogPauseMs = 20;
inline constexpr std::size_t kLogPieceBytes = 64 * 1024;
// A log that has not taken a queue full of lines by then is slow.
inline constexpr unsigned kLogSlowMs = 100;

// TLS. Certificates in the figures: more than anybody has sites on one server.
inline constexpr unsigned kShownCertificates = 16;
inline constexpr std::size_t kShownCertificateBytes = 192; // of a name; a path is rarely longer
inline constexpr std::size_t kMaxTlsFileBytes =
    1024 * 1024; // of PEM; all of Mozilla's CAs are 250 KiB
// Renewed files are noticed within 30 s: a look each so often, and another one before they are
// called bad, since certificate and key are written one after the other.
inline constexpr std::uint64_t kTlsLookMs = 10'000;
inline constexpr std::uint64_t kTlsSecondLookMs = 5'000;
inline constexpr std::int64_t kTlsExpirySoonS = std::int64_t{7} * 86'400; // warned of
// Keys of session tickets: a session resumes for two hours at least.
inline constexpr unsigned kTicketKeys = 3;
inline constexpr std::uint64_t kTicketRotationMs = 3'600'000;

// The same trouble of a worker is told at most so often.
inline constexpr std::uint64_t kTroubleReportMs = 60'000;

// Supervision.
inline constexpr std::uint64_t kTickMs = 500; // a worker's heartbeat
inline constexpr std::uint64_t kSweepMs =
    100; // deadlines are looked at this often while there are connections
inline constexpr std::uint64_t kCoverMs = 2'000; // a tick older than this: the neighbour helps out
inline constexpr std::uint64_t kFirstRespawnMs = 100; // second death in a row; doubles
inline constexpr std::uint64_t kMaxRespawnMs = 30'000;
inline constexpr std::uint64_t kHealthyMs = 60'000;    // uptime that forgives earlier deaths
inline constexpr std::uint64_t kAbortToKillMs = 1'000; // SIGABRT first, for the core; then SIGKILL
inline constexpr std::uint64_t kStartTimeoutMs = 30'000; // spawn to ready
inline constexpr std::uint64_t kUpgradeMs = 60'000;      // for a new server to take over

// Draining.
inline constexpr std::uint64_t kDrainFreshMs = 1'000; // a connection that has not sent a byte yet
inline constexpr std::uint64_t kLastCallbacksMs =
    1'000; // for reads of the pool to come back once all is cut
inline constexpr unsigned kAlarmMarginSeconds =
    3; // over --grace: a worker whose loop hangs dies of SIGALRM

// Clients that are limited (client_table.h): so many are known at a time, 1.4 MiB of shared memory.
inline constexpr unsigned kClientWays = 8; // that a client has, and are looked at
inline constexpr unsigned kClientSets = 2048;
inline constexpr unsigned kClientSeats = 1024; // processes that count; what they have takes 32 KiB
// A client's last use is written down this often; whose is older goes first.
inline constexpr std::uint64_t kClientSeenMs = 100;
// Whatever stands in shared memory, nobody waits longer for a bucket.
inline constexpr std::uint64_t kMostDebtNs = 60'000'000'000;
inline constexpr std::uint64_t kRequestBurstNs = 2'000'000'000; // of --client-requests
// Bandwidth (throttle.h), in nanoseconds of the rate: together what a client can have beyond it, 4
// % over ten seconds. What is reserved at a time; what a bucket saves, for whoever is late; what
// small answers may owe.
inline constexpr std::uint64_t kQuantumNs = 100'000'000;
inline constexpr std::uint64_t kByteBurstNs = 150'000'000;
inline constexpr std::uint64_t kByteDebtNs = 200'000'000;
inline constexpr std::uint64_t kLeastQuantum = 256; // bytes
// After its turn of --total-rate a client gives the others so much time to come for theirs: as long
// as a loop may take to wake and send.
inline constexpr std::uint64_t kBetweenTurnsNs = 20'000'000;
inline constexpr std::uint64_t kProofWindowNs = 60'000'000'000; // that a budget of failures is for

inline constexpr std::size_t kLastRequestBytes =
    256; // of the last request, kept for the death notice

} // namespace fsrv::limits
