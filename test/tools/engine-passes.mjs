// Which test files run more than once: the suite runs on the engine that `engine: auto` chooses, which is io_uring where that works, and
// what depends on sockets most runs on Bun's sockets, too.

/** Names of files in test/integration: moves, faults, hostile clients and servers, limits, idleness, and one differential run. */
const ON_BOTH_ENGINES = [
  "accept-changes",
  "accept-modes",
  "descriptor-limit",
  "differential",
  "faults",
  "hand-over",
  "hand-over-deaths",
  "hand-over-limits",
  "hostile-clients",
  "hung-servers",
  "idle",
  "kill-worker",
  "last-words",
  "left-behind",
  "memcache-binary-faults",
  "memcache-hand-over",
  "memory",
  "out-of-turn",
  "proxy-protocol",
  "redis-blocking-moves",
  "redis-hostile-scenarios",
  "redis-pubsub-moves",
  "redis-transaction-scenarios",
  "redis-transactions",
  "reload",
  "tcp",
  "tcp-moves",
  "upgrade",
];

/**
 * @param {readonly string[]} files all that are to be run
 * @param {string | undefined} asked the engine that the environment asks for: then everything runs once, on that
 * @returns {{ title: string, files: readonly string[], environment: Record<string, string> }[]}
 */
export function enginePasses(files, asked) {
  const first = { title: "tests", files, environment: {} };
  if (asked !== undefined && asked !== "") return [first];
  const names = new Set(ON_BOTH_ENGINES.map((name) => `test/integration/${name}.test.ts`));
  const again = files.filter((file) => names.has(file));
  if (again.length === 0) return [first];
  return [
    first,
    { title: "tests on Bun's sockets", files: again, environment: { PROXY_ENGINE: "bun" } },
  ];
}

/** For the test of this file. */
export function onBothEngines() {
  return ON_BOTH_ENGINES;
}
