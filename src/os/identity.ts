/** Users and groups: what their names mean, and becoming one of them. */
import { type Pointer, read } from "bun:ffi";
import { cString, libc } from "./libc.ts";
import { check } from "./os-error.ts";

/** Offsets in struct passwd and struct group, which glibc and musl lay out alike on 64 bit. */
const PASSWD_UID_OFFSET = 16;
const PASSWD_GID_OFFSET = 20;
const GROUP_GID_OFFSET = 16;
/** More groups than the kernel lets a process have. */
const GROUPS_MAX = 65_536;

export interface User {
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
}

/** Looks the name up as the system does (files, directory services). Null: unknown. */
export function findUser(name: string): User | null {
  const entry = libc.getpwnam(cString(name));
  if (entry === null || Number(entry) === 0) return null;
  const at = Number(entry) as Pointer;
  return { uid: read.u32(at, PASSWD_UID_OFFSET), gid: read.u32(at, PASSWD_GID_OFFSET) };
}

/** Number of the group with this name. Null: unknown. */
export function findGroup(name: string): number | null {
  const entry = libc.getgrnam(cString(name));
  if (entry === null || Number(entry) === 0) return null;
  return read.u32(Number(entry) as Pointer, GROUP_GID_OFFSET);
}

/** Numbers of all groups that a user is a member of, `gid` among them. */
export function groupsOf(user: string, gid: number): number[] {
  const groups = new Uint32Array(new ArrayBuffer(GROUPS_MAX * 4));
  const count = Int32Array.from([GROUPS_MAX]);
  check(libc.getgrouplist(cString(user), gid, groups, count), "getgrouplist");
  return [...groups.subarray(0, count[0])];
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/**
 * This whole process becomes another user's, for good (all its threads: libc sees to that).
 * @throws OsError EPERM unless it is root
 */
export function assumeIdentity({ uid, gid, groups }: Identity): void {
  // A user may not do the first two any more once it is done with the third.
  const list = Uint32Array.from(groups);
  check(libc.setgroups(list.length, list), "setgroups");
  check(libc.setgid(gid), "setgid");
  check(libc.setuid(uid), "setuid");
}
