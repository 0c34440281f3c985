import { writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DirectoryLock } from "../../../src/ledger/directory-lock.js";
import { openJournal } from "../../../src/ledger/journal-file.js";
import { Ledger } from "../../../src/ledger/ledger.js";
import { collectLog, key } from "../support.js";
import { operate } from "./operations.js";

// Writes a journal until it is killed, and says after each write how far it is.
const [, , directory = ""] = process.argv;
const lock = new DirectoryLock(directory);
await lock.acquire();
const ledger = new Ledger();
await openJournal({ ...key, ledger, directory, lock, log: collectLog(), compactFromBytes: 4096 });
for (let n = 0; ; n++) {
  operate(ledger, n);
  // What may be late is written then.
  await nextTurn();
  writeSync(1, `${n + 1}\n`);
}
