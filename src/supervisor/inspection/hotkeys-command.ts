/** Redis's HOTKEYS of one pool: what its START, STOP, GET and RESET come to, as rows that a worker makes replies of. */
import type { ShownRow } from "../../api/inspection.ts";
import { readProcess } from "../../os/process-facts.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { type Totals, TRACKED, type TrackedKeys } from "./key-tracking.ts";

type Words = readonly string[];

/** @param words metrics ("CPU+NET"), number of keys, seconds (0: until it is stopped), ratio. @throws StartError: in Redis's words */
export function startTracking(target: ChangeTarget, pool: string, words: Words): ShownRow[] {
  const [metrics = "", count, seconds, ratio] = words;
  const options = target.running.pools.find(({ name }) => name === pool);
  if (options === undefined || options.hotKeys === false) {
    throw new StartError([`keys are not looked at in this pool: hot_keys is false`]);
  }
  if (options.slowlogKeys === false) {
    throw new StartError([`keys are not shown in this pool: slowlog_keys is false`]);
  }
  const names = metrics.toLowerCase().split("+");
  const durationMs = Number(seconds) * 1000;
  const wish = {
    by: new Set(TRACKED.filter((name) => names.includes(name))),
    ...{ count: Number(count), ratio: Number(ratio) },
    durationMs: durationMs === 0 ? null : durationMs,
  };
  const { tracking } = target.resources.keys;
  if (!tracking.start(pool, wish, () => totalsOf(target, pool))) {
    throw new StartError(["hotkey tracking session already in progress"]);
  }
  return [];
}

/** One row; none: no keys are tracked. */
export function stopTracking({ resources }: ChangeTarget, pool: string): ShownRow[] {
  return resources.keys.tracking.stop(pool) ? [{ stopped: 1 }] : [];
}

/** @throws StartError: in Redis's words */
export function resetTracking({ resources }: ChangeTarget, pool: string): ShownRow[] {
  if (resources.keys.tracking.reset(pool)) return [];
  throw new StartError(["hotkey tracking session in progress, stop tracking first"]);
}

/** A row with the facts by Redis's names, and then one for each key of each list; none: there is nothing to tell. */
export function showTracking(
  { resources, running }: ChangeTarget,
  pool: string,
): readonly ShownRow[] {
  const tracked = resources.keys.tracking.get(pool);
  if (tracked === null) return [];
  // They may have been hidden since.
  const isShown = running.pools.find(({ name }) => name === pool)?.slowlogKeys !== false;
  const lists = isShown
    ? TRACKED.flatMap((list) => tracked.keys[list].map(([key, value]) => ({ list, key, value })))
    : [];
  return [factsOf(tracked), ...lists];
}

function factsOf({ isActive, wish, startedAtMs, tookMs, totals, sums }: TrackedKeys): ShownRow {
  return {
    "tracking-active": isActive ? 1 : 0,
    "sample-ratio": wish.ratio,
    "all-commands-all-slots-us": Math.round(totals.serverUs),
    "net-bytes-all-commands-all-slots": totals.netBytes,
    "collection-start-time-unix-ms": startedAtMs,
    "collection-duration-ms": Math.round(tookMs),
    ...(wish.by.has("cpu")
      ? {
          "total-cpu-time-user-ms": Math.round(totals.userMs),
          "total-cpu-time-sys-ms": Math.round(totals.systemMs),
        }
      : {}),
    ...(wish.by.has("net") ? { "total-net-bytes": Math.round(sums.net) } : {}),
  };
}

function totalsOf({ resources, config, generations }: ChangeTarget, pool: string): Totals {
  const servers = resources.stats
    .figures(config)
    .filter(({ name }) => name === pool)
    .flatMap((figures) => figures.servers);
  const times = resources.stats
    .sets()
    .filter(({ set, labels }) => set === "server_times" && labels["pool"] === pool);
  const facts = generations.statuses.flatMap(({ pid }) => {
    const found = pid === null ? null : readProcess(pid);
    return found === null ? [] : [found];
  });
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const systemMs = 1000 * sum(facts.map(({ systemSeconds }) => systemSeconds));
  return {
    serverUs: sum(
      times.map(({ values }) => {
        const figures = values["server_us"];
        return typeof figures === "object" ? figures.sum : 0;
      }),
    ),
    netBytes: sum(servers.map(({ counters }) => counters.request_bytes + counters.response_bytes)),
    userMs: 1000 * sum(facts.map(({ cpuSeconds }) => cpuSeconds)) - systemMs,
    systemMs,
  };
}
