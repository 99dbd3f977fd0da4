/** Every bound of the data plane, by name. `test/unit/base/limits.test.ts` asserts how they relate. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The largest number of an option: the longest timer that the runtime can set, and nutcracker's largest number. */
export const INTEGER_MAX = 2_147_483_647;

/** Code of one module, with what it imports. */
export const MODULE_CODE_BYTES_MAX: number = 1 * MIB;
/** In this time all modules of a configuration must be imported. */
export const MODULES_ANSWER_MS = 10_000;
/** Failures of a module in a minute that switch it off. */
export const MODULE_FAULTS_MAX = 10;
/** So long it stays off, and so long failures are counted. */
export const MODULE_OFF_MS = 60_000;
/** A call of a module that takes longer is named in the log. */
export const MODULE_SLOW_MS = 5;
/** The first calls of a hook, in which the engine compiles it: how long they take is not looked at. */
export const MODULE_COLD_CALLS = 3;
/** What a module has in hand when its worker ends is waited for so long. */
export const MODULE_STOP_MS = 900;
/** Bytes of lines that a module has written, and that its file or peer has not taken. */
export const MODULE_LINES_BYTES_MAX: number = 4 * MIB;
/** Counters of one module in one pool: each takes memory until the proxy ends. */
export const MODULE_COUNTERS_MAX = 256;
/** A longer line is no message of a module's protocol, unless the module says so. */
export const MODULE_LINE_BYTES_MAX: number = 64 * KIB;
/** A client's request in a module's protocol, whatever the module's scanner says. */
export const MODULE_REQUEST_BYTES_MAX: number = 16 * MIB;
/** Connections to servers that one client of a module's protocol has for itself: they travel in one packet with it. */
export const MODULE_OWN_CONNECTIONS_MAX = 16;
/** Requests of a filter's own that wait for their replies, in each worker and pool. */
export const MODULE_REQUESTS_MAX = 4096;

/** Worker processes. */
export const WORKERS_MAX = 256;
/** Longest value of one argument or reply element: Redis's proto-max-bulk-len. */
export const BULK_BYTES_MAX: number = 512 * MIB;
/** Most arguments of one request. */
export const ARGUMENTS_MAX: number = 1024 * 1024;
/** Longest request: all arguments together. */
export const REQUEST_BYTES_MAX: number = 1024 * MIB;
/** Longest reply. Positions in it are 32-bit integers. */
export const REPLY_BYTES_MAX: number = 1024 * MIB;
/**
 * Longest line of a Redis server's reply, its type included. Redis sets no limit to the text of an error or a status that a
 * script returns; more than this is taken for a line that never ends.
 */
export const REPLY_LINE_BYTES_MAX: number = 1 * MIB;
/** Longest reply to what is said first on a connection: HELLO's, with a list of modules, is the longest of them. */
export const HANDSHAKE_REPLY_BYTES_MAX: number = 64 * KIB;
/** Longest inline request, and longest line that announces a length: Redis's PROTO_INLINE_MAX_SIZE. */
export const LINE_BYTES_MAX: number = 64 * KIB;
/** Longest header of the PROXY protocol, with all further facts; and the time in which it must have come. */
export const PROXY_HEADER_BYTES_MAX: number = 4 * KIB;
export const PROXY_HEADER_MS_MAX: number = 30_000;
/** Window of `throttle_mode: window`; how often delayed clients are looked at; how often workers share their limits anew. */
export const THROTTLE_WINDOW_MS = 100;
export const THROTTLE_TICK_MS = 10;
export const THROTTLE_SHARE_MS = 100;
/** Bytes that a client whose turn has come is held to be about to send. */
export const THROTTLE_GRANT_BYTES: number = 16 * KIB;
/** Addresses whose use of limits is remembered, besides those that have clients. */
export const THROTTLE_ADDRESSES_MAX = 65_536;
/** Before a client has authenticated: arguments and bytes of an argument. Redis's own figures. */
export const UNAUTHENTICATED_ARGUMENTS_MAX: number = 10;
export const UNAUTHENTICATED_BULK_BYTES_MAX: number = 16 * KIB;

/** Longest Memcached key: KEY_MAX_LENGTH of memcached. */
export const MEMCACHE_KEY_BYTES_MAX: number = 250;
/** Longest Memcached command line, multi-gets apart, its end not counted: what memcached reads at once. */
export const MEMCACHE_LINE_BYTES_MAX: number = 16 * KIB;
/** Longest such line that is sent to a server: a longer one that arrives in pieces makes memcached hang up. */
export const MEMCACHE_SENT_LINE_BYTES_MAX: number = 2048;
/** Longest line with the keys of a multi-get; memcached has no limit. */
export const MEMCACHE_GET_LINE_BYTES_MAX: number = 64 * MIB;
/** Longest item value: more than any server takes (1 GiB is the most that memcached can be told), so servers judge. */
export const MEMCACHE_VALUE_BYTES_MAX: number = 1024 * MIB;
/** Longest line of a server's reply; a meta get gives back at most a key, an opaque and a few numbers. */
export const MEMCACHE_REPLY_LINE_BYTES_MAX: number = 16 * KIB;
/** Longest list of statistics of one server: the longest ones have a few lines for each of 63 slab classes. */
export const MEMCACHE_STATISTICS_BYTES_MAX: number = 4 * MIB;

/** Requests of one session that wait for a reply; more stay unread. A power of two. */
export const PENDING_REPLIES_MAX: number = 1024;
/** Slots a session's reply ring starts with. A power of two. */
export const PENDING_REPLIES_START: number = 16;
/** Replies that may be owed to a session that is new: what its replies will be like is not known … */
export const REPLY_WINDOW_START: number = 16;
/** … to one that did not read, or that is new where others were heavy from their first request on … */
export const REPLY_WINDOW_HEAVY: number = 2;
/** … to one that reads and whose replies are large, as far as they are no more than SESSION_WINDOW_BYTES … */
export const REPLY_WINDOW_LARGE: number = 16;
/** … and to one whose replies are small. */
export const REPLY_WINDOW_MAX: number = 64;
/** With this much unread by the client, none of its requests is read. */
export const SESSION_OUTPUT_HIGH_BYTES: number = 1 * MIB;
/** The same while all clients together hold nearly as much as they may, see `client_memory`. */
export const SESSION_OUTPUT_TIGHT_BYTES: number = 64 * KIB;
/** Reading resumes below this. */
export const SESSION_OUTPUT_LOW_BYTES: number = 256 * KIB;
/** With this much unread by the client of a server that it has for itself, that server is not read. */
export const SESSION_STREAM_HIGH_BYTES: number = 256 * KIB;
/** It is read again below this. */
export const SESSION_STREAM_LOW_BYTES: number = 64 * KIB;
/** A client with more than this unread, when yet another reply arrives, is cut. */
export const SESSION_OUTPUT_MAX_BYTES: number = 512 * MIB;
/** Replies above this count as large: fewer of them may be on their way to one session at once. */
export const LARGE_REPLY_BYTES: number = 32 * KIB;
/** Replies of this many bytes may be on their way to one session: large values shrink its window of pending replies. */
export const SESSION_WINDOW_BYTES: number = 8 * MIB;

/** With this much waiting for one server connection, sessions wait before adding more. */
export const UPSTREAM_QUEUE_HIGH_BYTES: number = 8 * MIB;
/** Waiting sessions go on below this. */
export const UPSTREAM_QUEUE_LOW_BYTES: number = 2 * MIB;
/** Requests that may wait for a reply on one server connection. */
export const UPSTREAM_PENDING_MAX: number = 256 * KIB;

/** While replies keep coming over a server connection it is checked once in so long whether one of them got lost. */
export const STEP_CHECK_MS: number = 1000;

/** Memory that received parts of replies take, over all server connections of one worker: one of the longest, with room to grow. */
export const PARTIAL_REPLIES_BYTES_MAX: number = 2048 * MIB;

/** The least that all clients of all workers together may be given; and those of one worker, whatever its share would be. */
export const CLIENT_MEMORY_BYTES_MIN: number = 64 * MIB;
export const CLIENT_MEMORY_SHARE_MIN: number = 16 * MIB;
/** Of the memory of the host, or of the cgroup, so much is theirs where the operator does not say. */
export const CLIENT_MEMORY_AUTO: number = 1 / 2;
/** Of a worker's share so much may be parts of replies that its servers have not sent whole. */
export const PARTIAL_REPLIES_SHARE: number = 1 / 2;

/**
 * From this size on a byte range is queued by reference instead of copied. Below it, memory that is used again and again costs less than what
 * the copy does: what is referred to cannot be used again.
 */
export const KEEP_BY_REFERENCE_MIN_BYTES: number = 2 * MIB;
/** From this size on a buffer that was let go counts as garbage worth a collection. */
export const LARGE_BUFFER_MIN_BYTES: number = 64 * KIB;
/** From this size on the memory of a received chunk is freed at once, not by the collector. */
export const RECLAIM_CHUNK_MIN_BYTES: number = 16 * KIB;
/** With so much of released buffers not given back, a full collection is made … */
export const GARBAGE_MANY_BYTES: number = 64 * MIB;
/** … if the last was at least so long ago. */
export const GARBAGE_MANY_MS: number = 4000;
/** With so much, one is made … */
export const GARBAGE_SOME_BYTES: number = 1 * MIB;
/** … if the last was at least so long ago. */
export const GARBAGE_SOME_MS: number = 14_000;
/** While clients hold nearly as much as they may, a full collection is made at most so often. */
export const GARBAGE_TIGHT_MS = 500;
/** When more is left than ever before after a collection, it is collected so often again. */
export const GARBAGE_REPEATS_MAX: number = 3;
/** How long a closed-after-error session goes on discarding input, so that its last reply is not lost to a reset. */
export const LINGER_MS: number = 2000;
/** A client whose connection is to be reset, and that takes nothing of what it was sent before, is reset after this. */
export const RESET_WAIT_MS_MAX: number = 10_000;
/** It is looked so often at least whether it has taken all. */
export const RESET_STEP_MS_MAX: number = 250;
/** Clients of one worker that were turned away and are still listened to; one more, and the oldest goes. */
export const LINGERING_CLIENTS_MAX: number = 256;

/** Ejected servers that answer again within this time of each other are put back into the ring by one change. */
export const RETURN_TOGETHER_MS: number = 1000;

/**
 * Connections that one server lends to single sessions (transactions, blocking commands) in one worker, free ones included. Clients at
 * one address get their share of them: see `FairShares`.
 */
export const LEASES_MAX: number = 4096;
/** Lent connections that were given back and are kept for the next session. */
export const LEASES_FREE_MAX: number = 32;
/** They are closed when no client has wanted them for so long. */
export const LEASE_IDLE_MS: number = 30_000;
/** Longest script or library of functions that is remembered. */
export const SCRIPT_BYTES_MAX: number = 1 * MIB;
/** All scripts of one pool that are remembered. */
export const SCRIPTS_BYTES_MAX: number = 8 * MIB;
/** All libraries of functions of one pool. */
export const FUNCTIONS_BYTES_MAX: number = 4 * MIB;
/** Kinds of connection to the servers of one pool that clients have chosen (database, user, protocol), in one worker. */
export const VARIANTS_MAX: number = 4096;
/** What was chosen and is not used by any client is forgotten after this, and its connections are closed. */
export const VARIANT_IDLE_MS: number = 60_000;
/** Received from a client that waits for a blocking command; with more, the proxy stops reading, and cannot see it leave. */
/** Requests that one link of a route holds for another branch, until its servers take them. */
export const INNER_CLIENT_BYTES_MAX: number = 1 * MIB;
/** Copies of requests of one link of a route that are not answered; what comes beyond is not copied. */
export const MIRRORED_AT_ONCE: number = 1024;
export const BLOCKED_INPUT_BYTES_MAX: number = 1 * MIB;

/** A client that has so much of pushed messages unread is cut: Redis's client-output-buffer-limit for pubsub. */
export const PUSHED_OUTPUT_MAX_BYTES: number = 32 * MIB;
/** A subscriber connection on which nothing came for so long is asked for a sign of life; for twice as long, it is given up. */
export const PUBSUB_SILENCE_MS = 15_000;
/** A subscriber connection without subscriptions is closed after this. */
export const PUBSUB_IDLE_MS = 30_000;
/** Names in one request to a server, and what of a client's longer one is done in one turn of the event loop. */
export const SUBSCRIBE_NAMES_MAX = 1000;
/** And bytes of these names, but for a name that is longer. */
export const SUBSCRIBE_NAMES_BYTES_MAX: number = 64 * KIB;
/** Bytes of names in one packet to another worker: so that as JSON they fit in one. */
export const SUBSCRIBE_NAMES_SENT_BYTES_MAX: number = 24 * KIB;
/** Requests of that size that are on their way to one server when everything is subscribed again on a fresh connection. */
export const RENEWALS_AT_ONCE = 4;
/** What one client may be subscribed to: channels, patterns and shard channels together. */
export const SUBSCRIPTIONS_PER_CLIENT_MAX: number = 256 * KIB;
/** Their names together, in bytes. */
export const SUBSCRIBED_BYTES_PER_CLIENT_MAX: number = 16 * MIB;
/** Patterns among them. Each message is compared with every pattern: by each server, and again to count who gets it. */
export const PATTERNS_PER_CLIENT_MAX: number = 8 * KIB;
/** Subscriptions of all clients of one pool in one worker. */
export const SUBSCRIPTIONS_MAX: number = 1024 * KIB;
/** Names that these clients are subscribed to, in bytes; one name counts once, however many are subscribed to it. */
export const SUBSCRIBED_BYTES_MAX: number = 64 * MIB;
/** Patterns among them. */
export const PATTERNS_MAX: number = 32 * KIB;
/** Clients that one worker is asked for at a time, for CLIENT LIST. */
export const CLIENTS_LISTED_AT_ONCE = 1000;
/** Clients that CLIENT KILL closes in one turn of the event loop. */
export const CLIENTS_CLOSED_AT_ONCE = 250;
/** Names of channels in one question to the other workers. */
export const CENSUS_BYTES_MAX: number = 256 * KIB;
/** A worker that got subscriber connections waits so long for the next of the clients that belong to them. */
export const PUBSUB_ARRIVAL_MS = 5000;

/**
 * A client that ends its side while a blocking command waits is gone. But one that sends a command and ends at once, to read
 * the replies, gets those that are to be had without waiting: so long after the command, it is not gone yet.
 */
export const BLOCKED_END_MS: number = 100;
/** Of a transaction whose server is not known yet, or whose requests the proxy answers itself: bytes that are kept until EXEC. */
export const TRANSACTION_KEPT_BYTES_MAX: number = 1 * MIB;

/** What clients make happen again and again is logged once in so long, with the number of times that were left out. */
export const LOG_REPEAT_MS: number = 60_000;

/** A server of a `tcp` pool that could not be connected is out of the choice for so long, then for twice as long and so on. */
export const TCP_RETRY_FIRST_MS: number = 1000;

/** Longest configuration file. */
export const CONFIG_FILE_BYTES_MAX: number = 4 * MIB;
/** A configuration that comes through a pipe must have come by then. */
export const CONFIG_READ_MS: number = 5_000;

/** Work for many clients at once (a hand-over, a drain) gives the event loop back after this, to go on in its next turn. */
export const SLICE_MS = 4;
/** Clients that were asked to leave, and have replies to wait for: while there are so many new ones, no more are asked. */
export const SETTLING_CLIENTS_MAX = 256;
/** Packets on their way from one worker to the supervisor, or from there to another worker, that were not taken yet. */
export const PACKETS_UNDERWAY_MAX = 64;
/** So few are underway from a worker while the supervisor takes them at once: each client is held back for a moment only. */
export const PACKETS_UNDERWAY_START = 4;
/** When it takes them slower than that, because the machine is busy, more go at a time. */
export const PACKETS_TAKEN_MS = 40;
/**
 * Packets on their way to all workers, for each core that the proxy may use. With more, old and new workers and the supervisor want
 * to run all at once, and each request waits until the others have had their turn on a core.
 */
export const PACKETS_UNDERWAY_PER_CORE = 2;
/** Of those, one worker may have so many, also when there are many workers. */
export const PACKETS_UNDERWAY_LEAST = 4;
/** What a worker has not answered for in so long does not count as underway: others go on getting theirs. */
export const SLOW_TARGET_MS = 250;
/** Of a process's open files: so many may be packets on their way from all workers, and again so many to all workers. */
export const PACKETS_UNDERWAY_SHARE: number = 1 / 4;
/** After a round of packets to all workers, none are passed on for as long as it took, so long at the most. */
export const MOVE_REST_MS_MAX = 20;
/**
 * Of workers: so many for each core may start beside others that serve, or hand their clients over, at a time. More would want to run
 * all at once, as their compilers and collectors do.
 */
export const WORKERS_AT_ONCE_PER_CORE: number = 1 / 2;
/** Packets in a row that go to one worker, when it has many clients, before it is another one's turn. */
export const PACKETS_IN_A_ROW = 8;
/** Packets in the supervisor's hands. */
export const PACKETS_HELD_MAX = 128;
/** Descriptors of a packet that does not say how many it has: a client, two servers that it has for itself, a memory file. */
export const PACKET_DESCRIPTORS_USUAL = 4;
/** Beyond those of a packet, so many must be free when one is taken: for connections to servers. */
export const PACKET_DESCRIPTORS_SPARE = 4;
/** A worker has the kernel's table of its descriptors made for so many at its start; it takes 8 bytes for each. */
export const DESCRIPTOR_TABLE_MAX = 65_536;
/** For so long a worker waits for a free descriptor or memory when it has a client to adopt. */
export const ADOPT_WAIT_MS_MAX = 10_000;

/** A server that is no longer one of its pool's is closed after so long, whatever it owes: what blocks there may block for ever. */
export const RETIRE_MS_MAX = 10_000;
/** The workers of one host together ask nodes of a cluster no more often how it is. */
export const CLUSTER_LOOK_MS = 1_000;
/** When a replica says that it is a primary now, they are asked no more often than this, … */
export const CLUSTER_NEWS_MS = 100;
/** … for so many times at the most. */
export const CLUSTER_HEIR_CLAIMS = 5;
/** The replicas of a primary that is lost are asked so often what they are, by one worker of a host, … */
export const CLUSTER_HEIR_LOOK_MS = 50;
/** … for so long. */
export const CLUSTER_HEIR_WATCH_MS = 60_000;
/** While nothing is wrong they ask so often. */
export const CLUSTER_LOOK_IDLE_MS = 30_000;
/** A request waits so long for nodes of a cluster that do not serve, and then gets their error. */
export const CLUSTER_DOWN_WAIT_MS = 3_000;
/** Requests of one pool that wait for that, in one worker. */
export const CLUSTER_PARKED_MAX: number = 64 * KIB;
/** What goes to a slot's new node waits so long for what was sent to the old one. */
export const CLUSTER_FENCE_MS = 1_000;
/** After requests have waited for a server in vain, they do not again for so long. */
export const FAILOVER_REST_MS = 60_000;
/** While nothing is wrong the sentinels are asked so often. */
export const SENTINEL_LOOK_IDLE_MS = 10_000;
/** When sentinels tell of a change they are asked no more often than this. */
export const SENTINEL_NEWS_MS = 50;
/** Blocks of values in the shared memory, besides those of pools and servers: what modules count, by their labels. */
export const METRIC_BLOCKS_MAX: number = 64 * KIB;
/** Servers of one pool whose times are measured one by one: each has two histograms, of 7 KiB for each worker as far as they are filled. */
export const TIMED_SERVERS_MAX = 256;
/** What the admin process shows over HTTP is made at most so often, however many ask. */
export const ADMIN_RENDER_MS = 200;

/** A worker that is told to change something while it runs must have answered by then, else the change is undone in all workers. */
export const STEERING_ANSWER_MS = 3_000;
/** Values of a running proxy that are not the file's. */
export const SETTINGS_MAX = 256;

/**
 * With the io_uring engine, timers that were not set through the engine (a module's setTimeout, the garbage collector's) are late by up to
 * this: Bun does not say when they are due, so its loop is asked so often.
 */
export const BUN_WAIT_MS = 100;
/**
 * In a worker without traffic by up to this: each time that nothing has happened meanwhile the wait is doubled. It is longer than the
 * supervisor takes from one question to the next, as with each of them Bun's loop has a turn anyway.
 */
export const BUN_WAIT_IDLE_MS = 1500;
/** A connection that was closed behind bytes which its peer does not take is reset after so long. */
export const UNSENT_LINGER_MS = 5000;
/** A process that cannot accept a client, because it is short of descriptors or memory, tries again after this. */
export const ACCEPT_RETRY_MS = 100;
/** What operators hold back at a time, over all pools. */
export const LEVERS_MAX = 64;
/** Longest that requests of a pool wait because an operator says so: what clients have sent meanwhile waits in the kernel. */
export const PAUSE_MS_MAX = 60_000;
/** Longest that anything else is held back: a lever that was forgotten ends. */
export const LEVER_MS_MAX: number = 7 * 24 * 3_600_000;

/** Events that the supervisor keeps for `proxy events`. */
export const EVENTS_KEPT_MAX = 512;
/** Of each so many characters. */
export const EVENT_CHARACTERS_MAX = 500;
/** Events that one worker tells of in a second; what comes beyond is only in the log. */
export const WORKER_EVENTS_PER_SECOND = 20;

/** The longest name that a client may give itself, its library or its library's version: they are shown, logged and moved with it. */
export const CLIENT_NAME_BYTES_MAX = 512;

/** Clients that are shown at once, the first in the order that was asked for. */
export const CLIENTS_SHOWN_MAX = 5_000;
/** Of the clients that one order disconnects in one worker so many are named. */
export const KICKED_SHOWN_MAX = 100;
/** A worker that is asked what operators want to see must have answered by then; it is left out otherwise. */
export const INSPECTION_ANSWER_MS = 3_000;
/** Such questions that wait for their turn. */
export const INSPECTIONS_MAX = 32;

/** Of what clients of one worker sent lately, so much is kept to name slow requests by. */
export const TAPE_BYTES: number = 512 * KIB;
/** Of what one client sent at once so much: requests behind that cannot be named. */
export const TAPE_PIECE_BYTES_MAX: number = 2 * KIB;
/** Of a key that is shown to operators. */
export const SLOW_KEY_BYTES_MAX = 128;
/** Slow requests that the supervisor keeps for `proxy slowlog`. */
export const SLOW_KEPT_MAX = 1024;
/** A worker tells of slow requests so often … */
export const SLOW_TOLD_MS = 250;
/** … and then of so many at most, the slowest ones; the others are counted. */
export const SLOW_TOLD_MAX = 32;
/** The slowest requests of each minute that a pool may want to be told of, in each worker. */
export const SLOWEST_MAX = 100;
/** Tables of PROXY SHOW that the clients of one pool in one worker wait for at a time. */
export const SHOWN_TABLES_MAX = 16;
/** Clients that are given such a table, or a list of clients, in one turn of the event loop. */
export const TABLES_TOLD_AT_ONCE = 32;

/** Hedged reads of one branch that may be asked for a second time at once, after a while without any. */
export const HEDGES_SAVED_MAX = 10;
/** Requests of one branch of a route, in each worker, that may fail and be sent on: so many at once, and later this share of all. */
export const RETRIES_SAVED_MAX = 10_000;
export const RETRY_SHARE = 0.2;
