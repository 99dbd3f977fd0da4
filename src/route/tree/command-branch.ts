/** By name of the command. */
import type { RequestFacts } from "../../api/request-facts.ts";
import type { Branch } from "./branch.ts";
import { Choice } from "./choice.ts";

export class CommandBranch extends Choice {
  private readonly byName: ReadonlyMap<string, Branch>;
  private readonly rest: Branch;

  /** @param rest for all other commands, and where the command is not known */
  constructor(
    commands: readonly { readonly names: readonly string[]; readonly to: Branch }[],
    rest: Branch,
  ) {
    super([...commands.map(({ to }) => to), rest]);
    this.byName = new Map(commands.flatMap(({ names, to }) => names.map((name) => [name, to])));
    this.rest = rest;
  }

  protected choose({ commandName }: RequestFacts): Branch {
    return this.byName.get(commandName) ?? this.rest;
  }
}
