/** Memcached's text protocol on the server side, classic and meta commands mixed. */
import type { Refusal, UpstreamProtocol } from "../../../../api/protocol.ts";
import { serverLanguage } from "../../../foreign-server.ts";
import { TextReplyScanner } from "./reply-scanner.ts";

const VERSION = "VERSION ";
const PROBE: Buffer = Buffer.from("version\r\n");

export function createMemcacheTextUpstream(): UpstreamProtocol {
  return {
    otherLanguage: (bytes, start, end) => serverLanguage("memcache", bytes, start, end),
    createReplyScanner: () => new TextReplyScanner(),
    handshake: Buffer.alloc(0),
    handshakeReplies: 0,
    isClientsChoice: false,
    probe: PROBE,
    // Clients' own questions for the version go to no server.
    stepQuestion: {
      request: PROBE,
      isAnswer: isVersion,
      refusal,
    },
    handshakeFault: (_index, bytes, start, end) =>
      isVersion(bytes, start, end) ? null : "version: its reply is not what it should be",
  };
}

const ERROR = /^(CLIENT_|SERVER_)?ERROR\b/;
const ERROR_WORD_BYTES_MAX = "SERVER_ERROR ".length;

function refusal(bytes: Buffer, start: number, end: number): Refusal {
  const text = bytes.toString("latin1", start, Math.min(start + ERROR_WORD_BYTES_MAX, end));
  const error = ERROR.exec(text);
  if (error === null) return "none";
  return error[1] === "SERVER_" ? "passing" : "lasting";
}

function isVersion(bytes: Buffer, start: number, end: number): boolean {
  return bytes.toString("latin1", start, Math.min(start + VERSION.length, end)) === VERSION;
}
