/**
 * What another user of the machine can do to a proxy that is root: through folders that are that user's, files that it may
 * read, and paths that it may name. Only root can try it.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { findUser } from "../../src/os/identity.ts";
import { isAlive, until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { plainCommand, startPlain, writePlain } from "../support/plain-proxy.ts";
import { proxyCommand } from "../support/proxy-process.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(60_000);
afterEach(stopAll);

const IS_ROOT = process.geteuid?.() === 0;
const NOBODY = findUser("nobody")!;
const IDENTITY = JSON.stringify(join(import.meta.dir, "../../src/os/identity.ts"));
const FD = JSON.stringify(join(import.meta.dir, "../../src/os/fd.ts"));

interface Ground {
  /** Root's. */
  readonly directory: string;
  /** The other user's, in root's. */
  readonly theirs: string;
  /** Root's file that the other user may not touch. */
  readonly secret: string;
}

function ground(): Ground {
  const directory = makeDirectory("local-users");
  chmodSync(directory, 0o755);
  const theirs = join(directory, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, NOBODY.uid, NOBODY.gid);
  const secret = join(directory, "secret");
  writeFileSync(secret, "12345 is secret\n", { mode: 0o600 });
  return { directory, theirs, secret };
}

/** A link as the other user makes it. */
function theirLink(target: string, path: string): void {
  symlinkSync(target, path);
  // The link itself, not its target.
  Bun.spawnSync(["chown", "-h", `${NOBODY.uid}:${NOBODY.gid}`, path]);
}

function untouched({ secret }: Ground): void {
  expect(readFileSync(secret, "utf8")).toBe("12345 is secret\n");
  const { uid, mode } = statSync(secret);
  expect(uid).toBe(0);
  expect(mode & 0o777).toBe(0o600);
}

const STARTS: readonly (readonly [
  name: string,
  option: (path: string) => string,
  link: (ground: Ground) => string,
  reason: string,
])[] = [
  ["log file", logTo, fileLink, "is a symbolic link that user"],
  ["log file's folder", logTo, folderLink, "is a symbolic link that user"],
  ["log file with two names", logTo, secondName, "2 names"],
  ["pid file", pidTo, fileLink, "is a symbolic link that user"],
  ["pid file's folder", pidTo, folderLink, "is a symbolic link that user"],
  ["pid file with two names", pidTo, secondName, "2 names"],
  ["control socket", controlTo, fileLink, "is a symbolic link that user"],
  ["control socket's folder", controlTo, folderLink, "is a symbolic link that user"],
];

function logTo(path: string): string {
  return `log: { file: ${path} }`;
}

function pidTo(path: string): string {
  return `pid_file: ${path}`;
}

function controlTo(path: string): string {
  return `control: ${path}`;
}

function fileLink({ theirs, secret }: Ground): string {
  const path = join(theirs, "link");
  theirLink(secret, path);
  return path;
}

function folderLink({ directory, theirs }: Ground): string {
  const folder = join(theirs, "folder");
  mkdirSync(join(directory, "private"), { mode: 0o700 });
  theirLink(join(directory, "private"), folder);
  return join(folder, "file");
}

function secondName({ theirs, secret }: Ground): string {
  const path = join(theirs, "link");
  linkSync(secret, path);
  return path;
}

describe.if(IS_ROOT)("before a proxy that is root", () => {
  test.each(STARTS)(
    "root does not follow another user's link: %s",
    async (_name, option, link, reason) => {
      const place = ground();
      const path = link(place);
      const proxy = startPlain(place.directory, ["user: nobody", option(path)], {
        args: option === controlTo ? ["--control", path] : [],
      });
      const isServing = await proxy.serves();
      untouched(place);
      const hidden = join(place.directory, "private");
      if (link === folderLink) expect(readdirSync(hidden)).toEqual([]);
      expect(isServing).toBe(false);
      expect(await proxy.exited).toBe(1);
      expect(proxy.output()).toContain(reason);
    },
  );

  test("a unix socket's link is not followed either", async () => {
    const place = ground();
    const proxy = startPlain(place.directory, ["user: nobody"], {
      listen: `${folderLink(place)} 0666`,
    });
    expect(await proxy.serves()).toBe(false);
    expect(proxy.output()).toContain("is a symbolic link that user");
    expect(readdirSync(join(place.directory, "private"))).toEqual([]);
  });

  test("a log file that became a link is not opened again", async () => {
    const place = ground();
    const log = join(place.theirs, "log");
    const proxy = startPlain(place.directory, ["user: nobody", logTo(log)]);
    expect(await proxy.serves()).toBe(true);
    expect(statSync(log).uid).toBe(NOBODY.uid);
    renameSync(log, `${log}.1`);
    theirLink(place.secret, log);
    process.kill(proxy.pid, "SIGUSR1");
    const old = (): string => readFileSync(`${log}.1`, "utf8");
    await until("it is said", () => old().includes("log files were opened again"));
    untouched(place);
    expect(old()).toContain("is a symbolic link that user");
    expect(old()).toContain("the old log file stays in use");
    // The supervisor heard the signal first; the worker says the same of itself, and a new file is opened by both.
    unlinkSync(log);
    process.kill(proxy.pid, "SIGUSR1");
    await until(
      "there is a new one",
      () => statSync(log, { throwIfNoEntry: false })?.uid === NOBODY.uid,
    );
  });

  test("a socket file that was replaced is left alone by a reload", async () => {
    const place = ground();
    const path = join(place.theirs, "s");
    const proxy = startPlain(place.directory, ["user: nobody"], { listen: `${path} 0600` });
    expect(await proxy.serves()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).uid).toBe(NOBODY.uid);
    unlinkSync(path);
    theirLink(place.secret, path);
    const tcp = /listen: (127\S+)/.exec(readFileSync(proxy.configFile, "utf8"))?.[1] ?? "";
    writePlain(proxy.configFile, ["user: nobody"], [tcp, `${path} 0666`]);
    await plainCommand(proxy.configFile, "reload");
    untouched(place);
    await plainCommand(proxy.configFile, "stop");
    untouched(place);
  });

  test("links that root made are followed, and descriptors are logs", async () => {
    const place = ground();
    const real = join(place.directory, "real");
    mkdirSync(real);
    symlinkSync(real, join(place.directory, "linked"));
    symlinkSync("/dev/stderr", join(place.directory, "to-stderr"));
    const targets: readonly (readonly [string, (output: string) => string])[] = [
      [join(place.directory, "linked/log"), () => readFileSync(join(real, "log"), "utf8")],
      [join(place.directory, "to-stderr"), (output) => output],
      ["/dev/stdout", (output) => output],
      ["/dev/stderr", (output) => output],
      ["/proc/self/fd/2", (output) => output],
    ];
    for (const [target, written] of targets) {
      const proxy = startPlain(place.directory, ["user: nobody", logTo(target)]);
      expect(await proxy.serves()).toBe(true);
      process.kill(proxy.pid, "SIGUSR1");
      await until("it is written", () =>
        written(proxy.output()).includes("log files were opened again"),
      );
      expect(written(proxy.output())).not.toContain("stays in use");
      await stopAll();
    }
    // It is in a folder where root alone makes files, so it was given to the workers' user.
    expect(statSync(join(real, "log")).uid).toBe(NOBODY.uid);
  });

  test("another user's lock on the pid file does not keep the proxy from starting", async () => {
    const place = ground();
    const path = join(place.directory, "pid");
    const killed = startPlain(place.directory, [pidTo(path)]);
    expect(await killed.serves()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    process.kill(killed.pid, "SIGKILL");
    await killed.exited;
    const locker = await lockAs(path, NOBODY);
    const proxy = startPlain(place.directory, [pidTo(path)]);
    expect(await proxy.serves()).toBe(true);
    expect(readFileSync(path, "utf8")).toBe(`${proxy.pid}\n`);
    // It is the proxy's own lock that counts now.
    const second = Bun.spawnSync([...proxyCommand(), "-c", proxy.configFile]);
    expect(second.stderr.toString()).toContain(`running with pid ${proxy.pid}`);
    expect(second.exitCode).toBe(1);
    expect(isAlive(locker)).toBe(true);
  });

  const WEAK: readonly (readonly [
    name: string,
    prepare: (place: Ground) => string,
    reason: string,
  ])[] = [
    [
      "a file that everybody may write",
      (place) => program(place.directory, 0o777),
      "every user may write to file",
    ],
    [
      "another user's file",
      (place) => {
        const path = program(place.directory, 0o755);
        chownSync(path, NOBODY.uid, NOBODY.gid);
        return path;
      },
      "belongs to user",
    ],
    ["a file in another user's folder", (place) => program(place.theirs, 0o755), "folder"],
    [
      "a file in a folder that everybody may write to",
      (place) => {
        const folder = join(place.directory, "open");
        mkdirSync(folder);
        chmodSync(folder, 0o777);
        return program(folder, 0o755);
      },
      "every user may write to folder",
    ],
    [
      "another user's link to a good file",
      (place) => {
        const folder = join(place.directory, "sticky");
        mkdirSync(folder);
        chmodSync(folder, 0o1777);
        theirLink(program(place.directory, 0o755), join(folder, "link"));
        return join(folder, "link");
      },
      "is a symbolic link that user",
    ],
  ];

  test.each(WEAK)("an upgrade does not run %s, unless told to", async (_name, prepare, reason) => {
    const place = ground();
    const proxy = startPlain(place.directory, []);
    expect(await proxy.serves()).toBe(true);
    const path = prepare(place);
    const { code, errors } = await plainCommand(proxy.configFile, "upgrade", path);
    expect(readdirSync(place.directory)).not.toContain("ran");
    expect(errors).toContain(reason);
    expect(errors).toContain("--trust");
    expect(code).toBe(1);
    await plainCommand(proxy.configFile, "upgrade", "--trust", path);
    expect(readdirSync(place.directory)).toContain("ran");
  });

  test("root's file in a sticky folder is run", async () => {
    const place = ground();
    const folder = join(place.directory, "sticky");
    mkdirSync(folder);
    chmodSync(folder, 0o1777);
    const proxy = startPlain(place.directory, []);
    expect(await proxy.serves()).toBe(true);
    await plainCommand(proxy.configFile, "upgrade", program(folder, 0o755, place.directory));
    expect(readdirSync(place.directory)).toContain("ran");
  });

  test("the program at the proxy's own path is not run either when another user may change it", async () => {
    const [binary = ""] = proxyCommand();
    const place = ground();
    const own = join(place.directory, "proxy");
    copyFileSync(binary, own);
    chmodSync(own, 0o755);
    writePlain(join(place.directory, "proxy.yaml"), [], [`127.0.0.1:${freePort()}`]);
    const child = Bun.spawn(
      [
        own,
        ...proxyCommand().toSpliced(0, 1),
        "-c",
        join(place.directory, "proxy.yaml"),
        "--control",
        join(place.directory, "control"),
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    stops.push(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    await until("it listens for commands", () => readdirSync(place.directory).includes("control"));
    unlinkSync(own);
    program(place.directory, 0o777, place.directory, "proxy");
    const upgrade = (): Promise<{ readonly errors: string }> =>
      plainCommand(join(place.directory, "proxy.yaml"), "upgrade");
    let { errors } = await upgrade();
    while (errors.includes("the proxy is starting")) ({ errors } = await upgrade());
    expect(errors).toContain("every user may write to file");
    expect(readdirSync(place.directory)).not.toContain("ran");
  });
});

/** A script that leaves a trace where root's files are, and is no proxy. */
function program(folder: string, mode: number, trace = folder, name = "program"): string {
  const path = join(folder, name);
  const root = trace.endsWith("theirs") || trace.endsWith("open") ? join(trace, "..") : trace;
  writeFileSync(path, `#!/bin/sh\ntouch '${join(root, "ran")}'\n`);
  chmodSync(path, mode);
  return path;
}

/** @returns the number of a process of that user which holds the lock, until the end of the test */
async function lockAs(path: string, user: { uid: number; gid: number }): Promise<number> {
  const script = `
    import { openSync } from "node:fs";
    import { assumeIdentity } from ${IDENTITY};
    import { tryLock } from ${FD};
    assumeIdentity({ ...${JSON.stringify(user)}, groups: [] });
    console.log(tryLock(openSync(${JSON.stringify(path)}, "r")) ? "locked" : "not locked");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  stops.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  for await (const chunk of child.stdout) {
    expect(new TextDecoder().decode(chunk)).toBe("locked\n");
    break;
  }
  return child.pid;
}
