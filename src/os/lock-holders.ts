/** Who holds the flock(2) lock of an open file. */
import { fstatSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";

/**
 * Processes of root or of this process's user that hold the lock of the file behind `fd`, or null when that cannot be found
 * out. Another user's do not count: each user that may read a file may lock it.
 *
 * The kernel's list names who took a lock. One that has ended since has left its lock to a child, and one that has not the
 * file open has only got the number of such a process.
 */
export function trustedHolders(fd: number): number[] | null {
  let list: string;
  try {
    list = readFileSync("/proc/locks", "latin1");
  } catch {
    return null;
  }
  const file = fstatSync(fd);
  const me = process.geteuid?.() ?? 0;
  const takers = [...list.matchAll(/^\d+: FLOCK +\S+ +\S+ +(\d+) /gm)].map(([, pid]) =>
    Number(pid),
  );
  return [...new Set(takers)].filter((pid) => {
    const uid = statOrNull(`/proc/${pid}`)?.uid;
    return (uid === 0 || uid === me) && mayHaveOpen(pid, file);
  });
}

/** True also when that is not to be seen. */
function mayHaveOpen(pid: number, file: Stats): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((number) => {
      const open = statOrNull(`/proc/${pid}/fd/${number}`);
      return open !== null && open.ino === file.ino && open.dev === file.dev;
    });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
