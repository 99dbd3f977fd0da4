/** A reload: the configuration file is read again, and a new generation serves what it says. */
import type { Config } from "../../api/config.ts";
import type { ControlResult, RingChange } from "../../api/control-socket.ts";
import { areSameSets } from "../../config/worker-sets.ts";
import { type ControlServer, controlSocketPath } from "../control/control-server.ts";
import type { Progress } from "../generation/generation-change.ts";
import { wantedSets } from "../generation/wanted-sets.ts";
import { askConfig } from "../program/program.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { raiseLimit } from "../system/open-file-limit.ts";
import { claimPidFile, type PidFile } from "../system/pid-file.ts";
import { tellZone } from "../system/tell-zone.ts";
import { describeChanges, ringChanges } from "./describe-changes.ts";

/** @throws StartError with everything that is wrong: then nothing has changed */
export async function reload(
  supervisor: ChangeTarget,
  isDryRun: boolean,
  progress: Progress,
): Promise<ControlResult> {
  const { source } = supervisor.options;
  if (source === null) throw new StartError(["this proxy has no configuration file to read again"]);
  const { file } = supervisor.config;
  if (file === null) throw new StartError(["this proxy has no configuration file to read again"]);
  // In a process of its own: the file may be long, or on a disk that does not answer.
  const answer = await askConfig(supervisor.program, file, source.runArguments);
  if ("problems" in answer) throw new StartError(answer.problems);
  const { config, warnings } = answer;
  supervisor.migrations.check(config);
  // Values that were set are dropped, so their ends are among the changes.
  const lines = describeChanges(supervisor.running, config);
  const rings = isDryRun ? await estimate(supervisor, config) : [];
  const changes = { lines, warnings, rings };
  const sets = wantedSets(config);
  const running = supervisor.generations.serving?.plan.sets ?? [];
  const isSame = lines.length === 0 && areSameSets(running, sets);
  if (isDryRun || (isSame && !supervisor.isPaused)) {
    if (!isDryRun) {
      supervisor.steering.keepSaved();
      await supervisor.migrations.prepare(config, supervisor.config);
      supervisor.migrations.commit(config);
    }
    return { ok: true, verb: "reload", changes, crew: null };
  }
  const generation = await applyConfig(supervisor, config, false, async () => {
    const result = await supervisor.generations.change(config, sets, supervisor.program, progress);
    supervisor.checkServing();
    return result;
  });
  return { ok: true, verb: "reload", changes, crew: generation };
}

/** How many keys get another server, and what moves along. */
async function estimate(
  { config: before, generations }: ChangeTarget,
  config: Config,
): Promise<RingChange[]> {
  const changes = await ringChanges(before, config);
  const estimates = changes.map(async (change): Promise<RingChange> => {
    const { pool, movedShare } = change;
    if (config.pools.find(({ name }) => name === pool)?.migrate !== true) return change;
    const counts = await generations.inspector.keyCounts(pool);
    if (counts === null) return change;
    const keys = Math.round(counts.keys * movedShare);
    const seconds = Math.ceil(keys / counts.keysPerSecond);
    return { ...change, moving: { keys, bytes: Math.round(counts.bytes * movedShare), seconds } };
  });
  return await Promise.all(estimates);
}

/**
 * Takes what `config` names anew beside what there is (pid file, control socket), has `change` done, and then lets go of
 * the old; on failure of the new. @param keepsSettings see ChangeTarget.commit. @throws StartError
 */
export async function applyConfig<Result>(
  supervisor: ChangeTarget,
  config: Config,
  keepsSettings: boolean,
  change: () => Promise<Result>,
): Promise<Result> {
  const { resources } = supervisor;
  let pidFile: PidFile | null = null;
  let control: ControlServer | null = null;
  const hasNewPidFile = config.pidFile !== supervisor.config.pidFile;
  const hasNewControl = controlSocketPath(config) !== controlSocketPath(supervisor.config);
  try {
    if (hasNewPidFile && config.pidFile !== null) pidFile = claimPidFile(config.pidFile);
    if (hasNewControl) control = supervisor.openControl(config);
    raiseLimit(config, supervisor.log);
    tellZone(config, supervisor.log);
    await supervisor.migrations.prepare(config, supervisor.config);
    const result = await change();
    if (hasNewPidFile) {
      resources.pidFile?.remove();
      resources.pidFile = pidFile;
      pidFile?.write();
    }
    if (hasNewControl) {
      resources.control?.close();
      resources.control = control;
    }
    supervisor.commit(config, keepsSettings);
    supervisor.migrations.commit(config);
    return result;
  } catch (error) {
    supervisor.migrations.abandon();
    pidFile?.remove();
    control?.close();
    throw error instanceof StartError ? error : new StartError([(error as Error).message]);
  }
}
