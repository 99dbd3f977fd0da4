/** Files that import each other, straight or by way of others: circles in the graph of imports, those of types included. */
import { importsOf, type SourceFile } from "./source-files.ts";

/** More files than these in one circle cannot be understood, moved or tested apart from each other. */
export const CIRCLE_FILES_MAX = 3;

/** The strongly connected components of more than one file, biggest first; each is a sorted list of paths. */
export function importCircles(files: readonly SourceFile[]): string[][] {
  const paths = new Set(files.map(({ path }) => path));
  const imports = new Map(
    files.map((file) => [
      file.path,
      importsOf(file).flatMap(({ path }) => (path !== null && paths.has(path) ? [path] : [])),
    ]),
  );
  return stronglyConnected(imports)
    .filter((circle) => circle.length > 1)
    .map((circle) => circle.sort())
    .sort((a, b) => b.length - a.length || (a[0]! < b[0]! ? -1 : 1));
}

/** Tarjan's algorithm. */
function stronglyConnected(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  /** The earliest file that can be reached by way of files that are still on the stack. */
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const visit = (file: string): number => {
    const number = order.size;
    let low = number;
    order.set(file, number);
    stack.push(file);
    onStack.add(file);
    for (const next of edges.get(file) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (onStack.has(next)) low = Math.min(low, order.get(next)!);
    }
    lowest.set(file, low);
    if (low < number) return low;
    const component = stack.splice(stack.indexOf(file));
    for (const member of component) onStack.delete(member);
    found.push(component);
    return low;
  };
  for (const file of edges.keys()) if (!order.has(file)) visit(file);
  return found;
}
