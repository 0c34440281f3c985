/** What files a test makes is for the tests to say: one that a group may write is no plugin, one that only we may read no conf.json. */
process.umask(0o022);

/** What the C library and programs say is compared. */
process.env.LC_ALL = "C.UTF-8";
