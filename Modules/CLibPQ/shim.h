#include <libpq-fe.h>
/* What waits for libpq's sockets; Glibc's module map leaves these two out. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
/* And these two are declared for _GNU_SOURCE alone, which Swift does not set. */
#include <spawn.h>
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);

/* struct stat belongs to whichever module the compiler met it in first, so that code that imports it compiles one day
   and not the next: a plain copy of what we look at. */
#include <stdint.h>
#include <sys/stat.h>

struct file_status {
    uint64_t device, inode;
    int64_t changed_seconds, changed_nanoseconds;
    uint32_t mode, owner, group;
};

/* 0, or -1 with errno. */
static inline int read_file_status(const char *path, struct file_status *status) {
    struct stat found;
    if (stat(path, &found) != 0) return -1;
    status->device = found.st_dev;
    status->inode = found.st_ino;
    status->changed_seconds = found.st_ctim.tv_sec;
    status->changed_nanoseconds = found.st_ctim.tv_nsec;
    status->mode = found.st_mode;
    status->owner = found.st_uid;
    status->group = found.st_gid;
    return 0;
}
