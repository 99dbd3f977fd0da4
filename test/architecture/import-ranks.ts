/** Who may import whom: a file imports from its own folder or from a strictly lower rank. */
import { importsOf, type SourceFile } from "./source-files.ts";

/** `main` is src/main.ts, which only looks at argv and starts one of the others. */
export const RANKS: Readonly<Record<string, number>> = {
  main: 6,
  cli: 5,
  supervisor: 4,
  migration: 2.5,
  worker: 4,
  admin: 4,
  acceptor: 4,
  dev: 4,
  // It runs in browsers: its files reach no process but over HTTP.
  page: 3,
  client: 3,
  route: 3,
  server: 3,
  topology: 3,
  protocols: 3,
  // They use what protocols share.
  modules: 3.5,
  hash: 2,
  metrics: 2,
  config: 2,
  engine: 2,
  os: 1,
  api: 1,
  base: 0,
};

/** "session" for src/client/x.ts, "main" for src/main.ts; null outside of src. */
export function folderOf(path: string): string | null {
  const [top, folder, ...rest] = path.split("/");
  if (top !== "src" || folder === undefined) return null;
  return rest.length === 0 ? folder.replace(/\.ts$/, "") : folder;
}

/** One line for each import that breaks the rule. */
export function rankBreaches(files: readonly SourceFile[], packages: readonly string[]): string[] {
  return files.flatMap((file) => {
    const from = folderOf(file.path);
    const rank = from === null ? undefined : RANKS[from];
    if (rank === undefined) return [`${file.path}: its folder has no rank`];
    return importsOf(file).flatMap(({ specifier, path }) => {
      if (path === null) return packageBreach(file, specifier, packages);
      if (path === "package.json") return [];
      const to = folderOf(path);
      const otherRank = to === null ? undefined : RANKS[to];
      if (to === from || (otherRank !== undefined && otherRank < rank)) return [];
      return [`${file.path} (rank ${rank}) imports ${path} (rank ${otherRank ?? "none"})`];
    });
  });
}

function packageBreach(file: SourceFile, specifier: string, packages: readonly string[]): string[] {
  if (/^(node|bun):/.test(specifier) || specifier === "bun") return [];
  // The API that modules import, of which the core only knows the types.
  if (specifier === "proxy/module" || specifier === "proxy/module/test") return [];
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.includes(name) ? [] : [`${file.path} imports "${specifier}", no dependency`];
}

/** Folders that know protocols only as ProtocolModules. */
export const FREE_OF_PROTOCOLS: readonly string[] = [
  "client",
  "server",
  "route",
  "topology",
  "worker",
  "supervisor",
];

const PROTOCOL_REGISTRY = "src/protocols/registry.ts";
const PROTOCOL_NAME = /\b\w*(?:redis|memcache)\w*\b/gi;

/** One line for each import and each identifier by which a file of FREE_OF_PROTOCOLS names a protocol. */
export function protocolsNamed(files: readonly SourceFile[]): string[] {
  const free = files.filter(({ path }) => FREE_OF_PROTOCOLS.includes(folderOf(path) ?? ""));
  return free.flatMap((file) => {
    const imported = importsOf(file)
      .filter(({ path }) => path?.startsWith("src/protocols/") && path !== PROTOCOL_REGISTRY)
      .map(({ path }) => `${file.path} imports ${path}`);
    const named = [...file.code.matchAll(PROTOCOL_NAME)].map(([name]) => `${file.path}: ${name}`);
    return [...imported, ...named];
  });
}

/** The one file that chooses the engine; what others need of it is in src/api/engine.ts. */
const ENGINE_CHOSEN_IN: readonly string[] = ["src/worker/start-engine.ts"];

/** One line for each file of the data plane that does not take its engine from outside. */
export function enginesNamed(files: readonly SourceFile[]): string[] {
  const free = files.filter(({ path }) =>
    ["client", "server", "route", "topology", "protocols", "worker"].includes(folderOf(path) ?? ""),
  );
  return free
    .filter(({ path }) => !ENGINE_CHOSEN_IN.includes(path))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ path }) => path?.startsWith("src/engine/") && !path.includes("control-channel"))
        .map(({ path }) => `${file.path} imports ${path}`),
    );
}
