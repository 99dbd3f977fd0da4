/** Makes `proxy/module` importable for modules. */
import { plugin } from "bun";
import { ServerError } from "./asking.ts";
import type { Definition } from "./definition.ts";
import { OPTION_HELPERS } from "./definition.ts";
import { lines } from "./message.ts";

const EXPORTS = {
  ...OPTION_HELPERS,
  lines,
  ServerError,
  defineFilter: (definition: unknown): unknown => ({ kind: "filter", definition }),
  defineProtocol: (definition: unknown): unknown => ({ kind: "protocol", definition }),
};

const TEST_EXPORTS = {
  cases: (module: unknown, settings: unknown, cases: unknown): unknown => ({
    ...{ kind: "cases", module, settings, cases },
  }),
};

let isProvided = false;

/** To be called before the first module is imported. */
export function provideApi(): void {
  if (isProvided) return;
  isProvided = true;
  plugin({
    name: "proxy/module",
    setup(build) {
      build.module("proxy/module", () => ({ exports: EXPORTS, loader: "object" }));
      build.module("proxy/module/test", () => ({ exports: TEST_EXPORTS, loader: "object" }));
    },
  });
}

/** Runs a module's code, as `bundleModule` made it. @returns its default export. @throws what the module throws */
export async function importCode(code: string): Promise<unknown> {
  provideApi();
  const url = `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;
  const exports = (await import(url)) as { readonly default?: Definition };
  return exports.default;
}
