/** Redis on the server side: how a connection is opened, and how its replies are found. */
import type { UpstreamProtocol } from "../../api/protocol.ts";
import { encodeRequest, type RespVersion } from "./encode.ts";
import { RedisReplyScanner } from "./reply-scanner.ts";

const MINUS = 0x2d;
const FULL = /^ERR max number of clients/;
/** With what a server that does not know AUTH repeats the password. */
const REPEATED = /, with args beginning with:.*/s;
const UNAVAILABLE = /^(LOADING|ERR max number of clients)/;

/** What is agreed with a server at the beginning of a connection, and must not be mixed on one. */
export interface ServerIdentity {
  readonly version: RespVersion;
  /** SELECTed; a server that refuses it is not used, because writes would go elsewhere. */
  readonly database: number;
  /** Whom AUTH names, as bytes; null: nobody. */
  readonly user: Buffer | null;
  /** Sent with AUTH, as bytes; null: no AUTH. */
  readonly password: Buffer | null;
}

/** @param isClientsChoice see UpstreamProtocol
 * @param onGreeted each connection begins with a question whose answer tells whether the server wants a password first */
export function createRedisUpstream(
  { version, database, user, password }: ServerIdentity,
  isClientsChoice = false,
  onGreeted: ((needsPassword: boolean) => void) | null = null,
): UpstreamProtocol {
  const requests: { what: string; bytes: Buffer }[] = [];
  const probe = encodeRequest("PING");
  if (onGreeted !== null) requests.push({ what: "PING", bytes: probe });
  if (password !== null) {
    const bytes =
      user === null ? encodeRequest("AUTH", password) : encodeRequest("AUTH", user, password);
    requests.push({ what: "AUTH", bytes });
  }
  if (version === 3) requests.push({ what: "HELLO 3", bytes: encodeRequest("HELLO", "3") });
  if (database !== 0) {
    requests.push({ what: `SELECT ${database}`, bytes: encodeRequest("SELECT", String(database)) });
  }
  return {
    createReplyScanner: () => new RedisReplyScanner(),
    handshake: Buffer.concat(requests.map((request) => request.bytes)),
    handshakeReplies: requests.length,
    isClientsChoice,
    probe,
    handshakeFault(index, bytes, start, end) {
      const isError = bytes[start] === MINUS;
      const error = isError ? bytes.toString("utf8", start + 1, end - 2) : "";
      if (index === 0 && onGreeted !== null) {
        if (FULL.test(error)) return `PING: ${error}`;
        onGreeted(error.startsWith("NOAUTH"));
        return null;
      }
      if (!isError) return null;
      const request = requests[index];
      if (request !== undefined) return `${request.what}: ${error.replace(REPEATED, "")}`;
      // To the probe any answer will do, but that it cannot serve now.
      return UNAVAILABLE.test(error) ? `PING: ${error}` : null;
    },
  };
}
