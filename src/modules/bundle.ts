/**
 * A module's file, and what it imports from beside it, becomes one text of JavaScript. It is made once, when the configuration
 * is read: all workers run the same code, also one that is started anew while the file is being changed.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { MODULE_CODE_BYTES_MAX } from "../base/limits.ts";
import { findPlace, O_CLOEXEC, O_PATH, UnsafePathError, weaknessOf } from "../os/safe-path.ts";

export interface Bundle {
  readonly code: string;
  /** Of the code, in hexadecimal. */
  readonly hash: string;
}

/** @returns the code, or what is wrong as a sentence */
export async function bundleModule(path: string): Promise<Bundle | string> {
  const problem = weaknessAt(path);
  if (problem !== null) return problem;
  const built = await Bun.build({
    ...{ entrypoints: [path], target: "bun", format: "esm", sourcemap: "inline" },
    ...{ external: ["proxy/module", "proxy/module/*", "bun:*"], throw: false, metafile: true },
  } as Bun.BuildConfig);
  const [output] = built.outputs;
  if (!built.success || output === undefined) {
    return built.logs.map((log) => logText(log)).join("; ") || "it cannot be read";
  }
  const { metafile } = built as unknown as { metafile?: { inputs: Record<string, unknown> } };
  for (const input of Object.keys(metafile?.inputs ?? {})) {
    const weakness = weaknessAt(resolve(input));
    if (weakness !== null) return `${input}: ${weakness}`;
  }
  const code = await output.text();
  if (code.length > MODULE_CODE_BYTES_MAX) {
    return `its code, with what it imports, has more than ${MODULE_CODE_BYTES_MAX} bytes`;
  }
  return { code, hash: new Bun.CryptoHasher("sha256").update(withoutIds(code)).digest("hex") };
}

/** What the bundler adds for debuggers differs each time. */
function withoutIds(code: string): string {
  return code.replace(/^\/\/# (debugId|sourceMappingURL)=.*$/gm, "");
}

function logText(log: unknown): string {
  const { message, position } = log as {
    message: string;
    position: { file: string; line: number; column: number } | null;
  };
  // The bundler's own advice is a command that only users of Bun have.
  const told = message.replace(
    /\. Maybe you need to "bun install"\?$/,
    ": packages are looked for in node_modules beside the module",
  );
  return position === null
    ? told
    : `${told} (${position.file}:${position.line}:${position.column})`;
}

/** Why a file is not to be run: it is not there, or other users may change it. Null: it may. */
function weaknessAt(path: string): string | null {
  try {
    const place = findPlace(path, { isStrict: true, followsAll: true });
    try {
      const fd = openSync(place.at, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW);
      try {
        const status = fstatSync(fd);
        if (!status.isFile()) return "it is no regular file";
        const weakness = place.weakness ?? weaknessOf(fd, status, "file");
        return weakness === null ? null : `other users could change it: ${weakness}`;
      } finally {
        closeSync(fd);
      }
    } finally {
      place.close();
    }
  } catch (error) {
    if (error instanceof UnsafePathError) return error.message;
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "there is no such file" : message;
  }
}
