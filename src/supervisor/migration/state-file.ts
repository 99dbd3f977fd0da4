/**
 * Where it is written down on which servers the keys of each pool are. It must outlive everything, so it is a file beside that of the
 * configuration, and not in a folder that is emptied when the system starts.
 */
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "../../base/log.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import { StartError } from "../start-error.ts";

const FORMAT = 1;
const PRIVATE_MODE = 0o600;

export type CourseRecords = Readonly<Record<string, CourseRecord>>;

/** What a host has to know of itself before it hears of the others again. */
export interface HostNote {
  readonly id: string;
  /** It has not left: no ring changes without its yes. */
  readonly isMember: boolean;
  /** By pool: the hold that it has said yes to, and does not know the end of. */
  readonly yes: Readonly<Record<string, number>>;
}

interface StateText {
  readonly format: number;
  readonly pools: CourseRecords;
  /** Absent: the host agrees with no others. */
  readonly host?: HostNote;
}

export class StateFile {
  records: CourseRecords;
  /** Null: it agrees with no others. */
  host: HostNote | null;
  readonly path: string;
  readonly #log: Logger;

  /** @param file of the configuration. @throws StartError: it is there, and cannot be understood */
  constructor(file: string, log: Logger) {
    this.path = `${file}.migration`;
    this.#log = log;
    const { pools, host = null } = readState(this.path);
    this.records = pools;
    this.host = host;
  }

  /** @returns false: it could not be written down, and the old ones are there */
  write(records: CourseRecords, host: HostNote | null = this.host): boolean {
    try {
      writeState(this.path, {
        ...{ format: FORMAT, pools: records },
        ...(host === null ? {} : { host }),
      });
    } catch (error) {
      this.#log.error("where keys are cannot be written down, so nothing changes", {
        ...{ event: "migration_cannot_be_written_down", file: this.path, error: `${error}` },
      });
      return false;
    }
    this.records = records;
    this.host = host;
    return true;
  }

  forget(pools: readonly string[]): void {
    const kept = Object.entries(this.records).filter(([pool]) => !pools.includes(pool));
    this.write(Object.fromEntries(kept));
  }
}

/** @returns nothing known: the file is not there. @throws StartError: it is, and cannot be understood */
function readState(path: string): StateText {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      return { format: FORMAT, pools: {} };
    }
    throw new StartError([`${path}, which says where keys are, cannot be read: ${error}`]);
  }
  try {
    const state = JSON.parse(text) as StateText;
    if (state.format === FORMAT && typeof state.pools === "object") return state;
  } catch {
    // Told below.
  }
  throw new StartError([
    `${path}, which says where keys are, cannot be understood: it is of another version, or damaged. Without it keys may not be found; remove it only if no migration is under way`,
  ]);
}

/** When it returns the records are there after a power failure, too. @throws Error: the old ones are there */
function writeState(path: string, state: StateText): void {
  const fresh = `${path}.new`;
  const fd = openSync(
    fresh,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    PRIVATE_MODE,
  );
  try {
    writeFileSync(fd, `${JSON.stringify(state, null, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
  syncFolder(dirname(path));
}

/** So that the new name lasts. Some file systems cannot. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch {
    // As good as it gets.
  } finally {
    closeSync(fd);
  }
}
