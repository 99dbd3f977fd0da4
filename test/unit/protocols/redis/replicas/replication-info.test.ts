/** How far a replica is behind, by what it and its primary say. */
import { expect, test } from "bun:test";
import {
  PrimaryHistory,
  type ReplicationInfo,
  readReplicationInfo,
} from "../../../../../src/protocols/redis/replicas/replication-info.ts";

const PRIMARY = "# Replication\r\nrole:master\r\nmaster_replid:abc\r\nmaster_repl_offset:700\r\n";
const REPLICA =
  "role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:650\r\nmaster_replid:abc\r\n";

test("INFO replication is read", () => {
  expect(readReplicationInfo(PRIMARY)).toEqual({
    ...{ isReplica: false, history: "abc", offset: 700 },
    ...{ isLinked: false, isSyncing: false, downForMs: null },
  });
  expect(readReplicationInfo(REPLICA)).toEqual({
    ...{ isReplica: true, history: "abc", offset: 650 },
    ...{ isLinked: true, isSyncing: false, downForMs: null },
  });
  const down = REPLICA.replace("status:up", "status:down\r\nmaster_link_down_since_seconds:3");
  expect(readReplicationInfo(down)?.downForMs).toBe(3000);
  expect(readReplicationInfo("-NOAUTH\r\n")).toBeNull();
});

test("a replica is behind since the primary was last seen where it is", () => {
  const history = new PrimaryHistory();
  const replica = readReplicationInfo(REPLICA)!;
  const at = (offset: number): ReplicationInfo => ({ ...readReplicationInfo(PRIMARY)!, offset });
  expect(history.lagOf(replica, 0)).toBeNull();
  history.add(at(600), 1000);
  expect(history.lagOf(replica, 1500)).toBe(0);
  history.add(at(640), 2000);
  history.add(at(700), 3000);
  history.add(at(900), 4000);
  expect(history.lagOf(replica, 4100)).toBe(2100);
  expect(history.lagOf({ ...replica, offset: 900 }, 4100)).toBe(0);
});

test("one that syncs, or has another history, has no lag: it must not be read", () => {
  const history = new PrimaryHistory();
  const replica = readReplicationInfo(REPLICA)!;
  history.add(readReplicationInfo(PRIMARY)!, 0);
  expect(history.lagOf({ ...replica, isSyncing: true }, 0)).toBeNull();
  expect(history.lagOf({ ...replica, history: "other" }, 0)).toBeNull();
  expect(history.lagOf({ ...replica, isReplica: false }, 0)).toBeNull();
  expect(history.lagOf({ ...replica, isLinked: false, downForMs: null }, 0)).toBeNull();
  expect(history.lagOf({ ...replica, isLinked: false, downForMs: 2000 }, 0)).toBe(2000);
});
