/** `proxy upgrade`: the running proxy goes on as another executable, with all its client connections. */

import { resolve } from "node:path";
import { type CommandDef, defineCommand } from "citty";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_FAILED } from "./exit-codes.ts";
import { generationText } from "./reload.ts";

const UPGRADE_ARGS = {
  path: {
    type: "positional",
    required: false,
    description: "The new executable (default: the path the proxy was started from)",
  },
  ...CONTROL_ARGS,
  trust: {
    type: "boolean",
    default: false,
    description: "Run it even if users other than root and the proxy's own could change it",
  },
} as const;

const TIMEOUT_MS = 600_000;

const definition = defineCommand({
  meta: {
    name: "upgrade",
    description: "Have the running proxy go on as another executable; connections stay",
  },
  args: UPGRADE_ARGS,
  async run({ args }): Promise<number> {
    const path = args.path === undefined ? null : resolve(args.path);
    const answer = await callProxy(
      args,
      { verb: "upgrade", path, isTrusted: args.trust },
      { timeoutMs: TIMEOUT_MS, untilGone: false },
    );
    const code = report(answer, args.json, (result) =>
      result.verb === "upgrade" && result.warning === null
        ? `upgraded from ${result.from} to ${result.to}: ${generationText(result.crew)}\n`
        : "",
    );
    if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "upgrade")
      return code;
    const { warning } = answer.result;
    if (warning === null) return code;
    if (!args.json) process.stderr.write(`proxy: ${warning}\n`);
    return EXIT_FAILED;
  },
});

/** The type of its flags matters to itself only. */
export const upgradeCommand: CommandDef = definition as unknown as CommandDef;
