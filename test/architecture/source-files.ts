/** The project's own source text, as the architecture tests read it. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out; every line keeps its number. */
  readonly code: string;
}

const ROOT = join(import.meta.dir, "../..");

/** Every .ts, .mts, .mjs and .js file under a folder of the project. */
export function readSources(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(m?ts|m?js)$/.test(entry.name))
    .map((entry) => readSource(relative(ROOT, join(entry.parentPath, entry.name))))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, code: withoutComments(text) };
}

/** Blanks comments; a `//` in a string is left alone when a quote or a colon stands right before it. */
export function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replace(/[^\n]/g, " ");
  return text.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(?<![:"'`\\/])\/\/.*$/gm, blank);
}

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path of the imported file relative to the project, or null for a package or a built-in module. */
  readonly path: string | null;
}

const IMPORT_PATTERNS: readonly RegExp[] = [
  /\b(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"']+)["']/g,
  /\bimport\s*["']([^"']+)["']/g,
  /\bimport\s*\(\s*["']([^"']+)["']/g,
];

/** All imports of a file: of values and of types, re-exports, and dynamic ones with a literal name. */
export function importsOf(file: SourceFile): Import[] {
  return IMPORT_PATTERNS.flatMap((pattern) =>
    [...file.code.matchAll(pattern)].map((match) => {
      const specifier = match[1] ?? "";
      const isFile = specifier.startsWith(".") || specifier.startsWith("/");
      return { specifier, path: isFile ? normalize(join(dirname(file.path), specifier)) : null };
    }),
  );
}
