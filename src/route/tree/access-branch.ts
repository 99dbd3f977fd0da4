/** What only reads goes to another place than the rest. */
import { ACCESS, type Access, type RequestFacts } from "../../api/request-facts.ts";
import type { Branch, TreeUpstream } from "./branch.ts";
import { Choice } from "./choice.ts";

export class AccessBranch extends Choice {
  private readonly read: Branch;
  private readonly write: Branch;

  constructor(read: Branch, write: Branch) {
    super([read, write]);
    this.read = read;
    this.write = write;
  }

  protected choose({ access }: RequestFacts): Branch {
    return access === ACCESS.read ? this.read : this.write;
  }

  override upstreams(access: Access): readonly TreeUpstream[] {
    if (access === ACCESS.admin) return super.upstreams(access);
    return (access === ACCESS.read ? this.read : this.write).upstreams(access);
  }
}
