/** Which module a fault comes from that no hook of it has caused. */
import type { ModuleConfig } from "../api/config.ts";

type Named = Pick<ModuleConfig, "name" | "path">;

/**
 * The first module whose file is in `stack`; null: none is.
 * The files in a module's stack are relative to a folder that is not known, so ends of paths are compared.
 */
export function moduleInStack<Module extends Named>(
  stack: string,
  modules: readonly Module[],
): Module | null {
  for (const [, file] of stack.matchAll(/^\s+at .*?\(?([^\s()]+):\d+:\d+\)?$/gm)) {
    const end = `/${file!.replace(/^(\.{0,2}\/)+/, "")}`;
    const found = modules.find(({ path }) => path.endsWith(end));
    if (found !== undefined) return found;
  }
  return null;
}
