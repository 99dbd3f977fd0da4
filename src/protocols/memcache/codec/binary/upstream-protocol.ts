/** Memcached's binary protocol on the server side. */

import type { UpstreamProtocol } from "../../../../api/protocol.ts";
import { serverLanguage } from "../../../foreign-server.ts";
import { AT_OPCODE, HEADER_BYTES, OPCODE, REQUEST_MAGIC } from "./opcode.ts";
import { BinaryReplyScanner } from "./reply-scanner.ts";

export function createMemcacheBinaryUpstream(): UpstreamProtocol {
  const noop = Buffer.alloc(HEADER_BYTES);
  noop[0] = REQUEST_MAGIC;
  noop[AT_OPCODE] = OPCODE.noop;
  return {
    otherLanguage: (bytes, start, end) => serverLanguage("memcache", bytes, start, end),
    createReplyScanner: () => new BinaryReplyScanner(),
    handshake: Buffer.alloc(0),
    handshakeReplies: 0,
    isClientsChoice: false,
    probe: noop,
    handshakeFault: (_index, bytes, start) =>
      bytes[start + AT_OPCODE] === OPCODE.noop ? null : "noop: its reply is not what it should be",
  };
}
