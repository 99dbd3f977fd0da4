/**
 * Puts the page's document together from the files of src/page, once, when the executable is built: it is called as a macro (see page.ts),
 * and its result stands in the program as plain text.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dir, "../page");
const UPLOT_CSS = join(import.meta.dir, "../../node_modules/uplot/dist/uPlot.min.css");

/** @throws Error with the compiler's words when the page's script does not compile */
export function pageDocument(): {
  readonly html: string;
  readonly scriptHash: string;
  readonly styleHash: string;
} {
  const script = bundle(join(FOLDER, "main.ts"));
  const style = [UPLOT_CSS, join(FOLDER, "page.css")].map(read).join("\n");
  const html = read(join(FOLDER, "page.html"))
    .replace("/* page.css */", () => style)
    .replace("/* main.ts */", () => script);
  return { html, scriptHash: hashOf(script), styleHash: hashOf(style) };
}

function bundle(entry: string): string {
  // In a process of its own: a bundler cannot be asked from inside of a macro.
  const command = [process.execPath, "build", "--target=browser", "--minify", entry];
  const made = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  if (!made.success) throw new Error(`${entry} does not compile:\n${made.stderr}`);
  // The document's parser knows this as the end of the script, wherever it stands.
  return made.stdout.toString().trim().replaceAll("</script", "<\\/script");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

function read(path: string): string {
  return readFileSync(path, "utf8");
}
