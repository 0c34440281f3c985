/*
 * A compiled v0.1 plugin: no shell, no loader tricks, static if the compiler can. It stores its request as the
 * recorder does (see there) and answers a good result with unsorted metadata.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char records[4096];
static char record[4200];

static void store(const char *name, const char *bytes, size_t length) {
  char path[4300];
  snprintf(path, sizeof path, "%s/%s", record, name);
  FILE *file = fopen(path, "w");
  if (!file) return;
  fwrite(bytes, 1, length, file);
  fclose(file);
}

int main(int argc, char **argv) {
  char self[4000] = "";
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 1;
  char *name = strrchr(self, '/');
  *name++ = 0;
  snprintf(record, sizeof record, "%s/recorder.dir", self);
  FILE *file = fopen(record, "r");
  if (!file || !fgets(records, sizeof records, file)) return 1;
  fclose(file);
  records[strcspn(records, "\n")] = 0;

  int number = 1;
  for (;; number++) {
    snprintf(record, sizeof record, "%s/%d", records, number);
    if (mkdir(record, 0755) == 0) break;
    if (errno != EEXIST) return 1;
  }
  store("plugin", name, strlen(name));

  size_t length = 0, size = 1 << 16;
  char *request = malloc(size);
  for (ssize_t n; (n = read(0, request + length, size - length - 1)) > 0;) {
    length += n;
    if (length == size - 1) request = realloc(request, size *= 2);
  }
  request[length] = 0;
  store("request", request, length);

  const char *invoked = argc > 1 ? argv[1] : "";
  const char *pid = strstr(request, "\"pid\":");
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", pid ? atoi(pid + 6) : 0);
  if (pid && access(path, F_OK) == 0) store("alive", "", 0);

  char result[256];
  int written = snprintf(result, sizeof result,
                         "{\"plugin\":\"%s\",\"version\":\"0.1\",\"error\":\"\",\"metadata\":{\"z\":\"%s\",\"argv0\":\"%s\"}}\n",
                         name, invoked, argv[0]);
  store("stdout", result, written);
  store("done", "", 0);
  fwrite(result, 1, written, stdout);
  return 0;
}
