/**
 * An executable of the proxy: the one that runs, or one that shall replace it.
 *
 * A new one proves itself before anything is touched: it is a program of this machine, says what it is, and reads the
 * configuration. It is opened once, and everything is started from that open file: a file that is replaced meanwhile does not
 * lead to a generation of two versions.
 */
import {
  ABOUT_ROLE,
  type About,
  CONFIG_ROLE,
  CONTROL_PROTOCOL,
  type ConfigAnswer,
  PACKET_FORMATS,
  REHEARSE_ROLE,
  STATE_FORMATS,
} from "../../api/control.ts";
import {
  SETTINGS_MEMORY,
  SETTINGS_ROLE,
  type SettingsAnswer,
  type SettingsQuestion,
} from "../../api/settings.ts";
import { COMMIT, VERSION } from "../../base/version.ts";
import { quote } from "../../config/problem.ts";
import { type Executable, openExecutable } from "../../os/executable-file.ts";
import { closeFd, duplicateAbove } from "../../os/fd.ts";
import { createMemoryFile } from "../../os/memory-file.ts";
import { openFilesMax } from "../../os/open-files.ts";
import { selfCommand, selfPath, selfScript } from "../../os/self-command.ts";
import { runTrial, type TrialAnswer, TrialError } from "./trial-run.ts";

export interface Program {
  /** Where it was found: what it is called, and where the next version of it is expected. */
  readonly path: string;
  /** What starts it; arguments follow. */
  readonly command: readonly string[];
  readonly about: About;
  /** Held open for `command`; null: there is nothing to close. */
  readonly fd: number | null;
  /** To be called before each use of `command`. @throws ProgramError: other users may change by now what it starts */
  verify(): void;
}

/** Why a program cannot be used: one line each. */
export class ProgramError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ProgramError";
    this.problems = problems;
  }
}

/** Above every descriptor that a child is given: starting it must not put another file under this number. */
const PROGRAM_FD_MIN = 768;
/** Where the limit of open files leaves no such number: in the last part of those that there are. */
const PROGRAM_FD_SHARE = 3 / 4;
/** An executable of 100 MB may have to be read from a slow disk first. */
const ANSWER_TIMEOUT_MS = 10_000;
/** What it says of itself, and of what went wrong. */
const SHORT_BYTES_MAX = 64 * 1024;
/** A resolved configuration: several times as long as a file of CONFIG_FILE_BYTES_MAX. */
const CONFIG_ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export function aboutSelf(): About {
  return {
    name: "proxy",
    version: VERSION,
    commit: COMMIT,
    controlProtocol: CONTROL_PROTOCOL,
    parcelFormats: PACKET_FORMATS,
    stateFormats: STATE_FORMATS,
    isSteerable: true,
    movesKeys: true,
  };
}

/** The program that runs. */
export function runningProgram(path: string = selfPath()): Program {
  return { path, command: selfCommand(), about: aboutSelf(), fd: null, verify() {} };
}

/** "0.2.0 (commit 1a2b3c4)" */
export function versionOf({ version, commit }: About): string {
  return `${version} (commit ${commit})`;
}

/**
 * Opens the program at `path` and lets it say what it is. The caller closes it.
 * @param isTrusted the operator vouches for a file that other users may change. @throws ProgramError
 */
export async function openProgram(path: string, isTrusted: boolean): Promise<Program> {
  const found = openExecutable(path, { isTrusted });
  if ("problem" in found) throw new ProgramError([`${path} ${found.problem}`]);
  const program = describeProgram(path, found, isTrusted);
  try {
    const about = readAbout(
      path,
      await run(path, [...program.command, ABOUT_ROLE], SHORT_BYTES_MAX),
    );
    return { ...program, about };
  } catch (error) {
    if (program.fd !== null) closeFd(program.fd);
    throw error;
  }
}

function describeProgram(
  path: string,
  { kind, fd: found }: Executable,
  isTrusted: boolean,
): Omit<Program, "about"> {
  const script = isSameKind(path) ? selfScript() : [];
  if (kind === "elf") {
    const fd = moveAbove(found, path);
    return { path, command: [`/proc/self/fd/${fd}`, ...script], fd, verify() {} };
  }
  closeFd(found);
  // A script is read by its interpreter, which is given the path.
  const verify = (): void => {
    const again = openExecutable(path, { isTrusted });
    if ("problem" in again) throw new ProgramError([`${path} ${again.problem}`]);
    closeFd(again.fd);
  };
  return { path, command: [path, ...script], fd: null, verify };
}

export function closeProgram(program: Program): void {
  if (program.fd !== null) closeFd(program.fd);
}

/** What `program` makes of the configuration. @throws ProgramError when it cannot say */
export async function askConfig(
  program: Program,
  file: string,
  runArguments: readonly string[],
): Promise<ConfigAnswer> {
  program.verify();
  const command = [...program.command, CONFIG_ROLE, file, ...runArguments];
  const answer = await run(program.path, command, CONFIG_ANSWER_BYTES_MAX);
  const parsed = parseJson(answer.output);
  if (isConfigAnswer(parsed)) return parsed;
  throw new ProgramError([
    `${program.path} cannot read the configuration: it ended with exit code ${answer.code}${printed(answer)}`,
  ]);
}

/** What `program`, which reads the configuration, makes of settings; it may write one into the file. @throws ProgramError */
export async function askSettings(
  program: Program,
  file: string,
  runArguments: readonly string[],
  question: SettingsQuestion,
): Promise<SettingsAnswer> {
  program.verify();
  const fd = createMemoryFile(SETTINGS_MEMORY, JSON.stringify(question));
  try {
    const command = [...program.command, SETTINGS_ROLE, file, ...runArguments];
    const answer = await run(program.path, command, CONFIG_ANSWER_BYTES_MAX, fd);
    const parsed = parseJson(answer.output);
    if (isConfigAnswer(parsed)) return parsed as SettingsAnswer;
    throw new ProgramError([
      `${program.path} cannot check the setting: it ended with exit code ${answer.code}${printed(answer)}`,
    ]);
  } finally {
    closeFd(fd);
  }
}

/** Whether `program` could go on with the state behind `stateFd`; null: yes, otherwise why not. */
export async function rehearse(program: Program, stateFd: number): Promise<string | null> {
  try {
    program.verify();
    const command = [...program.command, REHEARSE_ROLE];
    const { output, errors } = await run(program.path, command, SHORT_BYTES_MAX, stateFd);
    return output === "ok\n" ? null : errors || "it cannot read what it would have to go on with";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Run from its sources, this program is Bun with a script: the same Bun needs the same script. */
function isSameKind(path: string): boolean {
  return selfScript().length > 0 && path === selfPath();
}

/** @returns another descriptor of the file; the one given is closed */
function moveAbove(fd: number, path: string): number {
  try {
    const atLeast = Math.min(PROGRAM_FD_MIN, Math.floor(openFilesMax() * PROGRAM_FD_SHARE));
    return duplicateAbove(fd, atLeast);
  } catch (error) {
    throw new ProgramError([`${path} cannot be opened: ${(error as Error).message}`]);
  } finally {
    closeFd(fd);
  }
}

async function run(
  path: string,
  command: readonly string[],
  outputBytesMax: number,
  extraFd: number | null = null,
): Promise<TrialAnswer> {
  let answer: TrialAnswer;
  try {
    answer = await runTrial(command, extraFd, {
      timeoutMs: ANSWER_TIMEOUT_MS,
      outputBytesMax,
      errorBytesMax: SHORT_BYTES_MAX,
    });
  } catch (error) {
    if (error instanceof TrialError) throw new ProgramError([`${path} ${error.message}`]);
    throw new ProgramError([`${path} cannot be started: ${startProblem(error)}`]);
  }
  if (answer.signal !== null) {
    throw new ProgramError([`${path} was ended by ${answer.signal} when it was started`]);
  }
  return { ...answer, errors: answer.errors.trim() };
}

function startProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOEXEC") return "it is not an executable of this machine (ENOEXEC)";
  if (code === "ENOENT") return "its loader or interpreter is missing (ENOENT)";
  if (code === "EACCES") return "permission denied, or its file system is mounted noexec (EACCES)";
  return message;
}

function readAbout(path: string, answer: TrialAnswer): About {
  const about = parseJson(answer.output) as About | null;
  if (about === null || about.name !== "proxy" || !Array.isArray(about.stateFormats)) {
    throw new ProgramError([
      answer.output === "" && about === null
        ? `${path} exits at once with exit code ${answer.code}, without saying that it is proxy${printed(answer)}`
        : `${path} is not proxy: it does not say what it is`,
    ]);
  }
  const theirs = versionOf(about);
  if (about.controlProtocol !== CONTROL_PROTOCOL) {
    throw new ProgramError([
      `${path} is ${theirs}, whose processes speak another protocol (${about.controlProtocol}, here ${CONTROL_PROTOCOL}): stop this proxy and start that one`,
    ]);
  }
  if (!about.stateFormats.some((format) => STATE_FORMATS.includes(format))) {
    throw new ProgramError([
      `${path} is ${theirs}, which cannot go on with what this version leaves: stop this proxy and start that one`,
    ]);
  }
  return about;
}

/** What goes behind a message about a program: its own last words, which are not ours. */
function printed({ errors }: TrialAnswer): string {
  return errors === "" ? "" : `; it printed: ${quote(errors.split("\n").at(-1) ?? "")}`;
}

function isConfigAnswer(value: unknown): value is ConfigAnswer {
  return typeof value === "object" && value !== null && ("config" in value || "problems" in value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
