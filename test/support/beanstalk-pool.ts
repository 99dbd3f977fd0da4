/** A proxy with a pool of beanstalkd servers, by the module of contrib. */
import { type Beanstalkd, startBeanstalkd } from "./beanstalk.ts";
import { freePort } from "./free-port.ts";
import { modulesRig } from "./modules-rig.ts";
import { type ProxyProcess, startProxy } from "./proxy-process.ts";
import { TextClient } from "./text-client.ts";
import { stops } from "./upgrade-rig.ts";

export interface BeanstalkPool {
  readonly port: number;
  /** Path of the module's file. */
  readonly module: string;
  readonly proxy: ProxyProcess;
  readonly servers: readonly Beanstalkd[];
  connect(): Promise<TextClient>;
  direct(server: number): Promise<TextClient>;
}

/** @param more lines of the pool's configuration. It is ended by `stopAll`. */
export async function beanstalkPool(
  servers: number,
  workers = 1,
  more = "",
): Promise<BeanstalkPool> {
  const started: Beanstalkd[] = [];
  for (let i = 0; i < servers; i++) started.push(await startBeanstalkd());
  for (const server of started) stops.push(() => server.stop());
  const port = freePort();
  const module = modulesRig().path("beanstalk.ts");
  const list = started.map(({ host, port: at }, i) => `    - ${host}:${at}:1 b${i}\n`).join("");
  const config = `modules: ["${module}"]\npools:\n  jobs:\n    protocol: beanstalk\n    listen: 127.0.0.1:${port}\n${more}    servers:\n${list}`;
  const proxy = await startProxy({ config, args: ["--workers", `${workers}`] });
  stops.push(() => proxy.stop());
  const connect = async (to: number): Promise<TextClient> => {
    const client = await TextClient.connect({ host: "127.0.0.1", port: to });
    stops.push(async () => client.close());
    return client;
  };
  return {
    ...{ port, module, proxy, servers: started },
    connect: () => connect(port),
    direct: (i) => connect(started[i]!.port),
  };
}
