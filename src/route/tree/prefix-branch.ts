/** By the beginning of the key: the longest prefix decides. Channels of pub/sub count as keys. */
import type { RequestFacts } from "../../api/request-facts.ts";
import type { Branch } from "./branch.ts";
import { Choice } from "./choice.ts";
import { PrefixTree } from "./prefix-tree.ts";

export class PrefixBranch extends Choice {
  private readonly tree: PrefixTree;
  private readonly to: readonly Branch[];
  private readonly rest: Branch;

  /** @param rest for keys with none of the prefixes, which are each here once */
  constructor(prefixes: readonly { readonly prefix: Buffer; readonly to: Branch }[], rest: Branch) {
    super([...prefixes.map(({ to }) => to), rest]);
    this.tree = new PrefixTree(prefixes.map(({ prefix }) => prefix));
    this.to = prefixes.map(({ to }) => to);
    this.rest = rest;
  }

  protected choose({ bytes, keyStart, keyEnd }: RequestFacts): Branch {
    const number = this.tree.find(bytes, keyStart, keyEnd);
    return number < 0 ? this.rest : this.to[number]!;
  }
}
