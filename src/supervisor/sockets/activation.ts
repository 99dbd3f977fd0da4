/**
 * Socket activation (sd_listen_fds(3)): the service manager has opened listening sockets for us, from descriptor 3 on.
 *
 * Each belongs to the pool that listens on its address. They stay the manager's: a socket file is not removed at the end.
 */
import { setInheritable } from "../../os/fd.ts";
import { addressText, ipAddress } from "../../os/socket-address.ts";
import { isListening, localAddress } from "../../os/socket-facts.ts";

const FIRST_FD = 3;

export interface GivenSocket {
  readonly fd: number;
  /** As the unit's FileDescriptorName= has it, or "". */
  readonly name: string;
  /** "127.0.0.1:22121", "[::1]:22121", a path, or null: it is no listening stream socket. */
  readonly address: string | null;
}

export class ActivatedSockets {
  readonly #sockets: GivenSocket[];

  constructor(sockets: readonly GivenSocket[]) {
    this.#sockets = [...sockets];
  }

  /** The sockets that listen on this address; they are the caller's then. */
  claim(address: string): number[] {
    const found = this.#sockets.filter((socket) => socket.address === address);
    for (const socket of found) this.#sockets.splice(this.#sockets.indexOf(socket), 1);
    return found.map(({ fd }) => fd);
  }

  claimTcp(ip: string, port: number): number[] {
    const address = ipAddress(ip, port);
    const text = address === null ? null : addressText(address);
    return text === null ? [] : this.claim(text);
  }

  /** One line for each socket that no pool claimed. */
  leftovers(): string[] {
    return this.#sockets.map(({ fd, name, address }) => {
      const what = name === "" ? `socket ${fd}` : `socket "${name}"`;
      return address === null
        ? `${what} of the service manager is not a listening stream socket`
        : `${what} of the service manager listens on ${address}, which no pool does: change the socket unit or the pool`;
    });
  }
}

/**
 * Takes what the service manager gave to this process, once: the variables are removed, so that neither a child nor a program
 * that replaces this one takes the same numbers for sockets.
 */
export function takeActivatedSockets(
  environment: Record<string, string | undefined>,
): ActivatedSockets {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = environment;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[name];
  if (Number(pid) !== process.pid || !/^\d{1,6}$/.test(count ?? ""))
    return new ActivatedSockets([]);
  const nameList = (names ?? "").split(":");
  const sockets = Array.from({ length: Number(count) }, (_, index) => {
    const fd = FIRST_FD + index;
    const address = isListening(fd) ? localAddress(fd) : null;
    if (address !== null) setInheritable(fd, false);
    return { fd, name: nameList[index] ?? "", address };
  });
  return new ActivatedSockets(sockets);
}
