/*
 * The runtime's side of an event, as cheap as it can be: writes a frame that was made before to the plugin's socket,
 * descriptor 3, and takes the time until the answer's frame is there.
 *
 *     driver < requests
 *
 * A request is its length (four bytes, of this machine's order) and its bytes: whole mux frames. For each one a line: the
 * microseconds, and how many bytes the ttRPC answer has after its header.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { plugin = 3, mux_header = 8, ttrpc_header = 10, limit = 1 << 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void receive(int fd, unsigned char *buffer, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t some = read(fd, buffer + got, size - got);
        if (some <= 0)
            exit(fd == 0 && got == 0 ? 0 : 1);
        got += some;
    }
}

static void send_all(const unsigned char *buffer, size_t size)
{
    while (size > 0) {
        ssize_t some = write(plugin, buffer, size);
        if (some <= 0)
            exit(1);
        buffer += some;
        size -= some;
    }
}

int main(void)
{
    unsigned char *buffer = malloc(limit);
    uint32_t size;

    fcntl(plugin, F_SETFL, fcntl(plugin, F_GETFL) & ~O_NONBLOCK);
    for (;;) {
        receive(0, (unsigned char *)&size, sizeof size);
        if (buffer == NULL || size > limit)
            return 1;
        receive(0, buffer, size);
        double began = now();
        send_all(buffer, size);
        receive(plugin, buffer, mux_header);
        size = (uint32_t)buffer[4] << 24 | buffer[5] << 16 | buffer[6] << 8 | buffer[7];
        if (size < ttrpc_header || size > limit)
            return 1;
        receive(plugin, buffer, size);
        printf("%.1f %u\n", now() - began, size - ttrpc_header);
        fflush(stdout);
    }
}
