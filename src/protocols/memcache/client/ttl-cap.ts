/** What Memcached commands write into a gutter: their own times to live, cut short. */
import type { CappedRequest, TtlCap } from "../../../api/ttl-cap.ts";
import { AT_OPCODE, HEADER_BYTES, LOUD, OPCODE } from "../codec/binary/opcode.ts";
import { readUint32, writeUint32 } from "../codec/binary/read-number.ts";

/** Up to so many seconds a time is from now on, beyond it a date. */
const RELATIVE_MAX = 60 * 60 * 24 * 30;
/** Arithmetic that does not make what is not there. */
const NO_CREATION = 0xffff_ffff;

/** By command: the token with its time. */
const TIME_TOKENS: Readonly<Record<string, number>> = {
  ...{ set: 3, add: 3, replace: 3, cas: 3, touch: 2, gat: 1, gats: 1 },
};
/** By meta command: flags with a time, and the one that is added where none is. */
const META_TIMES: Readonly<Record<string, readonly [flags: string, added: string]>> = {
  ...{ ms: ["T", "T"], mg: ["TN", ""], ma: ["TN", ""] },
};

export class MemcacheTtlCap implements TtlCap {
  private readonly seconds: number;
  private readonly epochMs: () => number;

  constructor(seconds: number, epochMs: () => number) {
    this.seconds = seconds;
    this.epochMs = epochMs;
  }

  cap(request: Buffer): CappedRequest {
    const isBinary = request[0] === 0x80;
    return { request: isBinary ? this.capBinary(request) : this.capText(request), follow: null };
  }

  /** @param time as a request has it; 0 lasts for ever, and a negative one is over */
  private capped(time: number): number {
    const { seconds } = this;
    if (time < 0) return time;
    if (time === 0) return seconds;
    if (time <= RELATIVE_MAX) return Math.min(time, seconds);
    const date = Math.floor(this.epochMs() / 1000) + seconds;
    if (time <= date) return time;
    // From now on, if that can be said: the server's clock may be another.
    return seconds <= RELATIVE_MAX ? seconds : date;
  }

  private capText(request: Buffer): Buffer {
    const lineEnd = request.indexOf("\r\n");
    if (lineEnd < 0) return request;
    const tokens = request.toString("latin1", 0, lineEnd).trim().split(/ +/);
    const [name = ""] = tokens;
    const meta = META_TIMES[name];
    const at = TIME_TOKENS[name];
    if (meta !== undefined) this.capMeta(tokens, meta);
    else if (at !== undefined && tokens[at] !== undefined) tokens[at] = this.textOf(tokens[at]);
    else return request;
    return Buffer.concat([Buffer.from(tokens.join(" "), "latin1"), request.subarray(lineEnd)]);
  }

  private capMeta(tokens: string[], [flags, added]: readonly [string, string]): void {
    // Behind the key, and what `ms` stores has its length there.
    const first = added === "" ? 2 : 3;
    let hasAdded = added === "";
    for (let i = first; i < tokens.length; i++) {
      const flag = tokens[i]!.charAt(0);
      if (flag === "" || !flags.includes(flag)) continue;
      tokens[i] = `${flag}${this.textOf(tokens[i]!.substring(1))}`;
      if (flag === added) hasAdded = true;
    }
    if (!hasAdded) tokens.push(`${added}${this.seconds}`);
  }

  private textOf(time: string): string {
    return /^-?\d{1,10}$/.test(time) ? `${this.capped(Number(time))}` : time;
  }

  private capBinary(request: Buffer): Buffer {
    const opcode = LOUD[request[AT_OPCODE]!]!;
    const at = HEADER_BYTES + (TIME_OFFSETS.get(opcode) ?? -1);
    if (at < HEADER_BYTES) return request;
    const time = readUint32(request, at);
    const isCreation = opcode !== OPCODE.increment && opcode !== OPCODE.decrement;
    if (!isCreation && time === NO_CREATION) return request;
    writeUint32(request, at, this.capped(time));
    return request;
  }
}

/** By loud opcode: where in the extras its time is. */
const TIME_OFFSETS: ReadonlyMap<number, number> = new Map([
  ...[OPCODE.set, OPCODE.add, OPCODE.replace].map((opcode) => [opcode, 4] as const),
  ...[OPCODE.touch, OPCODE.getAndTouch, OPCODE.getAndTouchWithKey].map(
    (opcode) => [opcode, 0] as const,
  ),
  ...[OPCODE.increment, OPCODE.decrement].map((opcode) => [opcode, 16] as const),
]);
