import { promisify } from "node:util";
import { type Clock, monotonicClock } from "../base/deadline.js";
import { attempt, errorText } from "../base/errors.js";
import { closing } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import { type Native, NativeError, openNative } from "../host/native.js";

export interface Condition {
  /** Whether the runtime delivers events: units ordered after the bridge, such as the kubelet, may then start pods. */
  readonly ready: boolean;
  /** One line for `systemctl status`. */
  readonly text: string;
}

interface AnnouncerOptions {
  readonly settings: NotifySettings;
  readonly look: () => Condition;
  readonly log: Log;
  readonly send?: SendNotification;
  readonly clock?: Clock;
  readonly lookEachMs?: number;
}

/** The bridge sends READY=1 by then even without a runtime, which must not hold up the boot, nor fail the unit's start. */
const readyAtLatestMs = 20_000;
/**
 * Once the bridge is ready it looks at its condition this many times less often: each look wakes an idle machine, and only the
 * status line can still change.
 */
const calmness = 20;
/** The wait after a failed notification, in milliseconds: without FFI each attempt starts a process. */
const againMs = 1_000;

/**
 * Notifies the service manager of readiness, status and stopping. The watchdog notifications come from the event loop, so that the
 * manager restarts a bridge that hangs.
 */
export function startAnnouncer(options: AnnouncerOptions) {
  const { settings, look, log, clock = monotonicClock, lookEachMs = 250 } = options;
  // Warn once: a failed notification is retried again and again, and the service manager logs what it does about that.
  const warn = sayOnce(log.warn.bind(log));
  const send = options.send ?? createNotificationSender();
  const startedAt = clock();
  const beatEachMs = settings.watchdogMs === undefined ? Infinity : settings.watchdogMs / 3;
  let beatAt = startedAt;
  let notBefore = startedAt;
  /** The assignments that the service manager has received. */
  let told = "";
  let ready = false;
  let ending = false;
  let sending = false;
  const turn = async () => {
    const now = clock();
    if (sending || now < notBefore) return;
    const condition = look();
    ready ||= condition.ready || now - startedAt >= readyAtLatestMs;
    const state = ending ? ["STOPPING=1"] : ready ? ["READY=1"] : [];
    const assignments = [...state, `STATUS=${statusLine(ending ? "waiting for plugins" : condition.text)}`];
    const wanted = assignments.join();
    if (wanted === told && now - beatAt < beatEachMs) return;
    sending = true;
    try {
      await send(settings.socket, [...assignments, "WATCHDOG=1"]);
      told = wanted;
      beatAt = now;
    } catch (error) {
      warn({ error: errorText(error) }, "systemd gets no status: with WatchdogSec it may restart the bridge");
      // Send it again later: without READY=1 the service manager would kill the bridge at the end of its start timeout.
      notBefore = clock() + Math.min(againMs, beatEachMs);
    }
    sending = false;
    // stopping() may have been called during the send, and there may be no later turn to send STOPPING=1.
    if (ending) void turn();
  };
  let timer: NodeJS.Timeout | undefined;
  const turnAgain = () => {
    void turn();
    const looksMs = told.startsWith("READY=1") ? lookEachMs * calmness : lookEachMs;
    timer = setTimeout(turnAgain, Math.min(looksMs, beatEachMs)).unref();
  };
  turnAgain();
  return {
    /** Notifies the service manager that the bridge is stopping. */
    stopping() {
      ending = true;
      notBefore = clock();
      void turn();
    },
    close: () => clearTimeout(timer),
  };
}

const longestStatus = 200;

/**
 * One short line without control characters. `text` may hold any name that a runtime gives itself, and neither a datagram nor a
 * program's argument takes every text.
 */
export function statusLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes.
  const line = text.slice(0, 2 * longestStatus).replaceAll(/[\x00-\x1f\x7f]+/g, " ");
  // Cut between code points: half of a surrogate pair is not valid UTF-8, and systemd drops such a status.
  return [...line].slice(0, longestStatus).join("").toWellFormed();
}

/** What a service manager asks of a service of Type=notify: sd_notify(3), sd_watchdog_enabled(3). */
interface NotifySettings {
  /** The service manager's socket: a path, or `@name` for an abstract socket. */
  readonly socket: string;
  /** The service manager takes the service for dead after this time without a notification; undefined: no watchdog. */
  readonly watchdogMs: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the variables that a service manager set for the bridge; undefined when none did. @param pid the bridge's own */
export function readNotifySettings(environment: Environment, pid: number): NotifySettings | undefined {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: usec = "", WATCHDOG_PID: watched } = environment;
  // compat: systemd also knows vsock: addresses, which reach the service manager outside a virtual machine.
  if (!socket.startsWith("/") && !socket.startsWith("@")) return undefined;
  const ours = watched === undefined || watched === String(pid);
  const watchdogMs = ours && /^[1-9]\d*$/.test(usec) ? Number(usec) / 1000 : undefined;
  return { socket, watchdogMs };
}

/** The environment without those variables: they are for the bridge alone, and plugins get the rest. */
export function withoutNotifySettings(environment: Environment): Environment {
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...rest } = environment;
  return rest;
}

/**
 * Sends assignments such as `READY=1` to the service manager, which has them when this returns.
 * @throws an error with the reason when they cannot be sent
 */
type SendNotification = (socket: string, assignments: readonly string[]) => void | Promise<void>;

/** Sends through the FFI library where it can be loaded, else through the program systemd-notify. */
export function createNotificationSender(open: typeof openNative = openNative): SendNotification {
  const native = attempt(open);
  return native === undefined ? sendByProgram : createDatagramSender(native);
}

/**
 * The limit of one run of systemd-notify, which ends when the service manager has read the message, and does not give up while the
 * manager's queue is full.
 */
const programMs = 5_000;

/**
 * Runs systemd-notify for each notification. As root, systemd-notify sends its parent's pid (SCM_CREDENTIALS), so that
 * NotifyAccess=main is enough.
 */
async function sendByProgram(socket: string, assignments: readonly string[]): Promise<void> {
  const env = { NOTIFY_SOCKET: socket, PATH: process.env.PATH ?? "/usr/bin:/bin" };
  const { execFile } = await import("node:child_process");
  await promisify(execFile)("systemd-notify", assignments, { env, timeout: programMs, killSignal: "SIGKILL" });
}

/** Linux constants, which are the same on x86, ARM and RISC-V. */
const afUnix = 1;
const sockDgramCloexec = 2 | 0o2000000;
const msgNosignal = 0x4000;
/** With this flag sendto fails with EAGAIN when the receiver's queue is full, instead of blocking the event loop. */
const msgDontwait = 0x40;
/** The size of sun_path in struct sockaddr_un. */
const pathBytes = 108;

/**
 * Sends datagrams to unix sockets, which Node cannot; `@` begins an abstract address.
 * @throws (the sender) NativeError when a system call fails, Error when the address is too long
 */
function createDatagramSender({ koffi, libc }: Native): SendNotification {
  const library = koffi.load(null);
  const openSocket = library.func("int socket(int domain, int type, int protocol)");
  const sendTo = library.func(
    "int64_t sendto(int socket, void *data, size_t size, int flags, void *address, uint32_t addressSize)",
  );
  return (address, lines) => {
    const name = encodeAddress(address);
    const data = Buffer.from(lines.join("\n"));
    const descriptor = Number(openSocket(afUnix, sockDgramCloexec, 0));
    if (descriptor < 0) throw new NativeError("socket", libc.lastError());
    closing(descriptor, () => {
      const sent = Number(sendTo(descriptor, data, data.length, msgNosignal | msgDontwait, name, name.length));
      if (sent < 0) throw new NativeError("sendto", libc.lastError());
    });
  };
}

/** Encodes struct sockaddr_un: the family in two bytes, then a path with a final zero, or an abstract name after a zero. */
function encodeAddress(address: string): Buffer {
  const path = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
  if (path.length > pathBytes) throw new Error(`${address}: longer than an address of a unix socket can be`);
  const name = Buffer.alloc(2 + path.length);
  name.writeUInt16LE(afUnix, 0);
  path.copy(name, 2);
  return name;
}
