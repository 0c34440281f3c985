import { type Clock, monotonicClock } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { NotifySettings } from "./systemd-settings.js";
import { createNotificationSender, type SendNotification } from "./systemd-socket.js";

/** What the service manager is told, looked at again and again. */
export interface Condition {
  /** Events are delivered: what is ordered after us, such as the kubelet, may start pods. */
  readonly ready: boolean;
  /** One line for `systemctl status`. */
  readonly text: string;
}

export interface Announcer {
  /** We were asked to end, and do. */
  stopping(): void;
  close(): void;
}

export interface AnnouncerOptions {
  readonly settings: NotifySettings;
  readonly look: () => Condition;
  readonly log: Log;
  readonly send?: SendNotification;
  readonly clock?: Clock;
  /**
   * We count as started then even without a runtime: a runtime that does not come must not hold up the boot, and our
   * start must not fail and be tried again for it.
   */
  readonly readyAtLatestMs?: number;
  readonly lookEachMs?: number;
}

/** After one that failed; each is a process where there is no FFI. */
const againMs = 1_000;

/**
 * Tells the service manager that we are up, what we are at, and that the event loop turns: the watchdog's beats come from
 * it, so a bridge that hangs is restarted.
 */
export function startAnnouncer(options: AnnouncerOptions): Announcer {
  const { settings, look, log, clock = monotonicClock, readyAtLatestMs = 20_000, lookEachMs = 250 } = options;
  let failed = false;
  const onError = (error: unknown) => {
    // Once: a beat that fails comes again and again, and the manager will say what it makes of it.
    if (!failed) log.warn({ error: errorText(error) }, "the service manager cannot be notified");
    failed = true;
  };
  const send = options.send ?? createNotificationSender(onError);

  const told = new Told();
  const startedAt = clock();
  const beatEachMs = settings.watchdogMs === undefined ? Infinity : settings.watchdogMs / 3;
  let beatAt = startedAt;
  let notBefore = startedAt;
  let ready = false;
  let ending = false;
  let sending = false;
  const turn = () => {
    const now = clock();
    if (sending || now < notBefore) return;
    const condition = look();
    ready ||= condition.ready || now - startedAt >= readyAtLatestMs;
    const status = ending ? "finishing what runs" : condition.text;
    const assignments = told.due({ ready, stopping: ending, status, beat: now - beatAt >= beatEachMs });
    if (assignments.length > 0) void tell(assignments, now);
  };
  // What does not reach the manager stays due: without READY=1 it would end us when its patience is over.
  const tell = async (assignments: readonly string[], now: number) => {
    sending = true;
    const reached = await send(settings.socket, assignments);
    sending = false;
    if (!reached) {
      notBefore = clock() + Math.min(againMs, beatEachMs);
      return;
    }
    told.reached(assignments);
    if (assignments.includes("WATCHDOG=1")) beatAt = now;
    // It came up meanwhile, and there may be no other turn.
    if (ending) turn();
  };
  turn();
  const timer = setInterval(turn, Math.min(lookEachMs, beatEachMs)).unref();
  return {
    stopping() {
      ending = true;
      notBefore = clock();
      turn();
    },
    close: () => clearInterval(timer),
  };
}

/** What the service manager has to be told. */
interface Wanted {
  /** Once it is true, READY=1 is due. */
  readonly ready: boolean;
  readonly stopping: boolean;
  readonly status: string;
  /** The watchdog's beat is due. */
  readonly beat: boolean;
}

const longestStatus = 200;

/** What the manager has been told, so that what did not reach it is said again. */
class Told {
  private ready = false;
  private stopping = false;
  private status = "";

  /** The assignments that are due now, the important ones first. */
  due({ ready, stopping, status, beat }: Wanted): string[] {
    const text = statusLine(status);
    return [
      ...(ready && !this.ready && !stopping ? ["READY=1"] : []),
      ...(stopping && !this.stopping ? ["STOPPING=1"] : []),
      ...(text === this.status ? [] : [`STATUS=${text}`]),
      ...(beat ? ["WATCHDOG=1"] : []),
    ];
  }

  /** They have reached the manager. */
  reached(assignments: readonly string[]): void {
    for (const assignment of assignments) {
      if (assignment === "READY=1") this.ready = true;
      if (assignment === "STOPPING=1") this.stopping = true;
      if (assignment.startsWith("STATUS=")) this.status = assignment.slice("STATUS=".length);
    }
  }
}

/** One short line: what a runtime calls itself is in it, and neither a datagram nor a program's argument takes everything. */
export function statusLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
  const line = text.slice(0, 2 * longestStatus).replaceAll(/[\x00-\x1f\x7f]+/g, " ");
  // By characters: half of one is no UTF-8, and systemd drops a status that is none.
  return [...line].slice(0, longestStatus).join("").toWellFormed();
}
