/** The command's side of the control socket: finds the proxy that is meant, asks, and waits for the result. */
import { resolve } from "node:path";
import type { ControlReply, ControlRequest, ControlResult } from "../api/control-socket.ts";
import { controlPaths } from "../config/control-path.ts";
import { explainNoConfig, findConfig } from "../config/find-config.ts";
import { loadConfig } from "../config/load.ts";
import { type ControlChannel, connectControlChannel } from "../io/control-channel.ts";
import { isRunning, markProcess, type ProcessMark } from "../os/process.ts";
import { peerProcess } from "../os/socket-facts.ts";
import { readConfigText } from "./config-file.ts";
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
  /** It has stopped serving, but its process has not ended. */
  | { readonly kind: "stays"; readonly problem: string }
  | { readonly kind: "unreachable"; readonly problem: string };

/** Once it has said that it stops, nothing keeps the process. */
const END_TIMEOUT_MS = 10_000;
const LOOK_MS = 10;

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
  const target = await findTarget(flags);
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
  const problems = problemsOf(answer);
  if (isJson) process.stdout.write(`${JSON.stringify({ ok: false, problems })}\n`);
  else for (const problem of problems) process.stderr.write(`proxy: ${problem}\n`);
  return answer.kind === "unreachable" ? EXIT_UNREACHABLE : EXIT_FAILED;
}

async function findTarget(flags: ControlFlags): Promise<Target | { readonly problem: string }> {
  if (flags.control !== undefined) return { paths: [resolve(flags.control)], file: null };
  const found = flags.config ?? findConfig();
  if (found === null) return { problem: explainNoConfig() };
  const file = resolve(found);
  const place = { uid: process.getuid?.() ?? 0, environment: process.env };
  const named = await namedControl(file);
  return {
    paths: [...(named === null ? [] : [resolve(named)]), ...controlPaths(file, place)],
    file,
  };
}

/** The file's own `control`, if there is one: also of a file that is in error, whose errors the caller wants to hear. */
async function namedControl(file: string): Promise<string | null> {
  try {
    const text = await readConfigText(file);
    const { config } = loadConfig(text, file);
    if (config !== null) return config.control;
    return /^control:\s*["']?([^\s"'#]+)/m.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Whether the process ends, soon after it has let go of all it had. */
async function ends(proxy: ProcessMark): Promise<boolean> {
  const giveUpAtMs = performance.now() + END_TIMEOUT_MS;
  while (isRunning(proxy)) {
    if (performance.now() > giveUpAtMs) return false;
    await Bun.sleep(LOOK_MS);
  }
  return true;
}

function explainStaying({ pid }: ProcessMark): string {
  return `the proxy serves no more, but its process ${pid} has not ended within ${END_TIMEOUT_MS} ms; end it with: kill -9 ${pid}`;
}

function problemsOf(answer: Answer): readonly string[] {
  if (answer.kind === "unreachable" || answer.kind === "stays") return [answer.problem];
  if (answer.kind === "result" && !answer.result.ok) return answer.result.problems;
  return ["the proxy ended before it answered"];
}

function explainUnreachable({ file, paths }: Target, failures: readonly string[]): string {
  if (file === null) return `no proxy answers at ${failures.join(", ")}`;
  const start = `start it with: proxy run -c ${file}`;
  const denied = failures.some((failure) => failure.includes("EACCES"));
  const hint = denied ? "run this as the user the proxy runs as" : start;
  return `no proxy is running with ${file} (no answer at ${paths.length === 1 ? paths[0] : failures.join(", ")}); ${hint}`;
}

/** @returns the answer, or the code of why no proxy is there */
async function callAt(
  path: string,
  request: ControlRequest,
  { timeoutMs, untilGone }: CallOptions,
  isTalkative: boolean,
): Promise<Answer | string> {
  const answered = Promise.withResolvers<Answer>();
  let result: ControlResult | null = null;
  let lastProgress = "";
  let channel: ControlChannel<ControlRequest>;
  try {
    channel = await connectControlChannel<ControlReply, ControlRequest>(path, {
      onMessage(reply) {
        if ("progress" in reply) {
          if (isTalkative && reply.progress !== lastProgress) {
            process.stderr.write(`… ${reply.progress}\n`);
          }
          lastProgress = reply.progress;
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
        problem: `the proxy at ${path} did not answer within ${timeoutMs} ms${lastProgress === "" ? "" : `; the last it said: ${lastProgress}`}`,
      }),
    timeoutMs,
  );
  const pid = peerProcess(channel.fd);
  const proxy = pid === null ? null : markProcess(pid);
  channel.send(request);
  const answer = await answered.promise;
  clearTimeout(timer);
  channel.close();
  const isOver = answer.kind === "gone" || (answer.kind === "result" && answer.result.ok);
  if (!untilGone || !isOver || proxy === null) return answer;
  return (await ends(proxy)) ? answer : { kind: "stays", problem: explainStaying(proxy) };
}
