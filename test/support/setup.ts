/** What files a test makes is for the tests to say: one that a group may write is no plugin, and one that only we may read is no conf.json. */
process.umask(0o022);
