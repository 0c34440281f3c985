import { BridgeError } from "../base/errors.js";

/** Where metrics are served. */
export type MetricsAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/path`. Other addresses are refused: what plugins run on
 * a node, and how well, is nobody's business beyond it, and the listener asks for no password. What scrapes from
 * elsewhere goes through the node's own proxy.
 * @throws BridgeError CONFIG
 */
export function parseMetricsAddress(text: string): MetricsAddress {
  if (text.startsWith("unix:/")) return { kind: "unix", path: text.slice("unix:".length) };
  const [, host = "", digits = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const loopback = loopbackHost(host);
  if (loopback !== undefined && digits !== "" && port <= 65_535) return { kind: "tcp", host: loopback, port };
  const reason = loopback === undefined && digits !== "" ? "is not a loopback address" : "is no address";
  throw new BridgeError(
    "CONFIG",
    `metrics.listen: ${JSON.stringify(text)} ${reason}; 127.0.0.1:9464, [::1]:9464 or unix:/path is expected`,
  );
}

/** The address to listen on; undefined when others than this machine could reach it. */
function loopbackHost(host: string): string | undefined {
  // Not what the machine's resolver makes of the name.
  if (host === "localhost") return "127.0.0.1";
  if (host === "[::1]") return "::1";
  const octets = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  return octets?.every((octet) => Number(octet) <= 255) ? host : undefined;
}

export function formatMetricsAddress(address: MetricsAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
