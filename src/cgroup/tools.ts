import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";

import { errorText } from "../errors.js";

/** Where a system keeps its own programs: never the PATH of plugins, which leads to what plugins install. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of the programs that a view is made with. */
export const toolEnvironment: Readonly<Record<string, string>> = { PATH: systemPath, LC_ALL: "C" };

/** Finds a program of the system. */
export function findTool(name: string, path = systemPath): string | undefined {
  return path
    .split(":")
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What became of a program of the system. */
export type ToolRun =
  | { readonly exited: true; readonly status: number; readonly stdout: string; readonly stderr: string }
  /** `transient`: it says nothing of the machine, but that it is busy or short of something. */
  | { readonly exited: false; readonly why: string; readonly transient: boolean };

/** What a machine has again later. */
const shortages = ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"];

/** Runs a program of the system, and ends it when it takes longer, with all that it has started. Never rejects. */
export function runTool(path: string, args: readonly string[], withinMs: number): Promise<ToolRun> {
  return new Promise((resolve) => {
    const fail = (thrown: unknown): void => {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
      resolve({ exited: false, why: errorText(thrown), transient: shortages.some((shortage) => shortage === code) });
    };
    let child: ChildProcess;
    try {
      child = spawn(path, [...args], {
        cwd: "/",
        env: toolEnvironment,
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own, to end.
        detached: true,
      });
    } catch (thrown) {
      fail(thrown);
      return;
    }
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const timer = setTimeout(() => {
      resolve({ exited: false, why: `it did not end within ${withinMs} ms`, transient: true });
      killGroup(child);
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, withinMs);
    child.once("error", (thrown) => {
      clearTimeout(timer);
      fail(thrown);
    });
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      if (status !== null) resolve({ exited: true, status, stdout, stderr });
      else resolve({ exited: false, why: `it was ended by ${signal}`, transient: true });
    });
  });
}

/** Ends a child that leads a group, with the group. Once it has ended, its number may be another's. */
export function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  try {
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended.
  }
}
