/** Scripts by their SHA-1 as clients write it: found in received bytes, without making a string. */
import { SCRIPT_BYTES_MAX, SCRIPTS_BYTES_MAX } from "../../base/limits.ts";
import { Loadable, type LoadHost } from "./scripts-loadable.ts";

/** Hexadecimal. */
export const SHA_LENGTH = 40;
/** Digits that make the number of a chain. */
const HASH_DIGITS = 7;
/** What a script costs besides its bytes. */
const SCRIPT_OVERHEAD_BYTES = 512;
const CASE_BIT = 0x20;

interface Entry {
  /** Lower case. */
  readonly sha: Buffer;
  /** Lies within the script's request. */
  readonly body: Buffer;
  readonly script: Loadable;
  readonly next: Entry | null;
}

export class ScriptStore {
  private readonly host: LoadHost;
  /** Chains of scripts, by the first digits of their SHA. */
  private readonly chains: Map<number, Entry> = new Map();
  private bytes = 0;
  private uses = 0;

  constructor(host: LoadHost) {
    this.host = host;
  }

  get size(): number {
    let size = 0;
    this.forEach(() => {
      size++;
    });
    return size;
  }

  /** The script whose SHA, in either case, is bytes[start, end); or null. */
  find(bytes: Buffer, start: number, end: number): Loadable | null {
    if (end - start !== SHA_LENGTH) return null;
    let entry = this.chains.get(chainOf(bytes, start)) ?? null;
    while (entry !== null) {
      if (isSha(entry.sha, bytes, start)) {
        entry.script.used = ++this.uses;
        return entry.script;
      }
      entry = entry.next;
    }
    return null;
  }

  /**
   * Keeps a script. When all together are too many, those that were not wanted for longest are forgotten.
   * @param sha lower case @param body copied
   * @returns null: it is too long to be kept
   */
  add(sha: string, body: Buffer): Loadable | null {
    const name = Buffer.from(sha, "latin1");
    const known = this.find(name, 0, name.length);
    if (known !== null) return known;
    if (body.length > SCRIPT_BYTES_MAX || name.length !== SHA_LENGTH) return null;
    const request = loadRequest(body);
    const end = request.length - END.length;
    const script = new Loadable(request, 1, this.host);
    script.used = ++this.uses;
    this.insert({ sha: name, body: request.subarray(end - body.length, end), script });
    if (this.bytes > SCRIPTS_BYTES_MAX) this.dropOldest();
    return script;
  }

  clear(): void {
    this.chains.clear();
    this.bytes = 0;
  }

  forEach(visit: (sha: string, body: Buffer) => void): void {
    for (const chain of this.chains.values()) {
      for (let entry: Entry | null = chain; entry !== null; entry = entry.next) {
        visit(entry.sha.toString("latin1"), entry.body);
      }
    }
  }

  private insert({ sha, body, script }: Omit<Entry, "next">): void {
    const chain = chainOf(sha, 0);
    this.chains.set(chain, { sha, body, script, next: this.chains.get(chain) ?? null });
    this.bytes += sizeOf(body);
  }

  /** Forgets a quarter, so that this is rare. */
  private dropOldest(): void {
    const entries: Entry[] = [];
    for (const chain of this.chains.values()) {
      for (let entry: Entry | null = chain; entry !== null; entry = entry.next) entries.push(entry);
    }
    entries.sort((a, b) => b.script.used - a.script.used);
    this.clear();
    for (const entry of entries) {
      if (this.bytes + sizeOf(entry.body) > (SCRIPTS_BYTES_MAX / 4) * 3) break;
      this.insert(entry);
    }
  }
}

const END: Buffer = Buffer.from("\r\n");

function sizeOf(body: Buffer): number {
  return body.length + SCRIPT_OVERHEAD_BYTES;
}

function loadRequest(body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$${body.length}\r\n`),
    body,
    END,
  ]);
}

function chainOf(bytes: Buffer, start: number): number {
  let hash = 0;
  for (let i = start; i < start + HASH_DIGITS; i++) {
    const byte = bytes[i]! | CASE_BIT;
    hash = (hash << 4) | ((byte & 15) + (byte > 0x39 ? 9 : 0));
  }
  return hash;
}

/** Letters in any case; what is no letter has the bit already, or is no digit of a SHA. */
function isSha(sha: Buffer, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < SHA_LENGTH; i++) {
    const byte = bytes[start + i]!;
    const lower = byte >= 0x41 && byte <= 0x46 ? byte | CASE_BIT : byte;
    if (lower !== sha[i]) return false;
  }
  return true;
}
