/**
 * Names of users and groups by their numbers, and who is in a group. From the system's own files only: a directory service
 * may take long to answer, and these are for checks and messages of a process that must not wait.
 */
import { readFileSync } from "node:fs";

/** `user "app"`, or `user 1000` for a number without a name. */
export function userText(uid: number): string {
  const name = nameOf("/etc/passwd", uid);
  return name === null ? `user ${uid}` : `user "${name}"`;
}

/** `group "staff"`, or `group 50`. */
export function groupText(gid: number): string {
  const name = nameOf("/etc/group", gid);
  return name === null ? `group ${gid}` : `group "${name}"`;
}

/** Whether a user other than root and `uid` may be in the group. True also when that is not known. */
export function hasOtherMembers(gid: number, uid: number): boolean {
  const entry = entries("/etc/group").find(([, , id]) => Number(id) === gid);
  if (entry === undefined) return true;
  const trusted = new Set(["root"]);
  for (const [name = "", , id, primary] of entries("/etc/passwd")) {
    if (Number(id) === 0 || Number(id) === uid) trusted.add(name);
    else if (Number(primary) === gid) return true;
  }
  const members = (entry[3] ?? "").split(",").filter((name) => name !== "");
  return members.some((name) => !trusted.has(name));
}

function nameOf(file: string, id: number): string | null {
  return entries(file).find(([, , number]) => Number(number) === id)?.[0] ?? null;
}

/** The lines of such a file, each as its fields. */
function entries(file: string): string[][] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}
