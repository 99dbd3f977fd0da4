/** Redis on the server side: how a connection is opened, and how its replies are found. */

import { randomInt } from "node:crypto";
import type { Refusal, StepQuestion, UpstreamProtocol } from "../../../api/protocol.ts";
import { serverLanguage } from "../../foreign-server.ts";
import { encodeRequest, type RespVersion } from "./encode.ts";
import { RedisReplyScanner } from "./reply-scanner.ts";

const PLUS = 0x2b;
const MINUS = 0x2d;
const PERCENT = 0x25;
const FULL = /^ERR max number of clients/;
/** With what a server that does not know AUTH repeats the password. */
const REPEATED = /, with args beginning with:.*/s;
const UNAVAILABLE = /^(LOADING|ERR max number of clients)/;
/** What a server says to a probe that will not serve for a while; and that does, or could if it were not for others. */
const UNFIT = /^(LOADING|MASTERDOWN)\b/;
const HINDERED = /^(BUSY\b|ERR max number of clients)/;

const STEP_NUMBER_DIGITS = 40;
/** Digits, because some servers write the name of a command in other letters than they got it. Always as many. */
const STEP_NUMBER: Buffer = Buffer.from(
  Array.from({ length: STEP_NUMBER_DIGITS }, () => randomInt(10)).join(""),
);
const STEP_TEXT = `STEP-CHECK-${STEP_NUMBER}`;
const STEP_ANSWER_BYTES_MAX = 512;
/**
 * The command does not exist. A server says so before it looks at anything else: whether it is busy with a script, loads
 * a data set, has lost its master, wants a password first, or what the user may do. The error repeats the name, which no
 * client knows.
 */
const STEP_QUESTION: StepQuestion = {
  request: encodeRequest(STEP_TEXT),
  isAnswer: (bytes, start, end) =>
    bytes[start] === MINUS &&
    end - start <= STEP_ANSWER_BYTES_MAX &&
    bytes.subarray(start, end).includes(STEP_NUMBER),
  refusal,
};
/**
 * For busy connections, where a server would count an error each second. But a user may have no right to it (NOPERM), and a
 * server that is busy with a script does not answer it (BUSY).
 */
const REGULAR_ANSWER: Buffer = Buffer.from(`$${STEP_TEXT.length}\r\n${STEP_TEXT}\r\n`);
const REGULAR_QUESTION: StepQuestion = {
  request: encodeRequest("ECHO", STEP_TEXT),
  isAnswer: (bytes, start, end) =>
    end - start === REGULAR_ANSWER.length &&
    bytes.compare(REGULAR_ANSWER, 0, REGULAR_ANSWER.length, start, end) === 0,
  refusal,
};

const PASSING = /^-(BUSY|LOADING|MASTERDOWN)\b/;
const ERROR_CODE_BYTES_MAX = 16;

function refusal(bytes: Buffer, start: number, end: number): Refusal {
  if (bytes[start] !== MINUS) return "none";
  const code = bytes.toString("latin1", start, Math.min(start + ERROR_CODE_BYTES_MAX, end));
  return PASSING.test(code) ? "passing" : "lasting";
}

/** What is agreed with a server at the beginning of a connection, and must not be mixed on one. */
export interface ServerIdentity {
  readonly version: RespVersion;
  /** SELECTed; a server that refuses it is not used, because writes would go elsewhere. */
  readonly database: number;
  /** Whom AUTH names, as bytes; null: no user. */
  readonly user: Buffer | null;
  /** Sent with AUTH, as bytes; null: no AUTH. */
  readonly password: Buffer | null;
  /** READONLY is sent: a replica of a cluster answers reads then. Absent: it is not. */
  readonly isReadOnly?: boolean;
}

/** A request that opens a connection. */
interface Opening {
  /** For humans. */
  readonly what: string;
  readonly bytes: Buffer;
  /** First byte of its reply, unless that is an error. */
  readonly type: number;
}

/** @param isClientsChoice see UpstreamProtocol
 * @param onGreeted each connection begins with a question whose answer tells whether the server wants a password first */
export function createRedisUpstream(
  { version, database, user, password, isReadOnly = false }: ServerIdentity,
  isClientsChoice = false,
  onGreeted: ((needsPassword: boolean) => void) | null = null,
): UpstreamProtocol {
  const probe = encodeRequest("PING");
  const ping: Opening = { what: "PING", bytes: probe, type: PLUS };
  const requests: Opening[] = [];
  if (onGreeted !== null) requests.push(ping);
  if (password !== null) {
    const bytes =
      user === null ? encodeRequest("AUTH", password) : encodeRequest("AUTH", user, password);
    requests.push({ what: "AUTH", bytes, type: PLUS });
  }
  if (version === 3) {
    requests.push({ what: "HELLO 3", bytes: encodeRequest("HELLO", "3"), type: PERCENT });
  }
  if (database !== 0) {
    const bytes = encodeRequest("SELECT", String(database));
    requests.push({ what: `SELECT ${database}`, bytes, type: PLUS });
  }
  if (isReadOnly) {
    requests.push({ what: "READONLY", bytes: encodeRequest("READONLY"), type: PLUS });
  }
  return {
    otherLanguage: (bytes, start, end) => serverLanguage("redis", bytes, start, end),
    createReplyScanner: () => new RedisReplyScanner(version),
    handshake: Buffer.concat(requests.map((request) => request.bytes)),
    handshakeReplies: requests.length,
    isClientsChoice,
    probe,
    probeFault(bytes, start, end) {
      if (bytes[start] !== MINUS) return null;
      const text = bytes.toString("utf8", start + 1, end - 2);
      if (UNFIT.test(text)) return { text, isGrave: true };
      return HINDERED.test(text) ? { text, isGrave: false } : null;
    },
    stepQuestion: STEP_QUESTION,
    regularQuestion: REGULAR_QUESTION,
    handshakeFault(index, bytes, start, end) {
      const { what, type } = requests[index] ?? ping;
      const isError = bytes[start] === MINUS;
      if (!isError && bytes[start] !== type) return `${what}: its reply is not what it should be`;
      const error = isError ? bytes.toString("utf8", start + 1, end - 2) : "";
      if (index === 0 && onGreeted !== null) {
        if (FULL.test(error)) return `PING: ${error}`;
        onGreeted(error.startsWith("NOAUTH"));
        return null;
      }
      if (!isError) return null;
      if (index < requests.length) return `${what}: ${error.replace(REPEATED, "")}`;
      // To the probe any answer will do, but that it cannot serve now.
      return UNAVAILABLE.test(error) ? `PING: ${error}` : null;
    },
  };
}
