/**
 * Finds the folder of a file step by step, so that the file is opened in that very folder, and so that a symbolic link is
 * followed only when it was made by a user who may as well change the file itself.
 *
 * This process may be root, and folders on the way may be another user's. That user can replace whatever lies in them at any
 * moment by a link to a file that only root may touch. Therefore each folder is held open while the next name is looked up
 * in it (`/proc/self/fd/N/name`, the same as openat(2)), and what is decided holds for the descriptor, not for the path.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  type Stats,
} from "node:fs";
import { resolve } from "node:path";
import { groupText, hasOtherMembers, userText } from "./accounts.ts";
import { cString, libc } from "./libc.ts";
import { errorText, OsError } from "./os-error.ts";

/** Only a place in the file system: nothing is read, and opening has no effect on a device or FIFO. */
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;
const FOLDER_FLAGS = O_PATH | O_CLOEXEC | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** As many as the kernel follows. */
const LINKS_MAX = 40;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
const STICKY = 0o1000;

/** A link that is not followed, or a file that is not touched, because another user may have put it there. */
export class UnsafePathError extends Error {}

/** A folder on the way is missing, or cannot be entered. The message names it, and says what to do. */
export class FolderError extends OsError {
  constructor(folder: string, code: string) {
    super("open", code);
    this.message = folderProblem(folder, code);
  }
}

function folderProblem(folder: string, code: string): string {
  if (code === "ENOENT") return `folder ${folder} does not exist; make it, or name another path`;
  if (code === "ENOTDIR") return `${folder} is not a folder; name another path`;
  return `folder ${folder} cannot be entered: ${errorText(code)}`;
}

export interface Place {
  /** The file in its open folder, for calls that take a path. Its last component is not looked up yet. */
  readonly at: string;
  /** The same, for messages. */
  readonly path: string;
  /** The number, when the path is a descriptor of this process, as /dev/stdout is. */
  readonly descriptor: number | null;
  /** Why users other than root and this process's may put another file there, as a sentence; null: they may not. */
  readonly weakness: string | null;
  close(): void;
}

export interface PathRules {
  /**
   * Every user but root and this process's own is distrusted. Otherwise only folders that every user may write to are, as
   * with the kernel's protected_symlinks. Default: for root.
   */
  readonly isStrict?: boolean;
  /** Follow every link; one that is not trustworthy is a weakness. Otherwise it is an error. */
  readonly followsAll?: boolean;
}

/**
 * Where the file is or would be. Links on the way are followed, a link in the last place as well, if they are trustworthy.
 * The caller closes it. @throws UnsafePathError; Error with the system's code
 */
export function findPlace(path: string, rules: PathRules = {}): Place {
  const walk = new Walk(path, rules);
  try {
    return walk.run();
  } catch (error) {
    walk.close();
    throw error;
  }
}

class Walk {
  readonly #path: string;
  readonly #followsAll: boolean;
  readonly #isStrict: boolean;
  readonly #me = process.geteuid?.() ?? 0;
  /** The last one is next. */
  readonly #names: string[];
  #folder: number;
  #weakness: string | null = null;
  #links = 0;

  constructor(path: string, { isStrict, followsAll = false }: PathRules) {
    this.#path = path;
    this.#followsAll = followsAll;
    this.#isStrict = isStrict ?? this.#me === 0;
    this.#names = namesOf(resolve(path));
    this.#folder = openSync("/", FOLDER_FLAGS);
    this.#judge();
  }

  run(): Place {
    for (;;) {
      const name = this.#names.pop() ?? ".";
      const at = `/proc/self/fd/${this.#folder}/${name}`;
      const isLast = this.#names.length === 0;
      const found = lstatSync(at, { throwIfNoEntry: false });
      if (found?.isSymbolicLink()) {
        const descriptor = this.#ownDescriptor(name);
        if (descriptor !== null && isLast) return this.#place(name, at, descriptor);
        this.#follow(name, at, found);
      } else if (isLast) {
        return this.#place(name, at, null);
      } else {
        const next = this.#open(at, name);
        closeSync(this.#folder);
        this.#folder = next;
        this.#judge();
      }
    }
  }

  close(): void {
    closeSync(this.#folder);
  }

  #open(at: string, name: string): number {
    try {
      return openSync(at, FOLDER_FLAGS);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw code === undefined ? error : new FolderError(joined(pathOf(this.#folder), name), code);
    }
  }

  #place(name: string, at: string, descriptor: number | null): Place {
    const folder = this.#folder;
    const path = joined(pathOf(folder), name);
    return { at, path, descriptor, weakness: this.#weakness, close: () => closeSync(folder) };
  }

  #follow(name: string, at: string, link: Stats): void {
    this.#links += 1;
    if (this.#links > LINKS_MAX) throw new Error(`${this.#path}: too many symbolic links`);
    if (!this.#isTrustworthy(link)) {
      const problem = `${joined(pathOf(this.#folder), name)} is a symbolic link that ${userText(link.uid)} may have made`;
      if (!this.#followsAll)
        throw new UnsafePathError(
          this.#weakness === null ? problem : `${problem} (${this.#weakness})`,
        );
      this.#weakness ??= problem;
    }
    const target = readlinkSync(at);
    if (target.startsWith("/")) {
      closeSync(this.#folder);
      this.#folder = openSync("/", FOLDER_FLAGS);
    }
    this.#names.push(...namesOf(target));
  }

  #isTrustworthy(link: Stats): boolean {
    if (this.#isStrict) return this.#weakness === null && this.#isTrusted(link.uid);
    const folder = fstatSync(this.#folder);
    return (
      (folder.mode & OTHERS_WRITE) === 0 || this.#isTrusted(link.uid) || link.uid === folder.uid
    );
  }

  #isTrusted(uid: number): boolean {
    return uid === 0 || uid === this.#me;
  }

  #judge(): void {
    if (!this.#isStrict) return;
    this.#weakness ??= weaknessOf(this.#folder, fstatSync(this.#folder), "folder");
  }

  /** Links there lead to open files, which may have no path. */
  #ownDescriptor(name: string): number | null {
    const folder = new RegExp(`^/proc/${process.pid}(/task/\\d+)?/fd$`);
    return /^\d+$/.test(name) && folder.test(pathOf(this.#folder)) ? Number(name) : null;
  }
}

/**
 * Why users other than root and this process's may change what `fd` is open on; null: they may not. In a folder with the
 * sticky bit, as /tmp, users may only replace what is their own.
 */
export function weaknessOf(fd: number, status: Stats, what: "folder" | "file"): string | null {
  const me = process.geteuid?.() ?? 0;
  const { uid, gid, mode } = status;
  const name = `${what} ${pathOf(fd)}`;
  if (uid !== 0 && uid !== me) return `${name} belongs to ${userText(uid)}`;
  if (what === "folder" && (mode & STICKY) !== 0) return null;
  const modeText = (mode & 0o7777).toString(8).padStart(4, "0");
  if ((mode & OTHERS_WRITE) !== 0) return `every user may write to ${name} (mode ${modeText})`;
  if ((mode & GROUP_WRITES) === 0) return null;
  if (hasAccessList(fd))
    return `an access control list lets others write to ${name} (getfacl shows it)`;
  if (!hasOtherMembers(gid, me)) return null;
  return `members of ${groupText(gid)} may write to ${name} (mode ${modeText})`;
}

/** Its group bits are then the most that the list gives to any user. */
function hasAccessList(fd: number): boolean {
  const path = cString(`/proc/self/fd/${fd}`);
  return Number(libc.getxattr(path, cString("system.posix_acl_access"), null, 0)) > 0;
}

/** The path of an open file, for messages. */
export function pathOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}

/** The first name last. */
function namesOf(path: string): string[] {
  return path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .reverse();
}

function joined(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}
