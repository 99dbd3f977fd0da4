/** Reads the configuration file that a command was given, or the default one, and words its problems for a terminal. */
import type { Config } from "../api/config.ts";
import { CONFIG_FILE_BYTES_MAX, CONFIG_READ_MS } from "../base/limits.ts";
import { explainNoConfig, findConfig } from "../config/find-config.ts";
import { loadConfig } from "../config/load.ts";
import { modulePaths } from "../config/outside.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { loadModules } from "../modules/load.ts";
import { readText } from "../os/read-text.ts";
import { PROTOCOLS } from "../protocols/registry.ts";

export interface ConfigFile {
  /** As the caller named it, or the default file that was found; null: there is none. */
  readonly path: string | null;
  /** Null: it cannot be used, and `text` says why. */
  readonly config: Config | null;
  /** What is wrong with the content, in the order of the file. */
  readonly problems: readonly Problem[];
  /** Everything there is to say, for humans: errors and warnings, ends with a line feed; or "". */
  readonly text: string;
}

/**
 * @param path undefined: the first of the default files
 * @param withSource also show the lines in question (for a terminal)
 */
export async function readConfigFile(
  path: string | undefined,
  withSource: boolean = process.stderr.isTTY,
): Promise<ConfigFile> {
  const file = path ?? findConfig();
  if (file === null) return failed(null, explainNoConfig());
  let source: string;
  try {
    source = await readConfigText(file);
  } catch (error) {
    return failed(file, `${file}: cannot read the configuration file: ${reasonOf(error)}`);
  }
  // A byte order mark is no part of the text; columns count from behind it.
  const text = source.startsWith("\uFEFF") ? source.substring(1) : source;
  const outside = await loadModules(file, modulePaths(text));
  const { config, problems } = loadConfig(text, file, PROTOCOLS, outside);
  const lines = problems.map((problem) => formatProblem(problem, withSource ? text : null));
  return { path: file, config, problems, text: lines.map((line) => `${line}\n`).join("") };
}

/** Also of a pipe, such as /dev/stdin, but never for longer than a moment. @throws Error */
export function readConfigText(file: string): Promise<string> {
  return readText(file, { bytesMax: CONFIG_FILE_BYTES_MAX, timeoutMs: CONFIG_READ_MS });
}

/** The configuration; or its problems go to stderr and the process exits with 1. Warnings go to stderr too. */
export async function loadConfigFile(path: string | undefined): Promise<Config> {
  const { config, text } = await readConfigFile(path);
  process.stderr.write(text);
  if (config === null) process.exit(1);
  return config;
}

function failed(path: string | null, text: string): ConfigFile {
  return { path, config: null, problems: [], text: `${text}\n` };
}

/** Why a file could not be read, in words that follow a colon. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a directory";
  return error instanceof Error ? error.message : String(error);
}
