/** What the handlers of commands have in common that the proxy answers itself. */

import { encodeError, encodeValue } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";

/**
 * @returns the reply; true: the client was told, or will be; false: it cannot be taken now, and nothing was done about it; it
 *   comes again when the session is woken
 */
export type LocalHandler = (
  client: RedisClient,
  view: RequestView,
  command: Command,
) => Buffer | boolean;

export const OK: Buffer = Buffer.from("+OK\r\n");
export const NOT_NOW: Buffer = encodeError("ERR the proxy's supervisor did not answer in time");

/**
 * Answers the request at hand when `work` calls back, once, with the reply; no further request is taken before. Only while
 * nothing is owed to the client.
 */
export function answerLater(
  client: RedisClient,
  work: (answer: (reply: Buffer) => void) => void,
): boolean {
  const { session } = client;
  const token = session.open();
  session.waitUntilSettled();
  work((reply) => session.reply(token, reply));
  return true;
}

/** A copy of argument i. */
export function argument(view: RequestView, i: number): Buffer {
  return Buffer.from(view.bytes.subarray(view.from(i), view.to(i)));
}

/** The arguments from number `from` on; one character per byte. */
export function texts(view: RequestView, from: number): string[] {
  const found: string[] = [];
  for (let i = from; i < view.count; i++) found.push(view.text(i));
  return found;
}

/** The same in both versions of the protocol. */
export function bulk(value: Buffer): Buffer {
  return encodeValue(value, 2);
}

export function help({ state }: RedisClient, lines: readonly string[]): Buffer {
  return encodeValue(
    lines.map((status) => ({ status })),
    state.version,
  );
}

/** Visible ASCII only, as Redis demands of names. */
export function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
