/**
 * Builds the executable: `bun build.ts [--all] [--out DIR]`.
 *
 * Without `--all`: dist/proxy for this machine. With it: Linux on x64 and arm64, for glibc and musl, and
 * SHA256SUMS. The other targets' Bun comes from the same npm packages that package-lock.json pins, checked
 * against the lock file's integrity, and stays in node_modules/.cache.
 *
 * The sources' names and lines are inside the executable (stack traces name them), so it is one file.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import packageJson from "./package.json" with { type: "json" };

interface Target {
  /** File name in the output folder. */
  readonly name: string;
  readonly bunTarget:
    | "bun-linux-x64"
    | "bun-linux-arm64"
    | "bun-linux-x64-musl"
    | "bun-linux-arm64-musl";
  /** The npm package that carries this target's Bun. */
  readonly bunPackage: string;
}

const ROOT = import.meta.dir;
const BUN_VERSION = packageJson.devDependencies.bun;

const TARGETS: readonly Target[] = [
  { name: "proxy-linux-x64", bunTarget: "bun-linux-x64", bunPackage: "@oven/bun-linux-x64" },
  {
    name: "proxy-linux-arm64",
    bunTarget: "bun-linux-arm64",
    bunPackage: "@oven/bun-linux-aarch64",
  },
  {
    name: "proxy-linux-x64-musl",
    bunTarget: "bun-linux-x64-musl",
    bunPackage: "@oven/bun-linux-x64-musl",
  },
  {
    name: "proxy-linux-arm64-musl",
    bunTarget: "bun-linux-arm64-musl",
    bunPackage: "@oven/bun-linux-aarch64-musl",
  },
];

/** A problem that the reader can act on: printed without a stack. */
class BuildError extends Error {}

async function main(): Promise<void> {
  const { all, outDir } = readArguments(process.argv.slice(2));
  if (Bun.version !== BUN_VERSION) {
    throw new BuildError(
      `this is Bun ${Bun.version}, but package.json pins ${BUN_VERSION}: run "npm run build", which uses the pinned one`,
    );
  }
  await mkdir(outDir, { recursive: true });
  const commit = readCommit();
  console.log(`build: proxy ${packageJson.version}, commit ${commit}, Bun ${BUN_VERSION}`);
  if (!all) {
    await compile({ name: "proxy", executable: null, commit, outDir });
    return;
  }
  const sums: string[] = [];
  for (const target of TARGETS) {
    const executable = await fetchBun(target);
    const file = await compile({ name: target.name, executable, commit, outDir, target });
    const hash = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    sums.push(`${hash}  ${target.name}\n`);
  }
  await writeFile(join(outDir, "SHA256SUMS"), sums.join(""));
  console.log(`build: ${show(join(outDir, "SHA256SUMS"))}`);
}

function readArguments(args: string[]): { all: boolean; outDir: string } {
  let all = false;
  let outDir = join(ROOT, "dist");
  for (let at = 0; at < args.length; at++) {
    const argument = args[at];
    if (argument === "--all") {
      all = true;
    } else if (argument === "--out" && args[at + 1] !== undefined) {
      at += 1;
      outDir = resolve(args[at] ?? "");
    } else {
      throw new BuildError(
        `"${argument}" is not understood. Usage: bun build.ts [--all] [--out DIR]`,
      );
    }
  }
  return { all, outDir };
}

/** The commit that is built, "-dirty" when tracked files differ from it, "unknown" outside of git. */
function readCommit(): string {
  const git = (...args: string[]): string | null => {
    const run = Bun.spawnSync(["git", ...args], { cwd: ROOT, stderr: "ignore" });
    return run.success ? run.stdout.toString().trim() : null;
  };
  try {
    const commit = git("rev-parse", "--short=12", "HEAD");
    if (commit === null) return "unknown";
    return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}-dirty`;
  } catch {
    return "unknown"; // git is not installed
  }
}

interface CompileJob {
  readonly name: string;
  /** Bun to put the program into; null: the one that runs this script. */
  readonly executable: string | null;
  readonly commit: string;
  readonly outDir: string;
  readonly target?: Target;
}

/** Compiles into a folder of its own and renames, so that an executable in use can be replaced. */
async function compile(job: CompileJob): Promise<string> {
  const startedAt = performance.now();
  const file = join(job.outDir, job.name);
  const scratch = await mkdtemp(join(job.outDir, ".build-"));
  try {
    const result = await Bun.build({
      entrypoints: [join(ROOT, "src/main.ts")],
      target: "bun",
      format: "esm",
      // A worker that is respawned serves in half the time.
      bytecode: true,
      // Each process loads only what its role needs.
      splitting: true,
      // Names stay as they are: a stack trace should name the function that its reader finds in the source.
      minify: { whitespace: true, syntax: true, identifiers: false },
      sourcemap: "inline",
      define: {
        BUILD_VERSION: JSON.stringify(packageJson.version),
        BUILD_COMMIT: JSON.stringify(job.commit),
      },
      throw: false,
      compile: {
        ...(job.target ? { target: job.target.bunTarget } : {}),
        ...(job.executable ? { executablePath: job.executable } : {}),
        outfile: join(scratch, job.name),
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    });
    if (!result.success) {
      throw new BuildError(
        `src/main.ts does not compile:\n${result.logs.map((log) => Bun.inspect(log)).join("\n")}`,
      );
    }
    await chmod(join(scratch, job.name), 0o755);
    await rename(join(scratch, job.name), file);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const mebibytes = (Bun.file(file).size / 2 ** 20).toFixed(1);
  const ms = Math.round(performance.now() - startedAt);
  console.log(`build: ${show(file)}, ${mebibytes} MiB, ${ms} ms`);
  return file;
}

/** Path of a target's Bun: from node_modules, from the cache, or from its npm package. */
async function fetchBun(target: Target): Promise<string> {
  const installed = join(ROOT, "node_modules", target.bunPackage);
  if (existsSync(join(installed, "bin/bun"))) {
    const { version } = (await Bun.file(join(installed, "package.json")).json()) as {
      version: string;
    };
    if (version === BUN_VERSION) return join(installed, "bin/bun");
  }
  const cache = join(ROOT, "node_modules/.cache/bun", `${target.bunTarget}-${BUN_VERSION}`);
  const executable = join(cache, "package/bin/bun");
  if (existsSync(executable)) return executable;
  console.log(`build: getting ${target.bunPackage}@${BUN_VERSION} (once, about 50 MB)`);
  const partial = `${cache}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  run(["npm", "pack", "--silent", `${target.bunPackage}@${BUN_VERSION}`], partial);
  const tarball = (await readdir(partial)).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new BuildError(`npm pack ${target.bunPackage} made no file`);
  await checkIntegrity(target, join(partial, tarball));
  run(["tar", "-xzf", tarball], partial);
  await rm(join(partial, tarball));
  await rm(cache, { recursive: true, force: true });
  await rename(partial, cache);
  return executable;
}

async function checkIntegrity(target: Target, tarball: string): Promise<void> {
  const lock = (await Bun.file(join(ROOT, "package-lock.json")).json()) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  const locked = lock.packages[`node_modules/${target.bunPackage}`];
  if (locked?.version !== BUN_VERSION || locked.integrity === undefined) {
    throw new BuildError(`package-lock.json does not pin ${target.bunPackage}@${BUN_VERSION}`);
  }
  const hash = createHash("sha512")
    .update(await readFile(tarball))
    .digest("base64");
  if (locked.integrity !== `sha512-${hash}`) {
    throw new BuildError(
      `${target.bunPackage}@${BUN_VERSION} is not what package-lock.json pins: expected ${locked.integrity}, got sha512-${hash}`,
    );
  }
}

function run(command: string[], cwd: string): void {
  const result = Bun.spawnSync(command, { cwd, stderr: "pipe" });
  if (result.success) return;
  const detail = `${result.stderr.toString()}${result.stdout.toString()}`.trim();
  throw new BuildError(
    `"${command.join(" ")}" failed with exit code ${result.exitCode}:\n${detail}`,
  );
}

/** A path as its reader would type it. */
function show(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

main().catch((error: unknown) => {
  console.error(error instanceof BuildError ? `build: ${error.message}` : error);
  process.exitCode = 1;
});
