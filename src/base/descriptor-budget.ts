/** The file descriptors of this process that clients, and the server connections that they are lent, may use up. */
export class DescriptorBudget {
  readonly max: number;
  /** Server connections that are lent, or kept to be lent. */
  lent = 0;
  private readonly clients: () => number;

  constructor(max: number, clients: () => number) {
    this.max = max;
    this.clients = clients;
  }

  get hasRoom(): boolean {
    return this.clients() + this.lent < this.max;
  }
}
