/** Memcached's text protocol on the server side, classic and meta commands mixed. */
import type { UpstreamProtocol } from "../../../api/protocol.ts";
import { TextReplyScanner } from "./reply-scanner.ts";

export function createMemcacheTextUpstream(): UpstreamProtocol {
  return {
    createReplyScanner: () => new TextReplyScanner(),
    handshake: Buffer.alloc(0),
    handshakeReplies: 0,
    isClientsChoice: false,
    probe: Buffer.from("version\r\n"),
    handshakeFault: () => null,
  };
}
