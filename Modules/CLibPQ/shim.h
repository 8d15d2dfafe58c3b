#include <libpq-fe.h>
/* What waits for libpq's sockets; Glibc's module map leaves these two out. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
