/** Children that become another user. Only root can try that; others see that it is refused. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { findUser } from "../../src/os/identity.ts";
import {
  childrenOf,
  cleanUp,
  connectClient,
  launch,
  launchReady,
  makeDirectory,
  until,
  writeConfig,
} from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(cleanUp);

const IS_ROOT = process.geteuid?.() === 0;
const NOBODY = findUser("nobody")!;

interface Identity {
  readonly uids: string;
  readonly gids: string;
}

/** Real, effective, saved and file-system numbers. */
function identityOf(pid: number): Identity {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const line = (name: string): string =>
    new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1]?.replaceAll("\t", " ") ?? "";
  return { uids: line("Uid"), gids: line("Gid") };
}

function four(number: number): string {
  return [number, number, number, number].join(" ");
}

test("children become the user, the supervisor stays root, everything works on", async () => {
  const directory = makeDirectory();
  chmodSync(directory, 0o755);
  const logFile = join(directory, "log");
  const path = join(directory, "s");
  const statsPort = freePort();
  const lines = ["user: nobody", `log: { file: ${logFile} }`, "accept: dispatch"];
  const file = writeConfig(directory, [`${path} 0600`], lines);
  const args = ["-c", file, "--workers", "2", "-a", "127.0.0.1", "-s", `${statsPort}`];
  if (!IS_ROOT) {
    const refused = launch(args);
    expect(await refused.exited).toBe(1);
    expect(refused.log()).toContain('proxy: cannot become user "nobody": only root can');
    return;
  }
  const proxy = launch(args);
  const log = (): string => readFileSync(logFile, "utf8");
  await until("it serves", () => statOrNull(logFile) !== null && log().includes(" ready "));
  const expected = { uids: four(NOBODY.uid), gids: four(NOBODY.gid) };
  const children = (): Map<string, Identity> =>
    new Map(childrenOf(proxy.pid).map(({ pid, name }) => [name, identityOf(pid)]));
  // The acceptor is started when the workers are ready, and the admin process after it.
  await until("all children are there and somebody else", () => {
    const identities = [...children().values()];
    return identities.length === 4 && identities.every(({ uids }) => uids === expected.uids);
  });
  expect([...children().keys()].sort()).toEqual([
    "proxy acceptor",
    "proxy admin",
    "proxy worker 0",
    "proxy worker 1",
  ]);
  for (const identity of children().values()) expect(identity).toEqual(expected);
  expect(identityOf(proxy.pid).uids).toBe(four(0));
  // Both were made by root, and are theirs now.
  expect(statSync(path).uid).toBe(NOBODY.uid);
  expect(statSync(logFile).uid).toBe(NOBODY.uid);
  // A worker that dies is replaced by one that is nobody, too.
  process.kill(proxy.workers().get(0)!, "SIGKILL");
  await until(
    "it is replaced",
    () => (log().match(/worker is ready child=worker/g) ?? []).length === 3,
  );
  expect(identityOf(proxy.workers().get(0)!)).toEqual(expected);

  // Rotation: root's folder, where nobody cannot create a file.
  renameSync(logFile, `${logFile}.1`);
  proxy.kill("SIGUSR1");
  await until("the log goes on", () => statOrNull(logFile) !== null);
  await until("the file is theirs", () => statSync(logFile).uid === NOBODY.uid);
  await until("everybody has it open", () => !isOpenAnywhere(proxy.pid, `${logFile}.1`));
  proxy.kill("SIGKILL");
  await until("a worker writes there", () => /worker\/0 the supervisor is gone/.test(log()));
});

test("a worker that is somebody else serves", async () => {
  const port = freePort();
  const lines = IS_ROOT ? ["user: nobody", "accept: shared"] : [];
  const proxy = await launchReady([
    "-c",
    writeConfig(makeDirectory(), [`127.0.0.1:${port}`], lines),
  ]);
  const client = await connectClient(port);
  const { pid, text } = await client.ask("hello");
  expect(text).toBe("hello");
  expect(identityOf(pid).uids).toBe(IS_ROOT ? four(NOBODY.uid) : identityOf(proxy.pid).uids);
  client.close();
});

test("names that do not exist make the start fail, in a line each", async () => {
  const lines = ["user: no-such-user", "group: no-such-group"];
  const proxy = launch(["-c", writeConfig(makeDirectory(), [`127.0.0.1:${freePort()}`], lines)]);
  expect(await proxy.exited).toBe(1);
  expect(proxy.log()).toBe(
    'proxy: user "no-such-user" does not exist\nproxy: group "no-such-group" does not exist\n',
  );
});

/** Whether the supervisor or a child of it has the file open. */
function isOpenAnywhere(supervisor: number, file: string): boolean {
  const { ino } = statSync(file);
  return [supervisor, ...childrenOf(supervisor).map(({ pid }) => pid)].some((pid) =>
    Array.from({ length: 64 }, (_, fd) => statOrNull(`/proc/${pid}/fd/${fd}`)).some(
      (found) => found?.ino === ino,
    ),
  );
}

function statOrNull(path: string) {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}
