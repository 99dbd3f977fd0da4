/** `proxy reload`: the running proxy reads its configuration file again. */
import { type CommandDef, defineCommand } from "citty";
import type { Changes, GenerationResult } from "../api/control-socket.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { formatBytes } from "./figures.ts";

const RELOAD_ARGS = {
  ...CONTROL_ARGS,
  "dry-run": {
    type: "boolean",
    default: false,
    description: "Only say what would change, and how many keys would move",
  },
} as const;

/** A reload may have to wait for workers that start, and for clients that are busy. */
const TIMEOUT_MS = 600_000;

const definition = defineCommand({
  meta: {
    name: "reload",
    description: "Have the running proxy read its configuration file again; connections stay",
  },
  args: RELOAD_ARGS,
  async run({ args }): Promise<number> {
    const isDryRun = args["dry-run"];
    const answer = await callProxy(
      args,
      { verb: "reload", isDryRun },
      { timeoutMs: TIMEOUT_MS, untilGone: false },
    );
    return report(answer, args.json, (result) =>
      result.verb === "reload" ? reloadText(result.changes, result.crew, isDryRun) : "",
    );
  },
});

/** The type of its flags matters to itself only. */
export const reloadCommand: CommandDef = definition as unknown as CommandDef;

function reloadText(
  changes: Changes,
  generation: GenerationResult | null,
  isDryRun: boolean,
): string {
  const { lines, rings, warnings } = changes;
  const moved = rings.map(({ pool, movedShare, moving }) => {
    const share = `about ${(movedShare * 100).toFixed(1)} % of its keys get another server`;
    if (moving === undefined) return `pool "${pool}": ${share}`;
    const { keys, bytes, seconds } = moving;
    return `pool "${pool}": ${share}, and move there: ${keys} keys, ${formatBytes(bytes)}, in ${seconds} s at least`;
  });
  const verdict = isDryRun
    ? lines.length === 0
      ? "nothing would change"
      : "this is what a reload would change; nothing was changed"
    : generation === null
      ? "nothing has changed in the file: the workers stay"
      : `reloaded: ${generationText(generation)}`;
  return [...warnings, ...lines, ...moved, verdict].map((line) => `${line}\n`).join("");
}

/** "generation 2 with 4 workers serves; 50 clients moved, 1 stays until it is finished (150 ms)" */
export function generationText({
  crew,
  workers,
  moved,
  left,
  lost,
  tookMs,
}: GenerationResult): string {
  const clients = [
    `${moved} ${moved === 1 ? "client" : "clients"} moved`,
    ...(left === 0 ? [] : [`${left} ${left === 1 ? "stays" : "stay"} until finished`]),
    ...(lost === 0 ? [] : [`${lost} lost`]),
  ];
  const size = `${workers} ${workers === 1 ? "worker" : "workers"}`;
  return `generation ${crew} with ${size} serves; ${clients.join(", ")} (${tookMs} ms)`;
}
