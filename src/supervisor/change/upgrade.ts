/**
 * An upgrade: a generation of another executable takes over, and then this process goes on as that executable.
 *
 *   new executable: what are you? ─▶ its reading of the configuration ─▶ its generation ─▶ hand-over ─▶ execve
 *                        └──────── any failure: the old generation serves on ────┘
 */
import { resolve } from "node:path";
import type { ControlResult, GenerationResult } from "../../api/control-socket.ts";
import { VERSION } from "../../base/version.ts";
import { closeFd } from "../../os/fd.ts";
import type { Caller } from "../control/control-server.ts";
import type { Progress } from "../generation/generation-change.ts";
import { wantedSets } from "../generation/wanted-sets.ts";
import {
  aboutSelf,
  askConfig,
  closeProgram,
  openProgram,
  rehearse,
  versionOf,
} from "../program/program.ts";
import { holdWatchedSignals, replaceProgram } from "../program/replace-program.ts";
import { commonFormat, type SupervisorState, writeState } from "../program/supervisor-state.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { applyConfig } from "./reload.ts";

export interface UpgradeOutcome {
  readonly result: ControlResult;
  /** Replaces this program. Returns only if that fails: what the caller is to be told then. */
  finish(caller: Caller | null): Promise<ControlResult>;
}

export interface UpgradeOrder {
  /** Null: the path that the proxy was started from, or last upgraded to. */
  readonly path: string | null;
  /** The operator vouches for the file. */
  readonly isTrusted: boolean;
}

/** All must be quiet for the last step: no process just dying, no client on its way. */
const QUIET_TIMEOUT_MS = 10_000;
const QUIET_STEP_MS = 10;

/** @throws StartError or ProgramError with every reason: then nothing has changed */
export async function upgrade(
  supervisor: ChangeTarget,
  { path, isTrusted }: UpgradeOrder,
  progress: Progress,
): Promise<UpgradeOutcome> {
  const { source } = supervisor.options;
  const file = supervisor.config.file;
  if (source === null || file === null) {
    throw new StartError(["this proxy was not started from a configuration file"]);
  }
  const target = path === null ? supervisor.program.path : resolve(path);
  const program = await openProgram(target, isTrusted);
  let generation: GenerationResult;
  try {
    progress(`${program.path} is ${versionOf(program.about)}`);
    const answer = await askConfig(program, file, source.runArguments);
    if ("problems" in answer) throw new StartError(answer.problems);
    const { config } = answer;
    const sets = wantedSets(config);
    const old = supervisor.program;
    const { settings } = supervisor.steering;
    if (supervisor.migrations.isUnderWay && program.about.movesKeys !== true) {
      throw new StartError([
        "keys of a pool are moving to other servers, which that version cannot do; wait for the end, or see proxy migration --help",
      ]);
    }
    const keepsSettings = program.about.isSteerable === true;
    if (settings.length > 0 && !keepsSettings) {
      const options = settings.map((setting) => setting.path).join(" ");
      supervisor.log.warn("what was set ends with this upgrade: that version cannot do it", {
        options,
      });
    }
    generation = await applyConfig(supervisor, config, keepsSettings, async () => {
      const result = await supervisor.generations.change(config, sets, program, progress);
      supervisor.checkServing();
      // The statistics' process, too, is of the new program from now on, and so is every one that is replaced.
      supervisor.program = program;
      return result;
    });
    closeProgram(old);
  } catch (error) {
    if (supervisor.program !== program) closeProgram(program);
    throw error;
  }
  const facts = { from: versionOf(aboutSelf()), to: versionOf(program.about), crew: generation };
  return {
    result: { ok: true, verb: "upgrade", ...facts, warning: null },
    async finish(caller) {
      const warning = await finish(supervisor, facts, caller, progress);
      supervisor.log.warn(warning, { event: "upgrade_is_half_done" });
      return { ok: true, verb: "upgrade", ...facts, warning };
    },
  };
}

type Facts = SupervisorState["upgrade"];

/** @returns why it could not */
async function finish(
  supervisor: ChangeTarget,
  facts: Facts,
  caller: Caller | null,
  progress: Progress,
): Promise<string> {
  const { program } = supervisor;
  const problem = (reason: string): string =>
    `the workers are ${facts.to}, but the supervisor stays ${facts.from}: ${reason}`;
  let release = (): void => {};
  supervisor.migrations.rest(true);
  try {
    const state = await quietState(supervisor, facts, caller);
    if (state === null) return problem("its processes did not come to rest");
    const fd = writeState(state);
    const refusal = await rehearse(program, fd);
    closeFd(fd);
    if (refusal !== null) return problem(refusal);
    progress("the supervisor is replaced");
    release = await holdWatchedSignals();
    // Once more: meanwhile a worker may have been replaced. From here to the end nothing else runs in this process.
    const latest = await quietState(supervisor, facts, caller);
    supervisor.checkServing();
    if (latest === null) return problem("its processes did not come to rest");
    return replaceProgram(program, latest, supervisor.options.source?.runArguments ?? []);
  } catch (error) {
    return problem((error as Error).message);
  } finally {
    supervisor.migrations.rest(false);
    release();
  }
}

async function quietState(
  supervisor: ChangeTarget,
  facts: Facts,
  caller: Caller | null,
): Promise<SupervisorState | null> {
  const giveUpAtMs = performance.now() + QUIET_TIMEOUT_MS;
  while (performance.now() < giveUpAtMs) {
    const state = stateOf(supervisor, facts, caller);
    if (state !== null) return state;
    await Bun.sleep(QUIET_STEP_MS);
  }
  return null;
}

/** Null: not now. */
function stateOf(
  supervisor: ChangeTarget,
  upgradeFacts: Facts,
  caller: Caller | null,
): SupervisorState | null {
  const { resources, config, options, program } = supervisor;
  const steering = supervisor.steering.snapshot();
  const generations = supervisor.generations.snapshot();
  const admin = supervisor.admin.snapshot();
  if (generations === null || admin === undefined || !supervisor.migrations.isResting) return null;
  const { pidFile, control } = resources;
  return {
    format: commonFormat(program.about.stateFormats),
    version: VERSION,
    startedAtMs: supervisor.startedAtMs,
    servingSinceMs: supervisor.phase.sinceMs,
    programPath: program.path,
    isDaemon: options.isDaemon,
    config,
    listeners: resources.listeners.snapshot(),
    stats: resources.stats.leave(),
    crews: generations,
    admin,
    pidFile: pidFile === null ? null : { path: pidFile.path, fd: pidFile.fd },
    control: control?.socket ?? null,
    lastChange: supervisor.changes.last,
    postponed: supervisor.postponed,
    steering,
    migrationRevision: supervisor.migrations.revision,
    events: supervisor.resources.events.all,
    slowLog: supervisor.resources.slowLog.snapshot(),
    bigKeys: supervisor.resources.keys.snapshot(),
    caller: caller?.snapshot() ?? null,
    upgrade: upgradeFacts,
  };
}
