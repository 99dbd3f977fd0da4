/** The text protocol, classic and meta commands mixed: cuts requests and runs them. */

import { META_COMMANDS } from "./meta-commands.ts";
import { announceMeta } from "./meta-storage.ts";
import { BAD_DATA, ERROR } from "./replies.ts";
import type { Shard } from "./shard.ts";
import type { TextTable } from "./text-command.ts";
import { TEXT_COMMANDS } from "./text-commands.ts";
import { type Announcement, announce, isStorageCommand } from "./text-storage.ts";

const LF = 10;
const CR = 13;
/** memcached gives up on longer lines that hold no list of keys. */
const LINE_BYTES_MAX = 2048;
/** Longest list of keys; memcached has no such limit. */
const KEYS_LINE_BYTES_MAX = 1024 * 1024;
const COMMANDS: TextTable = { ...TEXT_COMMANDS, ...META_COMMANDS };

/** What became of the bytes at hand. */
export interface Step {
  /** Bytes that are done with; 0: more are needed. May reach beyond what is there: then that is to be skipped. */
  readonly consumed: number;
  readonly reply: string;
  readonly isLast: boolean;
}

export const NEED_MORE: Step = { consumed: 0, reply: "", isLast: false };

export function textStep(shard: Shard, bytes: Buffer): Step {
  const lineEnd = bytes.indexOf(LF);
  if (lineEnd < 0) {
    const isKeys = /^(gets?|gats?) /.test(bytes.toString("latin1", 0, 5));
    const isTooLong = bytes.length > (isKeys ? KEYS_LINE_BYTES_MAX : LINE_BYTES_MAX);
    return { ...NEED_MORE, isLast: isTooLong };
  }
  const textEnd = lineEnd > 0 && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
  const words = bytes
    .toString("latin1", 0, textEnd)
    .split(" ")
    .filter((text) => text !== "");
  const name = words[0] ?? "";
  const consumed = lineEnd + 1;
  if (name === "ms") return dataStep(announceMeta(shard, words), bytes, consumed);
  if (isStorageCommand(name)) {
    return dataStep(announce(shard, words, BAD_DATA), bytes, consumed);
  }
  if (name === "quit") return { consumed, reply: "", isLast: true };
  const row = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const [least, most] = row?.words ?? [0, 0];
  const isRight = row !== undefined && words.length >= least && words.length <= most;
  const reply = isRight ? row.run({ words, shard }) : ERROR;
  return { consumed, reply, isLast: false };
}

function dataStep(announcement: Announcement, bytes: Buffer, dataStart: number): Step {
  if (announcement.kind === "reply") {
    return { consumed: dataStart, reply: announcement.reply, isLast: false };
  }
  const dataEnd = dataStart + announcement.bytes;
  if (announcement.kind === "skip") {
    return { consumed: dataEnd, reply: announcement.reply, isLast: false };
  }
  const consumed = dataEnd + 2;
  if (bytes.length < consumed) return NEED_MORE;
  const isRight = bytes[dataEnd] === CR && bytes[dataEnd + 1] === LF;
  const reply = isRight
    ? announcement.run(bytes.toString("latin1", dataStart, dataEnd))
    : announcement.badData;
  return { consumed, reply, isLast: false };
}
