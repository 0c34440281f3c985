import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptTrunk } from "../../src/nri/wire/socket.js";
import { SocketTrunk } from "../../src/nri/wire/socket-trunk.js";
import { concat, utf8 } from "../support/bytes.js";

/** What a plugin that the runtime launched does with its fd 3: says what came back, and which files its children get. */
const program = `
  import { execFileSync } from "node:child_process";
  import { adoptTrunk } from "./src/nri/wire/socket.js";
  const trunk = adoptTrunk(3);
  trunk.onData((chunk) => {
    // ls has the directory open itself, at the lowest free number: only a socket at 3 is ours.
    const files = execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
    trunk.write([chunk, new TextEncoder().encode(" fd 3 inherited: " + files.includes(" 3 -> socket:"))]);
    trunk.close();
  });
`;

describe("adoptTrunk", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "nri-adopt-"));
    buildSync({
      stdin: { contents: program, resolveDir: process.cwd() },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: join(directory, "plugin.mjs"),
    });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("takes over the socket at fd 3, which a child process then does not inherit", async () => {
    const child = spawn(process.execPath, [join(directory, "plugin.mjs")], {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
    });
    const end = child.stdio[3];
    if (!(end instanceof Socket)) throw new Error("no socket at fd 3");
    const trunk = new SocketTrunk(end);
    const chunks: Uint8Array[] = [];
    trunk.onData((chunk) => chunks.push(chunk));
    trunk.write([utf8("hello")]);
    await new Promise<void>((resolve) => trunk.onClose(() => resolve()));
    expect(Buffer.from(concat(chunks)).toString()).toMatch(/^hello fd 3 inherited: false$/);
    if (child.exitCode === null) await new Promise((resolve) => child.once("exit", resolve));
    expect(child.exitCode).toBe(0);
  });

  it.each([9999, -1])("refuses %i, which is no open socket", (fd) => {
    expect(() => adoptTrunk(fd)).toThrow(
      expect.objectContaining({
        code: "CONNECT_FAILED",
        message: expect.stringMatching(`^cannot connect to file descriptor ${fd}: it is no open socket: `),
      }),
    );
  });
});
