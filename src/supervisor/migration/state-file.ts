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
import type { CourseRecord } from "../../migration/course.ts";
import { StartError } from "../start-error.ts";

const FORMAT = 1;
const PRIVATE_MODE = 0o600;

export type CourseRecords = Readonly<Record<string, CourseRecord>>;

interface StateText {
  readonly format: number;
  readonly pools: CourseRecords;
}

export class StateFile {
  records: CourseRecords;
  readonly path: string;
  readonly #log: Logger;

  /** @param file of the configuration. @throws StartError: it is there, and cannot be understood */
  constructor(file: string, log: Logger) {
    this.path = `${file}.migration`;
    this.#log = log;
    this.records = readRecords(this.path);
  }

  /** @returns false: it could not be written down, and the old ones are there */
  write(records: CourseRecords): boolean {
    try {
      writeRecords(this.path, records);
    } catch (error) {
      this.#log.error("where keys are cannot be written down, so nothing changes", {
        ...{ event: "migration_cannot_be_written_down", file: this.path, error: `${error}` },
      });
      return false;
    }
    this.records = records;
    return true;
  }

  forget(pools: readonly string[]): void {
    const kept = Object.entries(this.records).filter(([pool]) => !pools.includes(pool));
    this.write(Object.fromEntries(kept));
  }
}

/** @returns by pool; empty: the file is not there. @throws StartError: it is, and cannot be understood */
function readRecords(path: string): CourseRecords {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new StartError([`${path}, which says where keys are, cannot be read: ${error}`]);
  }
  try {
    const state = JSON.parse(text) as StateText;
    if (state.format === FORMAT && typeof state.pools === "object") return state.pools;
  } catch {
    // Told below.
  }
  throw new StartError([
    `${path}, which says where keys are, cannot be understood: it is of another version, or damaged. Without it keys may not be found; remove it only if no migration is under way`,
  ]);
}

/** When it returns the records are there after a power failure, too. @throws Error: the old ones are there */
function writeRecords(path: string, pools: CourseRecords): void {
  const state: StateText = { format: FORMAT, pools };
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
