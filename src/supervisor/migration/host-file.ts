/**
 * What a host has to know of itself before it hears of the others again, in the file that says where keys are: who it is, whether the others
 * wait for it, and what it has said yes to.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { CourseRecord } from "../../migration/course-record.ts";
import type { SharedState } from "../../migration/shared-state.ts";
import type { CourseRecords, HostNote, StateFile } from "./state-file.ts";

const ID_BYTES = 3;

export class HostFile {
  readonly #file: StateFile;
  #note: HostNote;
  /** It has never been with others. */
  readonly isNew: boolean;

  constructor(file: StateFile) {
    this.#file = file;
    this.isNew = file.host === null;
    const id = `${hostname()}-${randomBytes(ID_BYTES).toString("hex")}`;
    // Kept: a host that starts again is the same one.
    this.#note = file.host ?? { id, isMember: false, yes: {} };
  }

  get id(): string {
    return this.#note.id;
  }

  get path(): string {
    return this.#file.path;
  }

  get records(): CourseRecords {
    return this.#file.records;
  }

  /** What is written down of the pool holds, also when nothing is heard: no ring has changed without this host. */
  isSure(pool: string): boolean {
    const { isMember, yes } = this.#note;
    return isMember && yes[pool] === undefined && this.#file.records[pool] !== undefined;
  }

  /** So that its name outlives it, before others hear it. @returns false: it could not be written down */
  keepName(): boolean {
    return this.#write(this.#file.records, this.#note);
  }

  /** @param hold that it says yes to; null: none. @returns false: it could not be written down */
  save(pool: string, record: CourseRecord, hold: number | null): boolean {
    const { [pool]: _, ...others } = this.#note.yes;
    const yes = hold === null ? others : { ...others, [pool]: hold };
    return this.#write({ ...this.#file.records, [pool]: record }, { ...this.#note, yes });
  }

  /** The others know of this host, which has these pools. */
  noteMember(pools: Iterable<string>, shared: SharedState): void {
    if (this.#note.isMember) return;
    const own = [...pools].flatMap((pool) => {
      const there = shared.pools[pool];
      return there === undefined ? [] : [[pool, there.record] as const];
    });
    const records = { ...this.#file.records, ...Object.fromEntries(own) };
    this.#write(records, { ...this.#note, isMember: true, yes: {} });
  }

  /** From now on rings may change without this host. */
  noteLeft(): boolean {
    return this.#write(this.#file.records, { ...this.#note, isMember: false, yes: {} });
  }

  forget(pools: readonly string[]): void {
    this.#file.forget(pools);
  }

  #write(records: CourseRecords, note: HostNote): boolean {
    const isWritten = this.#file.write(records, note);
    if (isWritten) this.#note = note;
    return isWritten;
  }
}
