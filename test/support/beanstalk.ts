/** A real beanstalkd for tests, and a client of it that compares every reply. */
import { freePort } from "./free-port.ts";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";
import { TextClient } from "./text-client.ts";

export interface Beanstalkd {
  readonly host: string;
  readonly port: number;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export async function startBeanstalkd(port: number = freePort("127.0.0.1")): Promise<Beanstalkd> {
  const host = "127.0.0.1";
  const directory = makeDirectory("beanstalkd");
  const command = ["beanstalkd", "-l", host, "-p", `${port}`];
  const server = await startServer(command, directory, [{ host, port }]);
  return { host, port, process: server, stop: () => server.stop() };
}

/** Puts jobs and takes them back, over and over, in a tube of its own, until it is told to stop. */
export class BeanstalkLoad {
  jobs = 0;
  readonly errors: string[] = [];
  private isStopping = false;
  private readonly done: Promise<void>;

  constructor(port: number, tube: string) {
    this.done = this.run(port, tube).catch((error: Error) => {
      this.errors.push(`${tube}: ${error.message}`);
    });
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.done;
  }

  private async run(port: number, tube: string): Promise<void> {
    const client = await TextClient.connect({ host: "127.0.0.1", port });
    const expectAll = async (request: string, reply: RegExp): Promise<string[]> => {
      const found = reply.exec(await client.ask(request));
      if (found === null) throw new Error(`another reply to ${request}`);
      return [...found];
    };
    await expectAll(`use ${tube}\r\n`, /^USING /);
    await expectAll(`watch ${tube}\r\n`, /^WATCHING 2/);
    await expectAll("ignore default\r\n", /^WATCHING 1/);
    while (!this.isStopping) {
      const body = `${tube} ${this.jobs} ${"x".repeat(this.jobs % 3000)}`;
      const put = `put 0 0 60 ${body.length}\r\n${body}\r\n`;
      const [, id] = await expectAll(put, /^INSERTED (\d+)\r\n$/);
      await expectAll("reserve\r\n", new RegExp(`^RESERVED ${id} ${body.length}\r\n$`));
      const back = (await client.until("\r\n")).toString("latin1");
      if (back !== `${body}\r\n`) throw new Error(`job ${id} has another body`);
      await expectAll(`delete ${id}\r\n`, /^DELETED\r\n$/);
      this.jobs++;
    }
    client.close();
  }
}
