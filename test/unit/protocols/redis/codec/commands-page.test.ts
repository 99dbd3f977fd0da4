import { expect, test } from "bun:test";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";
import { createCommandsPage } from "../../../../tools/redis-commands-page.ts";

test("docs/redis-commands.md is what `npm run docs` writes", async () => {
  const file = Bun.file(new URL("../../../../../docs/redis-commands.md", import.meta.url));
  const isCurrent = (await file.text()) === createCommandsPage();
  expect(isCurrent, "run npm run docs").toBe(true);
});

test("it says something about every command, over one server and over many", () => {
  const page = createCommandsPage();
  for (const { name, isContainer } of new CommandTable().commands) {
    if (isContainer) continue;
    const shown = name.replace("|", " ");
    const row = page.split("\n").find((line) => line.startsWith(`| \`${shown}\` |`));
    expect(row).toMatch(/^\| `[^`]+` \| [^|]+[^| ] \| [^|]+[^| ] \|$/);
  }
});
