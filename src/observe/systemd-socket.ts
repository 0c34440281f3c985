import { spawn } from "node:child_process";
import { createDatagramSender } from "../host/datagram.js";
import { openNative } from "../host/native.js";

/**
 * Sends assignments such as `READY=1` to the service manager, and gives whether it has them now. Why not is told, never
 * thrown.
 */
export type SendNotification = (socket: string, assignments: readonly string[]) => Promise<boolean>;

/** systemd-notify ends when the manager has read what it sent, and does not give up where the queue is full. */
const programMs = 5_000;

/** By the FFI library where there is one, else by systemd's own program. */
export function createNotificationSender(
  onError: (error: unknown) => void,
  open: typeof openNative = openNative,
): SendNotification {
  const send = createSender(open);
  return async (socket, assignments) => {
    try {
      await send(socket, assignments);
      return true;
    } catch (error) {
      onError(error);
      return false;
    }
  };
}

type Send = (socket: string, assignments: readonly string[]) => void | Promise<void>;

function createSender(open: typeof openNative): Send {
  try {
    const send = createDatagramSender(open());
    return (socket, assignments) => send(socket, assignments.join("\n"));
  } catch {
    return sendByProgram;
  }
}

/**
 * One process for each notification: few enough, at most one in some seconds. It speaks for its parent (as root, by
 * SCM_CREDENTIALS), so that NotifyAccess=main lets it through.
 * @throws what spawn throws at once, such as E2BIG
 */
function sendByProgram(socket: string, assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("systemd-notify", assignments, {
      stdio: "ignore",
      env: { NOTIFY_SOCKET: socket, PATH: process.env.PATH ?? "/usr/bin:/bin" },
      timeout: programMs,
      killSignal: "SIGKILL",
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`systemd-notify ended with ${code ?? "a signal"}`));
    });
    child.unref();
  });
}
