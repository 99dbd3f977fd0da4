/** The words for what can go wrong with a server. They begin as twemproxy's, because people search logs for those. */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { Failure } from "../api/upstream.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import { PARTIAL_REPLIES_BYTES_MAX, REPLY_BYTES_MAX } from "../base/limits.ts";

const UNCERTAIN = "the command may or may not have been executed";

/** A connection could not be established; `cause` is an errno name. */
export function cannotConnect(server: string, cause: string): Failure {
  const shortage = SHORTAGES[cause];
  if (shortage !== undefined) {
    const text = `No connection (to server ${server}): ${shortage}`;
    return { kind: "refused", wasSent: false, isLocal: true, text };
  }
  const words = CONNECT_WORDS[cause] ?? `Host is down: ${cause}`;
  return { kind: "refused", wasSent: false, text: `${words} (server ${server} is not available)` };
}

/** In place of an errno name: the address of the server has to be asked for, and no answer has come. */
export const UNKNOWN_PLACE = "UNKNOWN_PLACE";

const CONNECT_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ETIMEDOUT: "Connection timed out",
  ENOENT: "Connection refused: no such socket",
  [UNKNOWN_PLACE]: "Host is down: where it is was not told so far",
  ENOTFOUND: "Host is down: its name does not resolve",
  PROBES_FAIL: "Host is down: its health checks fail",
};

/** What this machine is short of, and what helps. */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE:
    "too many open files in this worker; raise its limit (LimitNOFILE=, ulimit -n) or run more workers",
  ENFILE: "too many open files on this machine; raise fs.file-max",
  ENOBUFS: "out of socket buffers; the machine, or the service's MemoryMax=, has too little memory",
  ENOMEM: "out of memory; the machine, or the service's MemoryMax=, has too little of it",
  EADDRNOTAVAIL:
    "no free port for one more connection to its address; widen net.ipv4.ip_local_port_range or lower server_connections",
};

/**
 * The server does not accept what must come first on a connection.
 * @param reply how it said so, for the client who chose that; null: no client did
 */
export function handshakeRefused(server: string, fault: string, reply: Buffer | null): Failure {
  const text = `server ${server} refused ${fault}`;
  const failure = { kind: "handshake", wasSent: false, text } as const;
  return reply === null ? failure : { ...failure, reply };
}

/** The connection was lost with requests on it. */
export function connectionLost(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "closed",
    wasSent,
    text: `Connection reset by peer (server ${server} closed the connection; ${outcome})`,
  };
}

/** What goes behind the words that `received` is no reply; see UpstreamProtocol. */
export function languageHint(
  { bytes, start, end }: InputBuffer,
  protocol: UpstreamProtocol,
): string {
  const words = protocol.otherLanguage(bytes, start, end);
  return words === null ? "" : `; ${words}`;
}

/**
 * The server sent what its protocol does not allow.
 * @param hint see languageHint
 */
export function garbageReceived(server: string, wasSent: boolean, hint = ""): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "garbage",
    wasSent,
    text: `Invalid argument (server ${server} sent a malformed reply${hint}; ${outcome})`,
  };
}

/** The server is sending a reply that no client may have. */
export function replyTooLong(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "garbage",
    wasSent,
    text: `Message too long (server ${server} sent a reply of more than ${REPLY_BYTES_MAX} bytes; ${outcome})`,
  };
}

/** Servers are sending long replies over too many connections at once, and this was the longest part of one. */
export function repliesTooLong(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "garbage",
    wasSent,
    text: `Message too long (server ${server} was sending the longest of many long replies, which together take more than ${PARTIAL_REPLIES_BYTES_MAX} bytes: ask for fewer at a time; ${outcome})`,
  };
}

/** Some reply has got lost on the way, or came twice: what comes now may answer another request. */
export function replyMissing(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "timeout",
    wasSent,
    text: `Connection timed out (a reply from server ${server} got lost or came twice, so its connection was closed; ${outcome})`,
  };
}

/** No reply in time. Always uncertain: the request may still be on its way. */
export function timedOut(server: string, timeoutMs: number): Failure {
  return {
    kind: "timeout",
    wasSent: true,
    text: `Connection timed out (no reply from server ${server} within ${timeoutMs} ms; ${UNCERTAIN})`,
  };
}

/** Nothing has come from the server for so long although it owes replies. As with `timedOut`, it is uncertain. */
export function silent(server: string, firstByteMs: number): Failure {
  return {
    kind: "timeout",
    wasSent: true,
    text: `Connection timed out (server ${server} has sent nothing for ${firstByteMs} ms; ${UNCERTAIN})`,
  };
}

/** It has waited in the line for as long as `queue_timeout` allows, and was taken out. */
export function notSentAtAll(server: string, queueMs: number): Failure {
  return {
    kind: "timeout",
    wasSent: false,
    text: `Connection timed out (the request has waited for ${queueMs} ms to be sent to server ${server}, as long as queue_timeout allows; the command was not sent)`,
  };
}

/** It was still in the line when its time was over. What is in the line stays there: what is behind it must not be taken for it. */
export function notSentInTime(server: string, timeoutMs: number): Failure {
  return {
    kind: "timeout",
    wasSent: true,
    text: `Connection timed out (the request could not be sent to server ${server} within ${timeoutMs} ms, and may be yet; ${UNCERTAIN})`,
  };
}

const fullQueues = new Map<string, Failure>();

/** So many requests wait for the server over one connection: further ones are not let in. */
export function queueIsFull(server: string, max: number): Failure {
  const known = fullQueues.get(server);
  const text = `Resource temporarily unavailable (${max} requests wait for server ${server} over one connection, as many as server_queue allows; the command was not sent)`;
  if (known?.text === text) return known;
  const failure: Failure = { kind: "full", wasSent: false, text };
  fullQueues.set(server, failure);
  return failure;
}

/**
 * The server is down: it gets no requests until it is up.
 * @param reason what its probes say; null: its requests have failed too often
 */
export function serverIsDown(server: string, reason: string | null, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  const text =
    reason === null
      ? `Connection refused (server ${server} has failed too often and gets no requests until it answers; ${outcome})`
      : `Host is down: its health checks fail (server ${server}: ${reason}; ${outcome})`;
  // Of a server that is lost, what was not executed for sure waits for its successor, where there is one.
  return { kind: reason === null ? "ejected" : "refused", wasSent, text };
}

/** In place of an errno name: no connection is made to a server whose probes fail. */
export const PROBES_FAIL = "PROBES_FAIL";

/** The server is no longer one of the pool's. */
export function takenOut(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "stopping",
    wasSent,
    text: `Connection reset by peer (server ${server} was taken out of the pool; ${outcome})`,
  };
}

/** The proxy is giving the connection up. */
export function stopping(server: string, wasSent: boolean): Failure {
  const outcome = wasSent ? UNCERTAIN : "the command was not sent";
  return {
    kind: "stopping",
    wasSent,
    text: `Connection reset by peer (the proxy closed its connection to ${server}; ${outcome})`,
  };
}
