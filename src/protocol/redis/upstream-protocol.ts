/** Redis on the server side: how a connection is opened, and how its replies are found. */
import type { UpstreamProtocol } from "../../api/protocol.ts";
import { encodeRequest, type RespVersion } from "./encode.ts";
import { RedisReplyScanner } from "./reply-scanner.ts";

const MINUS = 0x2d;
const UNAVAILABLE = /^(LOADING|ERR max number of clients)/;

/**
 * @param version of the protocol to agree on
 * @param password sent with AUTH on every connection; null: none
 * @param database SELECTed on every connection; a server that refuses it is not used, because writes would go elsewhere
 */
export function createRedisUpstream(
  version: RespVersion,
  password: string | null,
  database: number,
): UpstreamProtocol {
  const requests: { what: string; bytes: Buffer }[] = [];
  if (password !== null) requests.push({ what: "AUTH", bytes: encodeRequest("AUTH", password) });
  if (version === 3) requests.push({ what: "HELLO 3", bytes: encodeRequest("HELLO", "3") });
  if (database !== 0) {
    requests.push({ what: `SELECT ${database}`, bytes: encodeRequest("SELECT", String(database)) });
  }
  return {
    createReplyScanner: () => new RedisReplyScanner(),
    handshake: Buffer.concat(requests.map((request) => request.bytes)),
    handshakeReplies: requests.length,
    isClientsChoice: false,
    probe: encodeRequest("PING"),
    handshakeFault(index, bytes, start, end) {
      if (bytes[start] !== MINUS) return null;
      const error = bytes.toString("utf8", start + 1, end - 2);
      const request = requests[index];
      if (request !== undefined) return `${request.what}: ${error}`;
      // To the probe any answer will do, but that it cannot serve now.
      return UNAVAILABLE.test(error) ? `PING: ${error}` : null;
    },
  };
}
