import { spawn } from "node:child_process";
import { createDatagramSender } from "../ffi/datagram.js";
import { openNative } from "../ffi/native.js";

/** Sends assignments such as `READY=1` to the service manager. What goes wrong is told, never thrown. */
export type SendNotification = (socket: string, assignments: readonly string[]) => void;

/** By the FFI library where there is one, else by systemd's own program. */
export function createNotificationSender(
  onError: (error: unknown) => void,
  open: typeof openNative = openNative,
): SendNotification {
  try {
    const send = createDatagramSender(open());
    return (socket, assignments) => {
      try {
        send(socket, assignments.join("\n"));
      } catch (error) {
        onError(error);
      }
    };
  } catch {
    return (socket, assignments) => sendByProgram(socket, assignments, onError);
  }
}

/**
 * One process for each notification: few enough, at most one in some seconds. It speaks for its parent (as root, by
 * SCM_CREDENTIALS), so that NotifyAccess=main lets it through.
 */
function sendByProgram(socket: string, assignments: readonly string[], onError: (error: unknown) => void): void {
  const child = spawn("systemd-notify", assignments, {
    stdio: "ignore",
    env: { NOTIFY_SOCKET: socket, PATH: process.env.PATH ?? "/usr/bin:/bin" },
  });
  child.on("error", onError);
  child.on("exit", (code) => {
    if (code !== 0) onError(new Error(`systemd-notify ended with ${code ?? "a signal"}`));
  });
  child.unref();
}
