/** A request as the author of a filter sees it. One object for all requests of a pool. */
import type { Request, Verdict } from "proxy/module";
import type { ClientFacts, RequestReader } from "../api/filter.ts";

const NO_CLIENT: ClientFacts = { peer: "" };

export class FilterRequest implements Request {
  note: unknown = undefined;
  client: ClientFacts = NO_CLIENT;
  #reader: RequestReader | null = null;
  /** By text, so that comparing costs no allocation. */
  readonly #prefixes: Map<string, Buffer> = new Map();

  bind(reader: RequestReader, client: ClientFacts): void {
    this.#reader = reader;
    this.client = client;
  }

  /** Using the request after the call fails instead of showing another request. */
  unbind(): void {
    this.#reader = null;
    this.client = NO_CLIENT;
    this.note = undefined;
  }

  get command(): string {
    return this.#at.command;
  }

  get isWrite(): boolean {
    return this.#at.isWrite;
  }

  get count(): number {
    return this.#at.count;
  }

  arg(i: number): Uint8Array {
    const reader = this.#at;
    if (!(i >= 0 && i < reader.count)) throw new RangeError(`there is no argument ${i}`);
    return reader.bytes.subarray(reader.from(i), reader.to(i));
  }

  argText(i: number): string {
    return Buffer.from(this.arg(i)).toString();
  }

  get keyCount(): number {
    return Math.max(0, this.#at.keyCount);
  }

  get areKeysKnown(): boolean {
    return this.#at.keyCount >= 0;
  }

  key(i: number): Uint8Array {
    const reader = this.#at;
    if (!(i >= 0 && i < reader.keyCount)) throw new RangeError(`there is no key ${i}`);
    return reader.key(i);
  }

  keyText(i: number): string {
    return (this.key(i) as Buffer).toString();
  }

  keyStartsWith(i: number, prefix: string): boolean {
    const key = this.key(i);
    let bytes = this.#prefixes.get(prefix);
    if (bytes === undefined) {
      bytes = Buffer.from(prefix);
      // Texts that a filter makes up for each request must not be kept.
      if (this.#prefixes.size < PREFIXES_MAX) this.#prefixes.set(prefix, bytes);
    }
    if (key.length < bytes.length) return false;
    for (let at = 0; at < bytes.length; at++) if (key[at] !== bytes[at]) return false;
    return true;
  }

  fail(text: string): Verdict {
    return { reply: this.#at.refusal(utf8AsBytes(text.replace(/[\r\n]/g, " "))) };
  }

  answer(reply: string | Uint8Array): Verdict {
    const bytes = Buffer.from(reply as Uint8Array);
    // The client would take the next reply for its rest.
    if (!this.#at.isReply(bytes)) throw new TypeError("what answer got is not one whole reply");
    return { reply: bytes };
  }

  get #at(): RequestReader {
    if (this.#reader === null) {
      throw new Error("the request is over: what a filter keeps of it must be copied");
    }
    return this.#reader;
  }
}

const PREFIXES_MAX = 4096;

/** What `refusal` takes: one character for each byte. */
function utf8AsBytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}
