// What `npm start` and `npm test` need before they can do their work. Plain Node, nothing installed.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const BUN = join(ROOT, "node_modules/.bin/bun");
export const BINARY = join(ROOT, "dist/proxy");

/** A problem that the reader can act on: printed without a stack. */
export class SetupError extends Error {}

/** Debian packages the tests need, and how to see that each is there. */
const TEST_PROGRAMS = [
  { package: "redis-server", check: ["redis-server", "--version"] },
  { package: "redis-tools", check: ["redis-benchmark", "--version"] },
  { package: "beanstalkd", check: ["beanstalkd", "-v"] },
  { package: "chromium", check: ["chromium", "--version"] },
  { package: "memcached", check: ["memcached", "--version"] },
  { package: "nutcracker", check: ["nutcracker", "--version"] },
  { package: "etcd-server", check: ["etcd", "--version"] },
  { package: "etcd-client", check: ["etcdctl", "version"] },
  { package: "openssl", check: ["openssl", "version"] },
  { package: "haproxy", check: ["haproxy", "-v"] },
  { package: "prometheus", check: ["promtool", "--version"] },
  { package: "prometheus-redis-exporter", check: ["prometheus-redis-exporter", "-version"] },
  { package: "libmemcached-tools", check: ["memccapable", "-h"] },
  { package: "python3-redis", check: ["/usr/bin/python3", "-c", "import redis"] },
  { package: "python3-pymemcache", check: ["/usr/bin/python3", "-c", "import pymemcache"] },
  { package: "python3-pylibmc", check: ["/usr/bin/python3", "-c", "import pylibmc"] },
];

export function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) {
    throw new SetupError(`Node ${process.versions.node} is too old: 20 or later is needed.`);
  }
}

/** Makes node_modules what package-lock.json says, if it is not already, and makes sure that Bun runs. */
export function installPackages() {
  const reason = whyInstall();
  if (reason !== null) {
    say(`npm ci (${reason})`);
    // Install scripts are left out: only Bun has one, and it is run below, by name.
    const done = runVisibly("npm", [
      "ci",
      "--include=dev",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
    ]);
    if (done !== 0) throw new SetupError(`"npm ci" failed with exit code ${done}.`);
  }
  if (succeeds(BUN, ["--version"])) return;
  say("setting up Bun");
  runVisibly(process.execPath, [join(ROOT, "node_modules/bun/install.js")]);
  if (!succeeds(BUN, ["--version"])) {
    throw new SetupError(
      `${BUN} does not run. Remove node_modules and try again; Linux and macOS on x64 and arm64 are supported.`,
    );
  }
}

/** Why node_modules has to be installed, or null: compares what is locked with what npm says it installed. */
function whyInstall() {
  const installedFile = join(ROOT, "node_modules/.package-lock.json");
  if (!existsSync(installedFile)) return "node_modules is missing";
  const locked = readJson(join(ROOT, "package-lock.json")).packages;
  const installed = readJson(installedFile).packages;
  for (const [path, entry] of Object.entries(locked)) {
    if (path === "") continue;
    const there = installed[path];
    if (there === undefined && entry.optional === true) continue;
    if (there?.version !== entry.version) return `${path} is not ${entry.version}`;
  }
  return null;
}

/** Builds dist/proxy when it is missing or older than a source. */
export function buildWhenStale() {
  if (existsSync(BINARY)) {
    const builtAt = statSync(BINARY).mtimeMs;
    const inputs = ["build.ts", "package.json", "package-lock.json", ...filesUnder("src")];
    if (inputs.every((file) => statSync(join(ROOT, file)).mtimeMs <= builtAt)) return;
  }
  const done = runVisibly(BUN, ["build.ts"]);
  if (done !== 0) throw new SetupError(`the build failed with exit code ${done}.`);
}

/** Paths of all files under a folder, relative to the project, sorted. */
export function filesUnder(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .map((path) => path.slice(ROOT.length))
    .sort();
}

/** Installs the servers and clients that the tests run against, or says what to install. */
export function installTestPrograms() {
  const missing = () =>
    TEST_PROGRAMS.filter(({ check: [command, ...args] }) => !succeeds(command, args)).map(
      (program) => program.package,
    );
  const packages = missing();
  if (packages.length === 0) return;
  const advice = `the tests need these programs: apt-get install ${packages.join(" ")}`;
  if (process.getuid?.() !== 0 || !succeeds("apt-get", ["--version"])) {
    throw new SetupError(`${advice}\n(not done here: that takes root and apt-get)`);
  }
  say(`apt-get install ${packages.join(" ")}`);
  withoutServiceStart(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    runVisibly("apt-get", ["-qq", "update"], env);
    runVisibly("apt-get", ["-qq", "install", "-y", "--no-install-recommends", ...packages], env);
  });
  if (missing().length > 0)
    throw new SetupError(`apt-get did not install ${missing().join(" ")}: ${advice}`);
}

/** Debian starts a server as it is installed, unless policy-rc.d says no. The tests start their own. */
function withoutServiceStart(install) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) {
    install();
    return;
  }
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    install();
  } finally {
    rmSync(policy, { force: true });
  }
}

/** Runs a command where the reader sees it. Returns its exit code; 128 + n for signal n, 127 if it could not start. */
export function runVisibly(command, args, env = process.env) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.error) {
    say(`"${command}" could not be run: ${result.error.message}`);
    return 127;
  }
  return result.status ?? 128;
}

export function say(line) {
  console.log(`setup: ${line}`);
}

/** Prints a set-up problem for humans; anything else with its stack. */
export function printProblem(error) {
  console.error(error instanceof SetupError ? `setup: ${error.message}` : error);
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
