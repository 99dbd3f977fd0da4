/**
 * `user` and `group`: the supervisor stays what it is, as nginx's master does, because it has to open sockets and log files;
 * its children become another user as soon as they have what they need.
 */
import type { Config } from "../../api/config.ts";
import type { RunAs } from "../../api/control.ts";
import { findGroup, findUser, groupsOf } from "../../os/identity.ts";
import { StartError } from "../start-error.ts";

/** The user that the children become; null: they stay what they are. @throws StartError when that cannot be. */
export function resolveRunAs({ user, group }: Config): RunAs | null {
  if (user === null && group === null) return null;
  const problems: string[] = [];
  const found = user === null ? null : findUser(user);
  if (user !== null && found === null) problems.push(`user "${user}" does not exist`);
  const groupId = group === null ? null : findGroup(group);
  if (group !== null && groupId === null) problems.push(`group "${group}" does not exist`);
  if (problems.length > 0) throw new StartError(problems);
  const uid = found?.uid ?? process.getuid?.() ?? 0;
  const gid = groupId ?? found?.gid ?? process.getgid?.() ?? 0;
  if (process.geteuid?.() === 0) {
    // With a group of its own choice the user keeps none of its others: that is what nginx and HAProxy do.
    const groups = group === null && user !== null ? groupsOf(user, gid) : [gid];
    return { uid, gid, groups };
  }
  // The program that started this process, systemd perhaps, has made it what it should be.
  if (uid === process.geteuid?.() && gid === process.getegid?.()) return null;
  const who = [user === null ? [] : [`user "${user}"`], group === null ? [] : [`group "${group}"`]];
  throw new StartError([
    `cannot become ${who.flat().join(", ")}: only root can; start the proxy as root, or remove the option`,
  ]);
}
