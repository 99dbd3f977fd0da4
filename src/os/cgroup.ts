/** Which cgroups this process is in, of versions 1 and 2: their limits are files in folders. */
import { readFileSync } from "node:fs";

/** Reads a file of /proc or /sys whole; null when it is not there. */
export type ReadText = (path: string) => string | null;

export interface CgroupFolder {
  /** Path of the folder with the files of one cgroup. */
  readonly folder: string;
  /** The files are those of version 2. */
  readonly isV2: boolean;
}

/** Folders of this process's cgroups and of their parents, for a controller such as "cpu". */
export function cgroupFolders(read: ReadText, controller: string): CgroupFolder[] {
  const groups = read("/proc/self/cgroup");
  const mounts = read("/proc/self/mountinfo");
  if (groups === null || mounts === null) return [];
  return cgroupMounts(mounts, controller).flatMap(({ point, root, isV2 }) => {
    const group = groupPath(groups, isV2, controller);
    return group === null ? [] : foldersUp(point, root, group).map((folder) => ({ folder, isV2 }));
  });
}

export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

interface CgroupMount {
  /** Where the file system is mounted. */
  readonly point: string;
  /** Which group is at that place. */
  readonly root: string;
  readonly isV2: boolean;
}

/** A line is `id parent major:minor root point options… - type source superOptions`, see proc(5). */
function cgroupMounts(text: string, controller: string): CgroupMount[] {
  const found: CgroupMount[] = [];
  for (const line of text.split("\n")) {
    const [left, right] = line.split(" - ");
    const [, , , root, point] = (left ?? "").split(" ");
    const [type, , options] = (right ?? "").split(" ");
    if (root === undefined || point === undefined) continue;
    if (type === "cgroup2") found.push({ point, root, isV2: true });
    if (type === "cgroup" && options?.split(",").includes(controller)) {
      found.push({ point, root, isV2: false });
    }
  }
  return found;
}

/** A line is `0::/path` for v2 and `4:cpu,cpuacct:/path` for v1. */
function groupPath(text: string, isV2: boolean, controller: string): string | null {
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const [, hierarchy, controllers, path] = match;
    if (
      isV2 ? hierarchy === "0" && controllers === "" : controllers?.split(",").includes(controller)
    ) {
      return path ?? null;
    }
  }
  return null;
}

/** The group's folder and its parents' up to the mount point. */
function foldersUp(point: string, root: string, group: string): string[] {
  const base = root === "/" ? "" : root;
  // In a container the mount may show only our own group: then its top is us, whatever the path says.
  const inside = group === base || group.startsWith(`${base}/`);
  const names = inside ? group.substring(base.length).split("/").filter(Boolean) : [];
  const folders = [point];
  for (const name of names) folders.push(`${folders.at(-1)}/${name}`);
  return folders;
}
