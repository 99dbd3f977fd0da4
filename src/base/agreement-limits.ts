/** Bounds of what several hosts agree on through etcd. */

/** One exchange with one address of etcd. */
export const ETCD_ATTEMPT_MS = 1_000;
/** What etcd answers is no longer. */
export const ETCD_ANSWER_BYTES_MAX: number = 16 * 1024 * 1024;
/** A host that etcd does not hear of for so long is shown as silent, and another one sweeps. */
export const HOST_LEASE_S = 10;
/** It is told so often that the host is there. */
export const HOST_HEARD_MS = 3_000;
/** What the hosts agree on is looked at so often while nothing is under way, and while something is. */
export const AGREEMENT_LOOK_MS = 1_000;
export const AGREEMENT_LOOK_MS_BUSY = 40;
/** All hosts hold requests back for so long at the most before a change of rings is given up. */
export const HOSTS_SWITCH_MS_MAX = 1_000;
/** A host that has said yes to a change of rings, and does not hear what became of it, refuses requests after this in place of holding them back. */
export const HOSTS_FENCE_MS = 2_000;
/** What it has said is said again after this. */
export const HOSTS_AGAIN_MS = 250;
/** A start waits for so long to hear of the other hosts, and an end to tell them. */
export const AGREEMENT_START_MS = 3_000;
