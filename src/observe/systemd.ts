import { promisify } from "node:util";
import { type Clock, monotonicClock } from "../base/deadline.js";
import { attempt, errorText } from "../base/errors.js";
import { closing } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import { type Native, NativeError, openNative } from "../host/native.js";

export interface Condition {
  /** Events are delivered: what is ordered after us, such as the kubelet, may start pods. */
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

/** READY=1 is sent by then without a runtime too: it must not hold up the boot, nor fail our start. */
const readyAtLatestMs = 20_000;
/** So much rarer are the looks once we are ready: each wakes an idle machine, and only the status line can change. */
const calmness = 20;
/** After one that failed; each is a process where there is no FFI. */
const againMs = 1_000;

/** Notifies the service manager. The watchdog's beats come from the event loop, so that a bridge that hangs is restarted. */
export function startAnnouncer(options: AnnouncerOptions) {
  const { settings, look, log, clock = monotonicClock, lookEachMs = 250 } = options;
  // Once: a beat that fails comes again and again, and the manager will say what it makes of it.
  const warn = sayOnce(log.warn.bind(log));
  const send = options.send ?? createNotificationSender();
  const startedAt = clock();
  const beatEachMs = settings.watchdogMs === undefined ? Infinity : settings.watchdogMs / 3;
  let beatAt = startedAt;
  let notBefore = startedAt;
  /** The state that has reached the manager. */
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
    const assignments = [...state, `STATUS=${statusLine(ending ? "finishing what runs" : condition.text)}`];
    const wanted = assignments.join();
    if (wanted === told && now - beatAt < beatEachMs) return;
    sending = true;
    try {
      await send(settings.socket, [...assignments, "WATCHDOG=1"]);
      told = wanted;
      beatAt = now;
    } catch (error) {
      warn({ error: errorText(error) }, "cannot notify the service manager");
      // It stays due: without READY=1 the manager would end us when its patience is over.
      notBefore = clock() + Math.min(againMs, beatEachMs);
    }
    sending = false;
    // It came up meanwhile, and there may be no other turn.
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
    /** We were asked to end, and do. */
    stopping() {
      ending = true;
      notBefore = clock();
      void turn();
    },
    close: () => clearTimeout(timer),
  };
}

const longestStatus = 200;

/** One short line: what a runtime calls itself is in it, and neither a datagram nor a program's argument takes everything. */
export function statusLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
  const line = text.slice(0, 2 * longestStatus).replaceAll(/[\x00-\x1f\x7f]+/g, " ");
  // By characters: half of one is no UTF-8, and systemd drops a status that is none.
  return [...line].slice(0, longestStatus).join("").toWellFormed();
}

/** The requests of a service manager to a service of Type=notify: sd_notify(3), sd_watchdog_enabled(3). */
interface NotifySettings {
  /** A path, or `@name` for an abstract socket. */
  readonly socket: string;
  /** The service counts as dead when it says nothing for this time, in milliseconds; undefined: it need not. */
  readonly watchdogMs: number | undefined;
}

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
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...rest } = environment;
  return rest;
}

/** Sends assignments such as `READY=1` to the service manager: when it returns, that has them. @throws why it has not */
type SendNotification = (socket: string, assignments: readonly string[]) => void | Promise<void>;

/** By the FFI library where there is one, else by systemd's own program. */
export function createNotificationSender(open: typeof openNative = openNative): SendNotification {
  const native = attempt(open);
  return native === undefined ? sendByProgram : createDatagramSender(native);
}

/** systemd-notify ends when the manager has read what it sent, and does not give up where the queue is full. */
const programMs = 5_000;

/** One process for each notification. It speaks for its parent (as root, by SCM_CREDENTIALS), so that NotifyAccess=main is enough. */
async function sendByProgram(socket: string, assignments: readonly string[]): Promise<void> {
  const env = { NOTIFY_SOCKET: socket, PATH: process.env.PATH ?? "/usr/bin:/bin" };
  const { execFile } = await import("node:child_process");
  await promisify(execFile)("systemd-notify", assignments, { env, timeout: programMs, killSignal: "SIGKILL" });
}

/** The same numbers on x86, ARM and RISC-V. */
const afUnix = 1;
const sockDgramCloexec = 2 | 0o2000000;
const msgNosignal = 0x4000;
/** EAGAIN where the receiver's queue is full: to wait for it would hold up the event loop. */
const msgDontwait = 0x40;
/** sun_path of struct sockaddr_un. */
const pathBytes = 108;

/** Datagrams to unix sockets, which Node cannot send; `@` begins an abstract address. @throws NativeError, or Error for a long one */
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

/** struct sockaddr_un: the family in two bytes, then a path with its zero, or an abstract name after a zero. */
function encodeAddress(address: string): Buffer {
  const path = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
  if (path.length > pathBytes) throw new Error(`${address}: longer than an address of a unix socket can be`);
  const name = Buffer.alloc(2 + path.length);
  name.writeUInt16LE(afUnix, 0);
  path.copy(name, 2);
  return name;
}
