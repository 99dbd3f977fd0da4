/** The command's side of the control socket: finds the proxy that is meant, asks, and waits for the result. */
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ControlReply, ControlRequest, ControlResult } from "../api/control-socket.ts";
import { controlPaths } from "../config/control-path.ts";
import { explainNoConfig, findConfig } from "../config/find-config.ts";
import { loadConfig } from "../config/load.ts";
import { type ControlChannel, connectControlChannel } from "../engine/bun/control-channel.ts";
import { userText } from "../os/accounts.ts";
import { isRunning, markProcess, type ProcessMark } from "../os/process.ts";
import { peerProcess } from "../os/socket-facts.ts";
import { PROTOCOLS } from "../protocols/registry.ts";
import { readConfigText, reasonOf } from "./config-file.ts";
import { EXIT_DENIED, EXIT_FAILED, EXIT_OK, EXIT_UNREACHABLE } from "./exit-codes.ts";

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
  | { readonly kind: "unreachable"; readonly problem: string }
  /** There is a control socket, which this user may not open. */
  | { readonly kind: "denied"; readonly problem: string };

/** Once it has said that it stops, nothing keeps the process. */
const END_TIMEOUT_MS = 10_000;
const LOOK_MS = 10;
/** How often to look whether the proxy that is asked still runs. */
const LOOK_FOR_END_MS = 500;

interface Target {
  readonly paths: readonly string[];
  /** The configuration file, for messages; null: the socket was named. */
  readonly file: string | null;
  /** Why the file could not be read, with the blank before it; "" if it could. */
  readonly unread: string;
}

interface CallFailure {
  readonly path: string;
  /** Why no proxy was there: the name of an errno. */
  readonly code: string;
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
  const failures: CallFailure[] = [];
  for (const path of target.paths) {
    const answer = await callAt(path, request, options, !flags.json && process.stderr.isTTY);
    if (typeof answer !== "string") return answer;
    failures.push({ path, code: answer });
  }
  const denied = failures.find(({ code }) => code === "EACCES" || code === "EPERM");
  if (denied !== undefined) return { kind: "denied", problem: explainDenied(denied.path) };
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
  if (answer.kind === "denied") return EXIT_DENIED;
  return answer.kind === "unreachable" ? EXIT_UNREACHABLE : EXIT_FAILED;
}

async function findTarget(flags: ControlFlags): Promise<Target | { readonly problem: string }> {
  if (flags.control !== undefined)
    return { paths: [resolve(flags.control)], file: null, unread: "" };
  const found = flags.config ?? findConfig();
  if (found === null) return { problem: explainNoConfig() };
  const file = resolve(found);
  const place = { uid: process.getuid?.() ?? 0, environment: process.env };
  const { named, unread } = await namedControl(file);
  return {
    paths: [...(named === null ? [] : [resolve(named)]), ...controlPaths(file, place)],
    file,
    unread,
  };
}

/** The file's own `control`, if there is one: also of a file that is in error, whose errors the caller wants to hear. */
async function namedControl(file: string): Promise<{ named: string | null; unread: string }> {
  let text: string;
  try {
    text = await readConfigText(file);
  } catch (error) {
    return { named: null, unread: `, which cannot be read: ${reasonOf(error)}` };
  }
  const { config } = loadConfig(text, file, PROTOCOLS);
  const named =
    config === null ? (/^control:\s*["']?([^\s"'#]+)/m.exec(text)?.[1] ?? null) : config.control;
  return { named, unread: "" };
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
  if ("problem" in answer) return [answer.problem];
  if (answer.kind === "result" && !answer.result.ok) return answer.result.problems;
  return ["the proxy ended before it answered"];
}

function explainUnreachable(
  { file, paths, unread }: Target,
  failures: readonly CallFailure[],
): string {
  const places = failures.map(({ path, code }) => `${path} (${code})`).join(", ");
  if (file === null) return `no proxy answers at ${places}`;
  const hint = unread === "" ? `start it with: proxy run -c ${file}` : "is the path right?";
  return `no proxy is running with ${file}${unread} (no answer at ${paths.length === 1 ? paths[0] : places}); ${hint}`;
}

function explainDenied(path: string): string {
  const uid = ownerOf(path);
  const owner = uid === null ? "another user" : userText(uid);
  const [users, way] =
    uid === 0
      ? ["root", "root, for instance with sudo"]
      : [`${owner} and root`, uid === null ? "the user that the proxy runs as" : owner];
  return `a proxy may be running at ${path}, but that control socket is open to ${users} only; run this as ${way}`;
}

/** Whose the socket is, or the folder that hides it; null: that cannot be seen. */
function ownerOf(path: string): number | null {
  for (const place of [path, dirname(path)]) {
    try {
      return statSync(place).uid;
    } catch {
      // The folder may not be entered either.
    }
  }
  return null;
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
  // Another process may hold the proxy's end of the connection, which then outlives it.
  const looking = setInterval(() => {
    if (proxy !== null && !isRunning(proxy)) channel.finish();
  }, LOOK_FOR_END_MS);
  channel.send(request);
  const answer = await answered.promise;
  clearInterval(looking);
  clearTimeout(timer);
  channel.close();
  const isOver = answer.kind === "gone" || (answer.kind === "result" && answer.result.ok);
  if (!untilGone || !isOver || proxy === null) return answer;
  return (await ends(proxy)) ? answer : { kind: "stays", problem: explainStaying(proxy) };
}
