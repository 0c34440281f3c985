/*
 * clearcfs, compiled: takes the CPU quota off containers whose annotation qos.class is "ls".
 *
 *     cc -O2 -static -o clearcfs clearcfs.c
 *
 * The same plugin as the script `clearcfs` beside it, for where a start-up of a millisecond matters. Its conf may name
 * another cgroup root than /sys/fs/cgroup: {"cgroupRoot": "/dir"}.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 64, MAX_TEXT = 4096 };

/* The texts of a request that we need, each by its path of keys. */
static struct field {
    const char *path;
    char text[MAX_TEXT];
} fields[] = {
    {"/version", ""},
    {"/state", ""},
    {"/spec/cgroupsPath", ""},
    {"/spec/annotations/qos.class", ""},
    {"/conf/cgroupRoot", ""},
};

enum { VERSION, STATE, CGROUPS_PATH, QOS_CLASS, CGROUP_ROOT, FIELDS };

static const char *at;

static void answer(const char *error)
{
    const char *texts[] = {fields[VERSION].text, error};
    const char *before[] = {"{\"plugin\":\"clearcfs\",\"version\":\"", "\",\"error\":\""};
    for (int i = 0; i < 2; i++) {
        fputs(before[i], stdout);
        for (const char *c = texts[i]; *c; c++) {
            if (*c == '"' || *c == '\\') putchar('\\');
            putchar((unsigned char)*c < 0x20 ? ' ' : *c);
        }
    }
    puts("\"}");
    exit(0);
}

static void fail(const char *what, const char *why)
{
    char error[2 * MAX_TEXT];
    snprintf(error, sizeof error, "%s: %s", what, why);
    answer(error);
}

static void skip_space(void)
{
    while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n') at++;
}

static void put_rune(unsigned rune, char *out, size_t *size)
{
    if (rune < 0x80) {
        out[(*size)++] = (char)rune;
    } else if (rune < 0x800) {
        out[(*size)++] = (char)(0xc0 | rune >> 6);
        out[(*size)++] = (char)(0x80 | (rune & 0x3f));
    } else {
        out[(*size)++] = (char)(0xe0 | rune >> 12);
        out[(*size)++] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[(*size)++] = (char)(0x80 | (rune & 0x3f));
    }
}

/* Reads a JSON string. A longer one than we can keep is cut, and then equals nothing that we look for. */
static void read_string(char *out)
{
    size_t size = 0;
    for (at++; *at && *at != '"'; at++) {
        char kept[4];
        size_t count = 0;
        if (*at != '\\') {
            kept[count++] = *at;
        } else if (*++at == 'u' && strlen(at) > 4) {
            char digits[5] = {at[1], at[2], at[3], at[4], 0};
            put_rune((unsigned)strtoul(digits, NULL, 16), kept, &count);
            at += 4;
        } else if (*at) {
            const char *escape = strchr("n\nt\tr\rb\bf\f", *at);
            kept[count++] = escape ? escape[1] : *at;
        } else {
            break;
        }
        if (size + count < MAX_TEXT) {
            memcpy(out + size, kept, count);
            size += count;
        }
    }
    out[size] = 0;
    if (*at) at++;
}

/* Reads any JSON value; keeps the texts among `fields`. A key with a slash in it cannot look like a path: depth tells. */
static void read_value(const char *path, int depth)
{
    char text[MAX_TEXT];
    skip_space();
    if (*at == '"') {
        read_string(text);
        for (int i = 0; i < FIELDS; i++)
            if (path && !strcmp(path, fields[i].path)) strcpy(fields[i].text, text);
    } else if ((*at == '{' || *at == '[') && depth < MAX_DEPTH) {
        int object = *at++ == '{';
        for (;;) {
            skip_space();
            if (!*at) return;
            if (*at == '}' || *at == ']') {
                at++;
                return;
            }
            if (*at == ',') {
                at++;
                continue;
            }
            char key[2 * MAX_TEXT] = "";
            if (object) {
                if (*at != '"') fail("the request", "is no JSON");
                read_string(text);
                if (path && !strchr(text, '/')) snprintf(key, sizeof key, "%.*s/%s", MAX_TEXT - 1, path, text);
                skip_space();
                if (*at == ':') at++;
            }
            read_value(*key ? key : NULL, depth + 1);
        }
    } else {
        const char *start = at;
        while (*at && !strchr(",}] \t\r\n", *at)) at++;
        if (at == start && *at) at++;
    }
}

static char *read_all(void)
{
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);
    for (ssize_t n; text && (n = read(0, text + size, room - size - 1)) > 0;) {
        size += (size_t)n;
        if (room - size < 2) text = realloc(text, room *= 2);
    }
    if (!text) fail("the request", "is too large");
    text[size] = 0;
    return text;
}

int main(int argc, char **argv)
{
    at = read_all();
    read_value("", 0);
    if (argc < 2 || strcmp(argv[1], "invoke")) fail("invalid arg", argc < 2 ? "(none)" : argv[1]);
    if (strcmp(fields[STATE].text, "create") || strcmp(fields[QOS_CLASS].text, "ls")) answer("");

    const char *root = *fields[CGROUP_ROOT].text ? fields[CGROUP_ROOT].text : "/sys/fs/cgroup";
    const char *path = fields[CGROUPS_PATH].text;
    char cgroup[2 * MAX_TEXT + 16], quota[2 * MAX_TEXT + 64];
    snprintf(cgroup, sizeof cgroup, "%s/cpu/%s", root, path + (*path == '/'));
    snprintf(quota, sizeof quota, "%s/cpu.cfs_quota_us", cgroup);
    struct stat stats;
    if (stat(cgroup, &stats)) fail(cgroup, "the cgroup does not exist");
    if (stat(quota, &stats)) fail(quota, "does not exist: no cgroup v1 cpu controller");
    int file = open(quota, O_WRONLY | O_TRUNC);
    if (file < 0 || write(file, "-1", 2) != 2 || close(file)) fail(quota, strerror(errno));
    answer("");
}
