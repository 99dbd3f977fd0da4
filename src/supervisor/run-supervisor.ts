/** Makes a supervisor of this process: a new one, or one that goes on where the program before it was. */
import type { Config } from "../api/config.ts";
import type { ControlReply } from "../api/control-socket.ts";
import { exitOnFault } from "../base/fatal.ts";
import type { Logger, ProcessLogger } from "../base/log.ts";
import { resumeControlChannel } from "../engine/bun/control-channel.ts";
import { listenerOf } from "../os/listen-socket.ts";
import { openProcessLog } from "../os/log-output.ts";
import { OsError } from "../os/os-error.ts";
import { setProcessName } from "../os/process.ts";
import { callerOn, controlSocketPath } from "./control/control-server.ts";
import { EventRing } from "./events.ts";
import { wantedSets } from "./generation/wanted-sets.ts";
import { KeyStatistics } from "./inspection/key-statistics.ts";
import { SlowFile } from "./inspection/slow-file.ts";
import { SlowLog } from "./inspection/slow-log.ts";
import { reportLeftBehind } from "./program/left-behind.ts";
import type { SupervisorState } from "./program/supervisor-state.ts";
import { endTrials } from "./program/trial-run.ts";
import { takeActivatedSockets } from "./sockets/activation.ts";
import { Listeners } from "./sockets/listeners.ts";
import { RUNNING_ADVICE, StartError } from "./start-error.ts";
import { StatsStore } from "./stats/stats-store.ts";
import { Supervisor } from "./supervisor.ts";
import type { Resources, SupervisorOptions } from "./supervisor-options.ts";
import { raiseLimit } from "./system/open-file-limit.ts";
import { adoptPidFile, claimPidFile } from "./system/pid-file.ts";
import { resolveRunAs } from "./system/run-as.ts";
import { createServiceManager } from "./system/service-manager.ts";
import { tellZone } from "./system/tell-zone.ts";

/**
 * Runs the proxy until a signal or a command ends it.
 * @returns the exit code. @throws StartError when it cannot start; nothing is left running then.
 */
export async function runSupervisor(config: Config, options: SupervisorOptions): Promise<number> {
  const events = new EventRing();
  const log = openLog(config, events);
  exitOnFault(log);
  setProcessName("proxy");
  raiseLimit(config, log);
  tellZone(config, log);
  const runAs = resolveRunAs(config);
  log.giveTo(runAs);
  const slowFile = openSlowFile(config);
  const pidFile = config.pidFile === null ? null : claimPidFile(config.pidFile);
  const resources: Resources = {
    listeners: new Listeners([], takeActivatedSockets(process.env)),
    stats: new StatsStore(),
    events,
    slowLog: new SlowLog(undefined, slowFile),
    keys: new KeyStatistics(undefined),
    manager: createServiceManager(process.env, log),
    pidFile,
    control: null,
  };
  try {
    const supervisor = new Supervisor({ config, options, log, resources, runAs, state: null });
    // Before anything else is visible of it, so that another proxy on the same addresses is told first.
    await prepareListeners(resources, config);
    resources.control = openControl(supervisor, config, log);
    resources.pidFile?.write();
    return await supervisor.run();
  } catch (error) {
    // A limit of the system, met before anything ran.
    const isSystems = error instanceof OsError || (error instanceof Error && "syscall" in error);
    throw isSystems ? new StartError([error.message]) : error;
  } finally {
    release(resources);
  }
}

/** Goes on with everything that the program before this one left. @returns the exit code */
export async function resumeSupervisor(
  state: SupervisorState,
  options: SupervisorOptions,
): Promise<number> {
  const { config } = state;
  const events = new EventRing(state.events);
  const log = openLog(config, events);
  exitOnFault(log);
  setProcessName("proxy");
  const resources: Resources = {
    listeners: new Listeners(state.listeners),
    stats: new StatsStore(state.stats),
    events,
    slowLog: new SlowLog(state.slowLog, new SlowFile()),
    keys: new KeyStatistics(state.bigKeys),
    manager: createServiceManager(process.env, log),
    pidFile: state.pidFile === null ? null : adoptPidFile(state.pidFile),
    control: null,
  };
  try {
    reportLeftBehind(state, log);
    const supervisor = new Supervisor({ config, options, log, resources, runAs: null, state });
    if (state.control !== null) resources.control = supervisor.serveControl(state.control);
    answerCaller(state);
    return await supervisor.run();
  } finally {
    release(resources);
  }
}

/** Addresses that are in use may be those of a proxy that runs with this very configuration: then that is the first thing to say. */
async function prepareListeners({ listeners }: Resources, config: Config): Promise<void> {
  try {
    await listeners.prepare(config, wantedSets(config));
  } catch (error) {
    const path = controlSocketPath(config);
    const pid = path === null ? null : listenerOf(path);
    if (pid === null) throw error;
    const running = `a proxy runs already with this configuration, pid ${pid}; ${RUNNING_ADVICE}`;
    const others = error instanceof StartError ? error.problems : [(error as Error).message];
    throw new StartError([running, ...others]);
  }
}

/** The command that asked the program before this one for the upgrade still waits. */
function answerCaller({ caller, upgrade }: SupervisorState): void {
  if (caller === null) return;
  const channel = resumeControlChannel<unknown, ControlReply>(caller, {
    onMessage() {},
    onClose() {},
  });
  callerOn(channel).result({ ok: true, verb: "upgrade", ...upgrade, warning: null });
}

/** One that is named must work; one that was only derived is a convenience. */
function openControl(supervisor: Supervisor, config: Config, log: Logger): Resources["control"] {
  try {
    return supervisor.openControl(config);
  } catch (error) {
    const { message } = error as Error;
    if (config.control !== null) throw new StartError([`control: ${message}`]);
    log.warn(`no control socket, so only signals reach this proxy: ${message}`, {
      event: "no_control_socket",
    });
    return null;
  }
}

function release(resources: Resources): void {
  endTrials();
  resources.manager.close();
  resources.listeners.close();
  resources.control?.shutDown();
  resources.pidFile?.remove();
}

function openLog(config: Config, events: EventRing): ProcessLogger {
  const process = "supervisor";
  try {
    return openProcessLog({
      ...{ ...config.log, process },
      hear: (level, line, event) => events.add(process, level, line, event),
    });
  } catch (error) {
    throw new StartError([(error as Error).message]);
  }
}

function openSlowFile({ log }: Config): SlowFile {
  const file = new SlowFile();
  try {
    file.follow(log);
    return file;
  } catch (error) {
    throw new StartError([(error as Error).message]);
  }
}
