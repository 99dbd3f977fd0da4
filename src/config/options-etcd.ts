/** Options by which several hosts with the same servers agree on where keys are; docs/hosts.md says more. */
import { type Option, option } from "../api/option.ts";

const NATIVE: Pick<Option, "where" | "forms"> = { where: "top", forms: ["native"] };

export const ETCD_OPTIONS: readonly Option[] = [
  option({
    ...NATIVE,
    name: "etcd",
    field: "etcd.urls",
    type: { kind: "urls" },
    help: 'Addresses of etcd (3.4 or later), `["https://10.0.0.9:2379"]`: hosts with the same servers agree through it on changes of the servers of pools with `migrate: true`. See hosts.md. It holds until the proxy is stopped, as do the options beside it.',
  }),
  option({
    ...NATIVE,
    name: "etcd_prefix",
    field: "etcd.prefix",
    type: { kind: "text" },
    default: "/proxy",
    help: "What its keys in etcd begin with: the same for hosts with the same servers, another one for all others.",
  }),
  option({
    ...NATIVE,
    name: "etcd_user",
    field: "etcd.user",
    type: { kind: "text" },
    help: "User of etcd; absent: it asks for none.",
  }),
  option({
    ...NATIVE,
    name: "etcd_password_file",
    field: "etcd.passwordFile",
    type: { kind: "text" },
    help: "File whose only line is that user's password, relative to this file; read by the supervisor whenever it is asked for.",
  }),
  option({
    ...NATIVE,
    name: "etcd_ca_file",
    field: "etcd.caFile",
    type: { kind: "text" },
    help: "Certificates, as PEM, of those who vouch for etcd's; absent: those that the system trusts. Relative to this file, as the next two.",
  }),
  option({
    ...NATIVE,
    name: "etcd_cert_file",
    field: "etcd.certFile",
    type: { kind: "text" },
    help: "Certificate, as PEM, that the proxy shows to etcd.",
  }),
  option({
    ...NATIVE,
    name: "etcd_key_file",
    field: "etcd.keyFile",
    type: { kind: "text" },
    help: "Its private key, as PEM.",
  }),
];
