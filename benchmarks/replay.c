/* Replays requests on kept connections and measures the answers: a load generator that leaves the processors to the
 * server it measures.
 *
 *   replay PORT http|brpc CLIENTS SECONDS WARMUP_SECONDS REQUEST_FILE...
 *
 * Each file is one whole request. Every connection sends its next request as soon as it has an answer (closed loop).
 * Prints one line of JSON: answers per second, percentiles of the latency in ms, failed answers, its own share of a core.
 * An HTTP answer fails if its status is not 200, a baidu_std answer if its meta carries an error code.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_HEAD 16384
#define MAX_CLIENTS 4096

struct request { char *bytes; size_t size; };

struct connection {
    int fd;
    int next;           /* which request is in work */
    size_t sent;        /* bytes of it that the kernel has taken */
    int wants_write;
    double started;
    char head[LARGEST_HEAD];
    size_t head_size;   /* bytes of the answer's head so far */
    size_t body_left;   /* once the head is known */
    int in_body, failed;
};

static struct request *requests;
static int request_count, epoll_fd, is_http;
static double *latencies;
static size_t latency_count, latency_room, failures;
static int is_measuring;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void read_file(const char *name, struct request *into) {
    FILE *file = fopen(name, "rb");
    if (!file) die(name);
    fseek(file, 0, SEEK_END);
    into->size = ftell(file);
    rewind(file);
    into->bytes = malloc(into->size);
    if (fread(into->bytes, 1, into->size, file) != into->size) die(name);
    fclose(file);
}

static void watch(struct connection *c, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (c->wants_write ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) die("epoll_ctl");
}

static void push(struct connection *c) {
    struct request *r = &requests[c->next];
    while (c->sent < r->size) {
        ssize_t n = send(c->fd, r->bytes + c->sent, r->size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) die("send");
        c->sent += n;
    }
    int wants_write = c->sent < r->size;
    if (wants_write != c->wants_write) {
        c->wants_write = wants_write;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void begin(struct connection *c) {
    c->next = (c->next + 1) % request_count;
    c->sent = c->head_size = 0;
    c->in_body = c->failed = 0;
    c->started = now();
    push(c);
}

static uint64_t varint(const unsigned char **at, const unsigned char *end) {
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) break;
    }
    return value;
}

/* The error code in field 1 of field 2 of the meta. */
static int brpc_failed(const unsigned char *at, const unsigned char *end) {
    while (at < end) {
        uint64_t key = varint(&at, end);
        if ((key & 7) == 0) varint(&at, end);
        else if ((key & 7) == 2) {
            uint64_t size = varint(&at, end);
            if (key == 0x12) return size > 1 && at[0] == 8 && at[1] != 0;
            at += size;
        } else return 1;
    }
    return 0;
}

/* Looks whether the head is whole; returns its size and sets the size of what follows. */
static size_t head_of(struct connection *c) {
    if (is_http) {
        char *end = memmem(c->head, c->head_size, "\r\n\r\n", 4);
        if (!end) return 0;
        *end = 0;
        c->failed = strncmp(c->head + 8, " 200", 4) != 0;
        char *length = strcasestr(c->head, "\r\ncontent-length:");
        if (!length) { fprintf(stderr, "an answer without Content-Length\n"); exit(1); }
        c->body_left = strtoul(length + 17, NULL, 10);
        return end + 4 - c->head;
    }
    if (c->head_size < 12) return 0;
    uint32_t sizes[2];
    memcpy(sizes, c->head + 4, 8);
    size_t body = ntohl(sizes[0]), meta = ntohl(sizes[1]);
    if (memcmp(c->head, "PRPC", 4) || meta + 12 > LARGEST_HEAD) { fprintf(stderr, "not baidu_std\n"); exit(1); }
    if (c->head_size < 12 + meta) return 0;
    c->failed = brpc_failed((unsigned char *)c->head + 12, (unsigned char *)c->head + 12 + meta);
    c->body_left = body - meta;
    return 12 + meta;
}

static void answered(struct connection *c) {
    if (is_measuring) {
        if (latency_count == latency_room) {
            latency_room = latency_room ? latency_room * 2 : 1 << 16;
            latencies = realloc(latencies, latency_room * sizeof *latencies);
        }
        latencies[latency_count++] = now() - c->started;
        failures += c->failed;
    }
    begin(c);
}

static void pull(struct connection *c) {
    static char sink[1 << 18];
    for (;;) {
        ssize_t n;
        if (c->in_body) {
            n = recv(c->fd, sink, c->body_left < sizeof sink ? c->body_left : sizeof sink, 0);
        } else {
            n = recv(c->fd, c->head + c->head_size, LARGEST_HEAD - 1 - c->head_size, 0);
        }
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) { fprintf(stderr, "the server closed a connection\n"); exit(1); }
        if (c->in_body) {
            c->body_left -= n;
        } else {
            c->head_size += n;
            size_t head = head_of(c);
            if (!head) {
                if (c->head_size >= LARGEST_HEAD - 1) { fprintf(stderr, "an endless head\n"); exit(1); }
                continue;
            }
            c->in_body = 1;
            c->body_left -= c->head_size - head; /* nothing is pipelined: what is there belongs to this answer */
        }
        if (c->in_body && c->body_left == 0) {
            answered(c);
            return; /* the next answer cannot be here yet */
        }
    }
}

static struct connection *open_connection(int port, int number) {
    struct connection *c = calloc(1, sizeof *c);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->next = number % request_count;
    watch(c, EPOLL_CTL_ADD);
    return c;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double share) {
    return latency_count ? latencies[(size_t)(share * (latency_count - 1))] * 1000 : 0;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: replay PORT http|brpc CLIENTS SECONDS WARMUP_SECONDS REQUEST_FILE...\n");
        return 2;
    }
    int port = atoi(argv[1]), clients = atoi(argv[3]);
    double seconds = atof(argv[4]), warmup = atof(argv[5]);
    is_http = strcmp(argv[2], "http") == 0;
    request_count = argc - 6;
    requests = calloc(request_count, sizeof *requests);
    for (int k = 0; k < request_count; k++) read_file(argv[6 + k], &requests[k]);
    if (clients < 1 || clients > MAX_CLIENTS) return 2;
    epoll_fd = epoll_create1(0);
    for (int k = 0; k < clients; k++) begin(open_connection(port, k));
    double measured_from = now() + warmup, until = measured_from + seconds, cpu = 0;
    struct epoll_event events[256];
    for (double t = now(); t < until; t = now()) {
        if (!is_measuring && t >= measured_from) {
            is_measuring = 1;
            measured_from = t;
            cpu = cpu_seconds();
        }
        int n = epoll_wait(epoll_fd, events, 256, 100);
        for (int k = 0; k < n; k++) {
            struct connection *c = events[k].data.ptr;
            if (events[k].events & EPOLLOUT) push(c);
            if (events[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) pull(c);
        }
    }
    double took = now() - measured_from;
    cpu = cpu_seconds() - cpu;
    qsort(latencies, latency_count, sizeof *latencies, by_value);
    printf("{\"rate\": %.3f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"failed\": %zu, \"cpu\": %.3f}\n",
           latency_count / took, percentile(0.5), percentile(0.99), failures, cpu / took);
    return 0;
}
