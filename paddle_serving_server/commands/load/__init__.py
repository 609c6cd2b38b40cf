"""Load on a server, and what comes of it: for `bench` and `benchmarks/`. Linux only, since it waits with epoll."""
