/*
 * The floor of an event: a request and its answer of the same sizes over a unix socket, between two processes that do
 * nothing else. For each line on stdin one round trip, whose microseconds are a line on stdout.
 *
 *     echo <request bytes> <answer bytes>
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int receive(int fd, char *buffer, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t some = read(fd, buffer + got, size - got);
        if (some <= 0)
            return 0;
        got += some;
    }
    return 1;
}

int main(int argc, char **argv)
{
    int ends[2];
    size_t asked = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    size_t answered = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    char *buffer = calloc(1, asked + answered + 1);
    char line[64];

    if (asked == 0 || answered == 0 || buffer == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return 64;
    if (fork() == 0) {
        close(ends[0]);
        while (receive(ends[1], buffer, asked) && write(ends[1], buffer, answered) > 0)
            ;
        return 0;
    }
    close(ends[1]);
    while (fgets(line, sizeof line, stdin)) {
        double began = now();
        if (write(ends[0], buffer, asked) != (ssize_t)asked || !receive(ends[0], buffer, answered))
            return 1;
        printf("%.1f\n", now() - began);
        fflush(stdout);
    }
    return 0;
}
