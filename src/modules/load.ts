/** The modules that a configuration names, from their files to what the configuration holds of them. */

import { modulePath, type Outside, type OutsideModule } from "../config/outside.ts";
import { type Bundle, bundleModule } from "./bundle.ts";
import { describeModules } from "./describe.ts";

/**
 * Never throws.
 * @param file of the configuration
 * @param paths as it has them
 */
export async function loadModules(file: string, paths: readonly string[]): Promise<Outside> {
  const outside = new Map<string, OutsideModule | string>();
  const bundles = new Map<string, Bundle>();
  for (const path of new Set(paths)) {
    const bundle = await bundleModule(modulePath(file, path));
    if (typeof bundle === "string") outside.set(path, bundle);
    else bundles.set(path, bundle);
  }
  if (bundles.size === 0) return outside;
  const answers = await describeModules([...bundles.values()].map(({ code }) => code));
  for (const [index, [path, { code, hash }]] of [...bundles].entries()) {
    const answer = answers[index] ?? { problem: "it says nothing of itself" };
    if ("problem" in answer) outside.set(path, answer.problem);
    else outside.set(path, { ...answer, path: modulePath(file, path), code, hash });
  }
  return outside;
}
