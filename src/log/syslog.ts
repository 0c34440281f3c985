import { spawn } from "node:child_process";
import type { LogDestination } from "./log.js";
import { withSeverity } from "./severity.js";

/**
 * syslog, by util-linux' `logger`: its socket takes datagrams, and Node has no unix datagram sockets. The program is
 * started once and ends with us, since its input does.
 *
 * @param fallback opened when there is no such program, or it ends
 */
export function openSyslog(socketPath: string, fallback: () => LogDestination): LogDestination {
  let instead: LogDestination | undefined;
  const logger = spawn(
    "logger",
    ["--socket", socketPath, "--tag", "nri-v01-bridge", "--prio-prefix", "--size", "64KiB", "--socket-errors=on"],
    {
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin:/usr/sbin:/sbin" },
    },
  );
  const fail = () => {
    instead ??= fallback();
  };
  logger.on("error", fail);
  logger.on("exit", fail);
  logger.stdin.on("error", fail);
  logger.unref();
  return {
    write(line) {
      if (instead === undefined) logger.stdin.write(withSeverity(line));
      else instead.write(line);
    },
  };
}
