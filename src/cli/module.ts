/** `proxy module init NAME` begins a module, `proxy module test FILE` runs its author's cases. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { type CommandDef, defineCommand } from "citty";
import { MODULE_NAME } from "../modules/definition.ts";
import types from "../modules/proxy-module.txt" with { type: "text" };
import { reasonOf } from "./config-file.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { filterTemplate, protocolTemplate } from "./module-templates.ts";

const moduleArgs = {
  verb: { type: "positional", required: true, valueHint: "VERB", description: "init or test" },
  name: {
    type: "positional",
    required: true,
    valueHint: "NAME",
    description: "init: the name, small letters, digits and -; test: a file with cases",
  },
  protocol: {
    type: "boolean",
    description: "init: a protocol with servers of its own instead of a filter",
  },
} as const;

export const moduleCommand: CommandDef<typeof moduleArgs> = defineCommand({
  meta: {
    name: "module",
    description:
      "Begin a module, with its types: proxy module init NAME; run its cases: proxy module test FILE",
  },
  args: moduleArgs,
  async run({ args }) {
    if (args.verb === "init") return init(args.name, args.protocol === true);
    if (args.verb === "test") return await test(args.name);
    return complain(`unknown verb "${args.verb}"; write init or test`, EXIT_USAGE);
  },
});

async function test(path: string): Promise<number> {
  const { runCases } = await import("./module-test.ts");
  const { passed, failures } = await runCases(resolve(path));
  for (const failure of failures) process.stderr.write(`${failure}\n`);
  process.stdout.write(`${passed} passed, ${failures.length} failed\n`);
  return failures.length > 0 || passed === 0 ? EXIT_FAILED : EXIT_OK;
}

const TYPES_FILE = "proxy-module.d.ts";

function init(name: string, isProtocol: boolean): number {
  if (!MODULE_NAME.test(name)) {
    return complain(
      `"${name}" is no module's name: small letters, digits and -, beginning with a letter`,
      EXIT_USAGE,
    );
  }
  try {
    const text = isProtocol ? protocolTemplate(name) : filterTemplate(name);
    writeFileSync(`${name}.ts`, text, { flag: "wx" });
    // A newer proxy has newer types.
    writeFileSync(TYPES_FILE, types);
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
    const reason = isThere ? "it exists and is left as it is" : reasonOf(error);
    return complain(`${name}.ts cannot be written: ${reason}`, EXIT_FAILED);
  }
  process.stdout.write(
    `${name}.ts is a ${isProtocol ? "protocol" : "filter"} to begin with; ${TYPES_FILE} has the types. In the configuration:\n\n` +
      `modules: [./${name}.ts]\npools:\n  …:\n    ${isProtocol ? `protocol: ${name}` : `filters: [${name}: { prefixes: ["secret:"] }]`}\n\n` +
      "proxy check says whether it is right, proxy reload takes it into use.\n",
  );
  return EXIT_OK;
}

function complain(problem: string, code: number): number {
  process.stderr.write(`proxy: ${problem}\n`);
  return code;
}
