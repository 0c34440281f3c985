import { once } from "node:events";
import { DirectoryLock } from "../../../src/ledger/directory-lock.js";

// Waits for the lock and holds it until it is killed, or its stdin ends.
const [, , directory = ""] = process.argv;
const lock = new DirectoryLock(directory);
const outcome = await lock.acquire({ onWait: (holder) => console.log(`waits for ${holder}`) });
console.log(outcome.kind);
process.stdin.resume();
await once(process.stdin, "end");
await lock.release();
