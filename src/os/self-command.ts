/** How to start this very program again. */

/** Where Bun keeps the sources inside a compiled executable. */
const COMPILED_PREFIX = "/$bunfs/";

/**
 * The command that starts this program, without arguments of its own.
 *
 * It names the running executable, not its path: after the file was replaced or removed, children still are of the same
 * version as their parent.
 */
export function selfCommand(): string[] {
  const program = ["/proc/self/exe"];
  return Bun.main.startsWith(COMPILED_PREFIX) ? program : [...program, Bun.main];
}
