import { writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DirectoryLock } from "../../../src/state/directory-lock.js";
import { openStore } from "../../../src/state/store.js";
import { collectLog, key } from "../support.js";
import { operate } from "./operations.js";

// Writes a journal until it is killed, and says after each write how far it is.
const [, , directory = ""] = process.argv;
const lock = new DirectoryLock(directory);
await lock.acquire();
const store = await openStore({ ...key, directory, lock, log: collectLog(), syncDelayMs: 5, compactFromBytes: 4096 });
for (let n = 0; ; n++) {
  operate(store, n);
  writeSync(1, `${n + 1}\n`);
  await nextTurn();
}
