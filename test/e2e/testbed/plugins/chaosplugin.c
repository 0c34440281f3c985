/*
 * A v0.1 plugin for bad days. It notes each run in one line of a log, then does what the first mood says that it finds.
 *
 * chaos.dir beside it names a directory: `runs` gets a line "<name> <state> <id> <nanoseconds since the epoch>" by one
 * write(2) with O_APPEND, before anything else is done. A file `mood-<state>` or `mood` there is taken away by one run
 * and tells it:
 *   sleep <ms>    be slow                 deaf <ms>   be slow and ignore SIGTERM
 *   fail          report an error         garbage     print no result
 *   crash         die of a signal         halt        stop itself
 *   flood         print without end       child <ms>  leave a child that holds stdin, stdout and stderr
 *   daemon <ms>   leave a child in a session of its own
 * A plugin whose name begins with `witness` notes its runs and has no moods.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Copies the text value of the key's first match: `conf`, which comes before it, must not hold the key. */
static void value_of(const char *request, const char *key, char *value, size_t size) {
  const char *found = strstr(request, key);
  size_t length = found ? strcspn(found + strlen(key), "\"") : 0;
  if (length >= size) length = 0;
  memcpy(value, found ? found + strlen(key) : "", length);
  value[length] = 0;
}

static void pause_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) continue;
}

static void answer(const char *name, const char *error) {
  char result[512];
  int length = snprintf(result, sizeof result, "{\"plugin\":\"%s\",\"version\":\"0.1\",\"error\":\"%s\"}\n", name, error);
  if (write(1, result, length) < 0) exit(1);
}

int main(int argc, char **argv) {
  const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
  char home[4000] = "", directory[4096], path[4200], taken[4300], line[512], state[32], id[128];
  if (argc < 2 || readlink("/proc/self/exe", home, sizeof home - 1) < 0) return 1;
  *strrchr(home, '/') = 0;
  snprintf(path, sizeof path, "%s/chaos.dir", home);
  FILE *file = fopen(path, "r");
  if (!file || !fgets(directory, sizeof directory, file)) return 1;
  fclose(file);
  directory[strcspn(directory, "\n")] = 0;

  size_t length = 0, size = 1 << 16;
  char *request = malloc(size);
  for (ssize_t n; (n = read(0, request + length, size - length - 1)) > 0;) {
    length += n;
    if (length == size - 1) request = realloc(request, size *= 2);
  }
  request[length] = 0;
  value_of(request, "\"state\":\"", state, sizeof state);
  value_of(request, "\"id\":\"", id, sizeof id);

  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int written = snprintf(line, sizeof line, "%s %s %s %lld%09ld\n", name, state, id, (long long)now.tv_sec, now.tv_nsec);
  snprintf(path, sizeof path, "%s/runs", directory);
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0 || write(log, line, written) != written) return 1;
  close(log);

  char mood[32] = "";
  long ms = 0;
  snprintf(taken, sizeof taken, "%s/taken.%d", directory, getpid());
  for (int general = 0; general < 2 && strncmp(name, "witness", 7) != 0; general++) {
    snprintf(path, sizeof path, general ? "%s/mood" : "%s/mood-%s", directory, state);
    if (rename(path, taken) != 0 || !(file = fopen(taken, "r"))) continue;
    if (fscanf(file, "%31s %ld", mood, &ms) < 1) mood[0] = 0;
    fclose(file);
    unlink(taken);
    break;
  }
  if (strcmp(mood, "deaf") == 0) signal(SIGTERM, SIG_IGN);
  if (strcmp(mood, "crash") == 0) abort();
  if (strcmp(mood, "halt") == 0) raise(SIGSTOP);
  while (strcmp(mood, "flood") == 0 && write(1, line, written) > 0) continue;
  if (strcmp(mood, "child") == 0 || strcmp(mood, "daemon") == 0) {
    if (fork() == 0) {
      if (strcmp(mood, "daemon") == 0) setsid();
      pause_ms(ms);
      _exit(0);
    }
  } else if (ms > 0) {
    pause_ms(ms);
  }
  if (strcmp(mood, "garbage") == 0) {
    puts("no result at all");
    return 0;
  }
  answer(name, strcmp(mood, "fail") == 0 ? "in a bad mood" : "");
  return 0;
}
