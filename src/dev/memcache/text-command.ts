/** What a command of the text protocol is, and what its handler is given. */
import type { Shard } from "./shard.ts";

export interface TextCall {
  /** The line's words, the command first. Byte strings, never empty. */
  readonly words: readonly string[];
  readonly shard: Shard;
}

/** @returns the reply, whole; "" for none */
export type TextHandler = (call: TextCall) => string;

export interface TextRow {
  /** Fewest and most words, the command included; otherwise the reply is ERROR. */
  readonly words: readonly [least: number, most: number];
  readonly run: TextHandler;
}

export type TextTable = Readonly<Record<string, TextRow>>;

/** Word `index`; "" when there is none. */
export function word(call: TextCall, index: number): string {
  return call.words[index] ?? "";
}

export function isNoreply(words: readonly string[]): boolean {
  return words.at(-1) === "noreply";
}

/** Says nothing when the client asked for that. */
export function quietly(call: TextCall, reply: string): string {
  return isNoreply(call.words) ? "" : reply;
}
