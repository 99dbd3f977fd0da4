/** The service manager's end of NOTIFY_SOCKET. */
import { readSync } from "node:fs";
import { closeFd, setNonBlocking } from "../../src/os/fd.ts";
import { libc } from "../../src/os/libc.ts";
import { check } from "../../src/os/os-error.ts";
import { abstractAddress, unixAddress } from "../../src/os/socket-address.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;

export class NotifySocket {
  readonly #fd: number;
  readonly #messages: string[] = [];

  /** @param name a path, or `@name` */
  constructor(name: string) {
    const address = name.startsWith("@") ? abstractAddress(name.substring(1)) : unixAddress(name);
    this.#fd = check(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    check(libc.bind(this.#fd, address!.bytes, address!.bytes.length), "bind");
    setNonBlocking(this.#fd);
  }

  /** All that came so far. */
  messages(): readonly string[] {
    const buffer = Buffer.alloc(4096);
    for (;;) {
      try {
        this.#messages.push(buffer.toString("utf8", 0, readSync(this.#fd, buffer)));
      } catch {
        return this.#messages;
      }
    }
  }

  close(): void {
    closeFd(this.#fd);
  }
}
