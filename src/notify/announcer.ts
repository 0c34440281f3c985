import { type Clock, monotonicClock } from "../deadline.js";
import { errorText } from "../errors.js";
import type { Log } from "../logger.js";
import { createNotificationSender, type SendNotification } from "./send.js";
import type { NotifySettings } from "./settings.js";

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
  const tell = (...assignments: string[]) => send(settings.socket, assignments);

  const startedAt = clock();
  const beatEachMs = settings.watchdogMs === undefined ? Infinity : settings.watchdogMs / 3;
  let beatAt = startedAt;
  let announced = false;
  let status = "";
  let ending = false;
  const turn = () => {
    const now = clock();
    const assignments: string[] = [];
    const { ready, text } = look();
    if (!announced && (ready || now - startedAt >= readyAtLatestMs)) {
      announced = true;
      assignments.push("READY=1");
    }
    if (!ending && text !== status) {
      status = text;
      assignments.push(`STATUS=${text.replaceAll("\n", " ")}`);
    }
    if (now - beatAt >= beatEachMs) {
      beatAt = now;
      assignments.push("WATCHDOG=1");
    }
    if (assignments.length > 0) tell(...assignments);
  };
  turn();
  const timer = setInterval(turn, Math.min(lookEachMs, beatEachMs)).unref();
  return {
    stopping() {
      ending = true;
      tell("STOPPING=1", "STATUS=finishing what runs");
    },
    close: () => clearInterval(timer),
  };
}
