/** Memcached's text protocol on the server side, classic and meta commands mixed. */
import type { UpstreamProtocol } from "../../../api/protocol.ts";
import { TextReplyScanner } from "./reply-scanner.ts";

const VERSION = "VERSION ";

export function createMemcacheTextUpstream(): UpstreamProtocol {
  return {
    createReplyScanner: () => new TextReplyScanner(),
    handshake: Buffer.alloc(0),
    handshakeReplies: 0,
    isClientsChoice: false,
    probe: Buffer.from("version\r\n"),
    handshakeFault: (_index, bytes, start, end) =>
      bytes.toString("latin1", start, Math.min(start + VERSION.length, end)) === VERSION
        ? null
        : "version: its reply is not what it should be",
  };
}
