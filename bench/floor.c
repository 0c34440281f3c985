/*
 * The floor: runs a plugin by posix_spawn(3) as plainly as C can, with three pipes, a request on stdin, and both outputs
 * read to their ends. For each line on its own stdin one run, whose microseconds are a line on stdout.
 *
 *     floor <request bytes> <plugin> [argument...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void drain(int fd)
{
    char buffer[65536];
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    close(fd);
}

static double run(char **argv, const char *request, size_t size)
{
    int in[2], out[2], err[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    double began = now();

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        exit(1);
    if (write(in[1], request, size) != (ssize_t)size)
        exit(1);
    close(in[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ))
        exit(1);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    close(err[1]);
    drain(out[0]);
    drain(err[0]);
    waitpid(pid, &status, 0);
    return now() - began;
}

int main(int argc, char **argv)
{
    size_t size = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    char *request = malloc(size + 1);
    char line[64];

    if (argc < 3 || request == NULL)
        return 64;
    memset(request, 'x', size);
    while (fgets(line, sizeof line, stdin)) {
        printf("%.1f\n", run(argv + 2, request, size));
        fflush(stdout);
    }
    return 0;
}
