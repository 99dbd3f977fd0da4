/** Scripts by their SHA-1 as clients write it, and by their text: found in received bytes, without making a string. */
import { SCRIPT_BYTES_MAX, SCRIPTS_BYTES_MAX } from "../../../../base/limits.ts";
import { Loadable, type LoadHost } from "./loadable.ts";

/** Hexadecimal. */
const SHA_LENGTH = 40;
/** Digits that make the number of a chain. */
const HASH_DIGITS = 7;
/** Bytes of a text that make its number: a long one is not read for that. */
const SAMPLES = 32;
/** What a script costs besides its bytes. */
const OVERHEAD_BYTES = 512;
const CASE_BIT = 0x20;
const END: Buffer = Buffer.from("\r\n");

export interface Script {
  /** Lower case. */
  readonly sha: Buffer;
  /** Lies within the request that loads it. */
  readonly body: Buffer;
  readonly loadable: Loadable;
  /** Other workers know it, too. */
  isPosted: boolean;
  /** When it was wanted last, in the store's count. */
  used: number;
  /** The next whose SHA begins alike. */
  next: Script | null;
}

export class ScriptStore {
  private readonly host: LoadHost;
  /** Chains of scripts, by the first digits of their SHA. */
  private readonly chains: Map<number, Script> = new Map();
  /** The last one of each number of a text. */
  private readonly byBody: Map<number, Script> = new Map();
  private bytes = 0;
  private uses = 0;

  constructor(host: LoadHost) {
    this.host = host;
  }

  /** The script whose SHA, in either case, is bytes[start, end); or null. */
  find(bytes: Buffer, start: number, end: number): Script | null {
    if (end - start !== SHA_LENGTH) return null;
    let script = this.chains.get(chainOf(bytes, start)) ?? null;
    while (script !== null && !isSha(script.sha, bytes, start)) script = script.next;
    if (script !== null) script.used = ++this.uses;
    return script;
  }

  /** The script whose text is bytes[start, end); or null, though rarely also when it is there. */
  findBody(bytes: Buffer, start: number, end: number): Script | null {
    const script = this.byBody.get(numberOf(bytes, start, end)) ?? null;
    if (script === null || script.body.compare(bytes, start, end) !== 0) return null;
    script.used = ++this.uses;
    return script;
  }

  /**
   * Keeps a script. When all together are too many, those that were not wanted for longest are forgotten.
   * @param sha lower case @param body copied
   * @returns null: it is too long to be kept
   */
  add(sha: string, body: Buffer): Script | null {
    const name = Buffer.from(sha, "latin1");
    const known = this.find(name, 0, name.length);
    if (known !== null) return known;
    if (body.length > SCRIPT_BYTES_MAX || name.length !== SHA_LENGTH) return null;
    const request = loadRequest(body);
    const end = request.length - END.length;
    const script: Script = {
      sha: name,
      body: request.subarray(end - body.length, end),
      loadable: new Loadable(request, 1, this.host),
      isPosted: false,
      used: ++this.uses,
      next: null,
    };
    this.insert(script);
    if (this.bytes > SCRIPTS_BYTES_MAX) this.dropOldest();
    return script;
  }

  clear(): void {
    this.chains.clear();
    this.byBody.clear();
    this.bytes = 0;
  }

  get all(): Script[] {
    const scripts: Script[] = [];
    for (let script of this.chains.values()) {
      scripts.push(script);
      while (script.next !== null) {
        script = script.next;
        scripts.push(script);
      }
    }
    return scripts;
  }

  private insert(script: Script): void {
    const { sha, body } = script;
    const chain = chainOf(sha, 0);
    script.next = this.chains.get(chain) ?? null;
    this.chains.set(chain, script);
    this.byBody.set(numberOf(body, 0, body.length), script);
    this.bytes += body.length + OVERHEAD_BYTES;
  }

  /** Forgets a quarter, so that this is rare. */
  private dropOldest(): void {
    const scripts = this.all.sort((a, b) => b.used - a.used);
    this.clear();
    for (const script of scripts) {
      this.insert(script);
      if (this.bytes > SCRIPTS_BYTES_MAX * KEPT_SHARE) break;
    }
  }
}

const KEPT_SHARE = 0.75;

function loadRequest(body: Buffer): Buffer {
  const head = Buffer.from(`*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$${body.length}\r\n`);
  return Buffer.concat([head, body, END]);
}

function chainOf(bytes: Buffer, start: number): number {
  let chain = 0;
  for (let i = start; i < start + HASH_DIGITS; i++) {
    const byte = bytes[i]! | CASE_BIT;
    chain = (chain << 4) | ((byte + (byte > 0x39 ? 9 : 0)) & 15);
  }
  return chain;
}

/** Letters may be of either case; whatever else is compared as it is. */
function isSha(sha: Buffer, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < SHA_LENGTH; i++) {
    const byte = bytes[start + i]!;
    const lower = byte >= 0x41 && byte <= 0x46 ? byte | CASE_BIT : byte;
    if (lower !== sha[i]) return false;
  }
  return true;
}

function numberOf(bytes: Buffer, start: number, end: number): number {
  const step = Math.max(Math.floor((end - start) / SAMPLES), 1);
  let number = end - start;
  for (let i = start; i < end; i += step) number = (Math.imul(number, 31) + bytes[i]!) | 0;
  return number;
}
