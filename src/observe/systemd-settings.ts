/** What a service manager asks of a service that it starts with Type=notify: sd_notify(3), sd_watchdog_enabled(3). */
export interface NotifySettings {
  /** A path, or `@name` for an abstract socket. */
  readonly socket: string;
  /** The service counts as dead when it says nothing for so long, in milliseconds; undefined: it need not. */
  readonly watchdogMs: number | undefined;
}

const variables = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the variables that a service manager set for us; undefined when none did. @param pid our own */
export function readNotifySettings(environment: Environment, pid: number): NotifySettings | undefined {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: usec = "", WATCHDOG_PID: watched } = environment;
  // compat: systemd also knows vsock: addresses, for the manager outside of a virtual machine.
  if (!socket.startsWith("/") && !socket.startsWith("@")) return undefined;
  const ours = watched === undefined || watched === String(pid);
  const watchdogMs = ours && /^[1-9]\d*$/.test(usec) ? Number(usec) / 1000 : undefined;
  return { socket, watchdogMs };
}

/** The environment without those variables: they are for us, and plugins get what we have. */
export function withoutNotifySettings(environment: Environment): Environment {
  const rest = { ...environment };
  for (const name of variables) delete rest[name];
  return rest;
}
