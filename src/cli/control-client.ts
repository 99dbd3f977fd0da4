/** The command's side of the control socket: finds the proxy that is meant, asks, and waits for the result. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ControlReply, ControlRequest, ControlResult } from "../api/control-socket.ts";
import { controlPaths } from "../config/control-path.ts";
import { explainNoConfig, findConfig } from "../config/find-config.ts";
import { loadConfig } from "../config/load.ts";
import { type ControlChannel, connectControlChannel } from "../io/control-channel.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE } from "./exit-codes.ts";

export const CONTROL_ARGS = {
  config: {
    type: "string",
    alias: ["c", "conf-file"] as string[],
    valueHint: "FILE",
    description: "Configuration file of the running proxy: says where its control socket is",
  },
  control: {
    type: "string",
    valueHint: "PATH",
    description: "The control socket itself, when the proxy was started with --control",
  },
  json: { type: "boolean", default: false, description: "Print one JSON object instead of text" },
} as const;

export interface ControlFlags {
  readonly config?: string | undefined;
  readonly control?: string | undefined;
  readonly json: boolean;
}

export type Answer =
  /** `isGone`: the connection ended, so the proxy has. */
  | { readonly kind: "result"; readonly result: ControlResult }
  | { readonly kind: "gone" }
  | { readonly kind: "unreachable"; readonly problem: string };

interface Target {
  readonly paths: readonly string[];
  /** The configuration file, for messages; null: the socket was named. */
  readonly file: string | null;
}

export interface CallOptions {
  /** Milliseconds until the proxy counts as hung. */
  readonly timeoutMs: number;
  /** Wait for the end of the proxy, too. */
  readonly untilGone: boolean;
}

/** Asks the proxy that the flags name; progress goes to a terminal. */
export async function callProxy(
  flags: ControlFlags,
  request: ControlRequest,
  options: CallOptions,
): Promise<Answer> {
  const target = findTarget(flags);
  if ("problem" in target) return { kind: "unreachable", problem: target.problem };
  const failures: string[] = [];
  for (const path of target.paths) {
    const answer = await callAt(path, request, options, !flags.json && process.stderr.isTTY);
    if (typeof answer !== "string") return answer;
    failures.push(`${path} (${answer})`);
  }
  return { kind: "unreachable", problem: explainUnreachable(target, failures) };
}

/** Prints an answer that is no success, or has `printed` print the success. @returns the exit code */
export function report(
  answer: Answer,
  isJson: boolean,
  printed: (result: Extract<ControlResult, { readonly ok: true }>) => string,
): number {
  if (answer.kind === "result" && answer.result.ok) {
    process.stdout.write(isJson ? `${JSON.stringify(answer.result)}\n` : printed(answer.result));
    return EXIT_OK;
  }
  const problems =
    answer.kind === "result" && !answer.result.ok
      ? answer.result.problems
      : [answer.kind === "unreachable" ? answer.problem : "the proxy ended before it answered"];
  if (isJson) process.stdout.write(`${JSON.stringify({ ok: false, problems })}\n`);
  else for (const problem of problems) process.stderr.write(`proxy: ${problem}\n`);
  return answer.kind === "unreachable" ? EXIT_UNREACHABLE : EXIT_FAILED;
}

function findTarget(flags: ControlFlags): Target | { readonly problem: string } {
  if (flags.control !== undefined) return { paths: [resolve(flags.control)], file: null };
  const found = flags.config ?? findConfig();
  if (found === null) return { problem: explainNoConfig() };
  const file = resolve(found);
  const place = { uid: process.getuid?.() ?? 0, environment: process.env };
  const named = namedControl(file);
  return {
    paths: [...(named === null ? [] : [resolve(named)]), ...controlPaths(file, place)],
    file,
  };
}

/** The file's own `control`, if there is one: also of a file that is in error, whose errors somebody wants to hear. */
function namedControl(file: string): string | null {
  try {
    const text = readFileSync(file, "utf8");
    const { config } = loadConfig(text, file);
    if (config !== null) return config.control;
    return /^control:\s*["']?([^\s"'#]+)/m.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

function explainUnreachable({ file, paths }: Target, failures: readonly string[]): string {
  if (file === null) return `no proxy answers at ${failures.join(", ")}`;
  const start = `start it with: proxy run -c ${file}`;
  const denied = failures.some((failure) => failure.includes("EACCES"));
  const hint = denied ? "run this as the user the proxy runs as" : start;
  return `no proxy is running with ${file} (no answer at ${paths.length === 1 ? paths[0] : failures.join(", ")}); ${hint}`;
}

/** @returns the answer, or the code of why nobody is there */
async function callAt(
  path: string,
  request: ControlRequest,
  { timeoutMs, untilGone }: CallOptions,
  isTalkative: boolean,
): Promise<Answer | string> {
  const answered = Promise.withResolvers<Answer>();
  let result: ControlResult | null = null;
  let channel: ControlChannel<ControlRequest>;
  try {
    channel = await connectControlChannel<ControlReply, ControlRequest>(path, {
      onMessage(reply) {
        if ("progress" in reply) {
          if (isTalkative) process.stderr.write(`… ${reply.progress}\n`);
          return;
        }
        result = reply.result;
        if (!untilGone || !result.ok) answered.resolve({ kind: "result", result });
      },
      onClose: () =>
        answered.resolve(result === null ? { kind: "gone" } : { kind: "result", result }),
    });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "no connection";
  }
  const timer = setTimeout(
    () =>
      answered.resolve({
        kind: "unreachable",
        problem: `the proxy at ${path} did not answer within ${timeoutMs} ms`,
      }),
    timeoutMs,
  );
  channel.send(request);
  const answer = await answered.promise;
  clearTimeout(timer);
  channel.close();
  return answer;
}
