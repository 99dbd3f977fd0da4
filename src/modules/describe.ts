/** What modules say of themselves. Their code is run in a process of its own, which may hang or end as it likes. */
import type { Option } from "../api/option.ts";
import { MODULES_ANSWER_MS } from "../base/limits.ts";
import { selfCommand } from "../os/self-command.ts";
import { isProxied, optionsOf, readDefinition } from "./definition.ts";
import { importCode } from "./public.ts";

/** First argument of the process. */
export const MODULES_ROLE = "__modules";

export type ModuleAnswer =
  | {
      readonly kind: "filter" | "protocol";
      readonly name: string;
      readonly options: readonly Option[];
      /** A protocol whose requests go on to servers. */
      readonly needsServers: boolean;
    }
  | { readonly problem: string };

/** Asks a process of its own for each of `codes`. Never throws. */
export async function describeModules(codes: readonly string[]): Promise<readonly ModuleAnswer[]> {
  const child = Bun.spawn([...selfCommand(), MODULES_ROLE], {
    stdin: Buffer.from(JSON.stringify(codes)),
    stdout: "pipe",
    stderr: "pipe",
    timeout: MODULES_ANSWER_MS,
    killSignal: "SIGKILL",
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  try {
    return JSON.parse(output.split("\n").at(-1) ?? "") as ModuleAnswer[];
  } catch {
    const said = errors.trim().split("\n").at(-1) ?? "";
    const problem =
      child.signalCode === null
        ? `it ends the process that imports it${said === "" ? "" : `: ${said}`}`
        : `importing it takes longer than ${MODULES_ANSWER_MS} ms`;
    return codes.map(() => ({ problem }));
  }
}

/** The process: codes on stdin, answers in the last line of stdout. */
export async function runDescribe(): Promise<void> {
  const codes = JSON.parse(await Bun.stdin.text()) as string[];
  const answers: ModuleAnswer[] = [];
  for (const code of codes) answers.push(await describe(code));
  process.stdout.write(`\n${JSON.stringify(answers)}`, () => process.exit(0));
}

async function describe(code: string): Promise<ModuleAnswer> {
  try {
    const found = readDefinition(await importCode(code));
    if (typeof found === "string") return { problem: found };
    const { kind, definition } = found;
    const needsServers = kind === "protocol" && isProxied(definition);
    return { kind, name: definition.name, options: optionsOf(definition.options), needsServers };
  } catch (error) {
    return { problem: `importing it fails: ${error instanceof Error ? error.message : error}` };
  }
}
