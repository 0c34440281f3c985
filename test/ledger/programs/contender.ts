import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DirectoryLock } from "../../../src/ledger/directory-lock.js";

// Takes the lock again and again; while it has it, it is alone with a file. At the end it dies with the lock in hand.
const [, , directory = "", rounds = "1"] = process.argv;
for (let left = Number(rounds); left > 0; left--) {
  const lock = new DirectoryLock(join(directory, "locked"));
  for (;;) {
    const outcome = await lock.tryAcquire();
    if (outcome.kind === "held") break;
    if (outcome.kind === "unavailable") console.log(`broken ${outcome.reason}`);
    await sleep(Math.random() * 3);
  }
  try {
    writeFileSync(join(directory, "alone"), "", { flag: "wx" });
  } catch {
    console.log("broken: two have it");
  }
  await sleep(Math.random() * 3);
  rmSync(join(directory, "alone"), { force: true });
  console.log("alone");
  if (left === 1) process.kill(process.pid, "SIGKILL");
  await lock.release();
}
