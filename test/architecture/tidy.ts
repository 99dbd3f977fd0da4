/** What no linter rule says: words that are banned, where, and why; long files; files that nothing uses. */
import { folderOf } from "./import-ranks.ts";
import { importsOf, type SourceFile } from "./source-files.ts";

interface Ban {
  readonly pattern: RegExp;
  /** Folders of src it holds for; null: everywhere, tests too. */
  readonly folders: readonly string[] | null;
  readonly except?: readonly string[];
  readonly inComments: boolean;
  readonly instead: string;
}

const DATA_PATH = ["client", "route", "server", "protocols", "hash"];

const BANS: readonly Ban[] = [
  {
    pattern: /@ts-nocheck|@ts-ignore/,
    folders: null,
    inComments: true,
    instead: "fix the types",
  },
  {
    pattern: /\b(FIXME|TODO|XXX)\b/,
    folders: null,
    inComments: true,
    instead: "do it, or file it",
  },
  {
    // Buffer.slice aliases where Uint8Array.slice copies, and no type tells the two apart.
    pattern: /\.slice\(/,
    folders: ["*"],
    except: ["src/base/copy-of.ts"],
    inComments: false,
    instead: "subarray for a view, copyOf from src/base/copy-of.ts for a copy, substring for text",
  },
  {
    pattern: /\b(Date\.now|new Date\(\)|performance\.now|Bun\.nanoseconds|Math\.random)\b/,
    folders: DATA_PATH,
    inComments: false,
    instead: "take the time or the random number as an argument",
  },
  {
    pattern: /\b(setTimeout|setInterval|Bun\.sleep)\b/,
    folders: DATA_PATH,
    inComments: false,
    instead: "Deadlines or Schedule of src/base, as an argument",
  },
  {
    // The simulation has a whole worker follow from one seed.
    pattern: /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate)\b/,
    folders: ["worker"],
    // What has no engine: the process itself, before and beside its data plane.
    except: [
      ...["src/worker/worker.ts", "src/worker/pin.ts", "src/worker/bus-client.ts"],
      "src/worker/sweeper.ts",
    ],
    inComments: false,
    instead: "the clocks, chance and timers of Engine",
  },
  {
    pattern: /\b(async|await)\b/,
    folders: ["client", "route", "protocols"],
    // They are about servers as a whole, and no request of a client waits for them.
    except: [
      "src/protocols/redis/migrate/ask-server.ts",
      "src/protocols/redis/migrate/count-keys.ts",
      "src/protocols/settled-all.ts",
      ...["scan-server", "sweep-server", "verify-server"].map(
        (name) => `src/protocols/redis/migrate/${name}.ts`,
      ),
      ...["ask-server", "sweep-server", "verify-server"].map(
        (name) => `src/protocols/memcache/migrate/${name}.ts`,
      ),
    ],
    inComments: false,
    instead: "callbacks: a promise for each request costs more than the request",
  },
];

const LINES_MAX = 400;

/** One line for each use of a banned word. */
export function bannedWords(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    BANS.filter((ban) => applies(ban, file)).flatMap((ban) =>
      (ban.inComments ? file.text : file.code).split("\n").flatMap((line, index) => {
        const found = ban.pattern.exec(line);
        if (found === null) return [];
        return [`${file.path}:${index + 1}: "${found[0]}" is banned here; instead: ${ban.instead}`];
      }),
    ),
  );
}

function applies(ban: Ban, file: SourceFile): boolean {
  if (ban.except?.includes(file.path)) return false;
  if (ban.folders === null) return true;
  const folder = folderOf(file.path);
  return folder !== null && (ban.folders.includes("*") || ban.folders.includes(folder));
}

/** Files over the limit, generated ones apart. */
export function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => !file.path.endsWith(".generated.ts"))
    .map((file) => ({ path: file.path, lines: file.text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ path, lines }) => `${path}: ${lines} lines, at most ${LINES_MAX}`);
}

/** Files that no entry point reaches through imports. */
export function deadFiles(files: readonly SourceFile[], entryPoints: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const queue = [...entryPoints];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const imported of importsOf(file)) {
      if (imported.path !== null) queue.push(imported.path);
    }
  }
  return [...byPath.keys()].filter((path) => !reached.has(path));
}
