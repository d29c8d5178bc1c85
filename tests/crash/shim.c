/*
 * A disk that a test can cut the power of, put between a program and libc by LD_PRELOAD.
 *
 * Whatever the program does to files below SHIM_ROOT really happens, and is written down, in order, in SHIM_JOURNAL. From
 * that journal the test (disk.rs) makes what a power cut would have left: only what fsync or fdatasync covered.
 * sync_file_range is passed on and never written down: it makes nothing durable.
 *
 * SHIM_FAULT breaks the disk, from the moment when the file SHIM_TRIGGER is there (without it: from the start):
 *   nosync      fdatasync returns 0 and does nothing
 *   rangesync   fdatasync does what sync_file_range does, and no more
 *   enospc:N    after N more bytes nothing can be written or created: ENOSPC
 *   eiowrite:N  after N more bytes every write fails: EIO
 *   eiosync:N   after N more syncs every sync fails: EIO
 *   erofs       nothing can be changed: EROFS
 *
 * Calls are made by syscall(2), so that nothing has to be looked up and the shim works before any constructor ran. One lock
 * is held over a call and its record; a sync is written down when it begins and when it ends, and runs without the lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
enum { OTHER, PLAIN, DIRECTORY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char kind[FDS];
static int journal = -1, begun;
static const char *root, *fault, *trigger;
static size_t root_length;
static long long budget;
static uint64_t tokens;

static void begin(void) {
    if (begun) return;
    begun = 1;
    root = getenv("SHIM_ROOT");
    root_length = root ? strlen(root) : 0;
    trigger = getenv("SHIM_TRIGGER");
    fault = getenv("SHIM_FAULT");
    if (fault && strchr(fault, ':')) budget = atoll(strchr(fault, ':') + 1);
    const char *path = getenv("SHIM_JOURNAL");
    if (path) journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One record: what, fd, a number, the length of the bytes, and the bytes. The test reads it with the same layout. */
static void note(char what, int fd, uint64_t number, const void *bytes, uint32_t length) {
    unsigned char head[17];
    uint32_t f = (uint32_t)fd;
    if (journal < 0) return;
    head[0] = (unsigned char)what;
    memcpy(head + 1, &f, 4);
    memcpy(head + 5, &number, 8);
    memcpy(head + 13, &length, 4);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, length}};
    /* A regular file takes a write of this size whole; if the test's own disk is full, nothing can be proved. */
    if (syscall(SYS_writev, journal, parts, 2) != (long)(sizeof head + length)) abort();
}

static int is(const char *name) {
    size_t length = strlen(name);
    if (!fault || strncmp(fault, name, length) || (fault[length] && fault[length] != ':')) return 0;
    return !trigger || syscall(SYS_faccessat, AT_FDCWD, trigger, F_OK, 0) == 0;
}

/* The absolute path of what is named, when it is below the root. Names are as the program gives them: it uses no "..". */
static int below(int dir, const char *path, char *out) {
    begin();
    if (!root || !path) return 0;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return 0;
        strcpy(out, path);
    } else {
        char link[64];
        if (dir == AT_FDCWD) {
            if (syscall(SYS_getcwd, out, PATH_MAX) < 0) return 0;
        } else {
            char digits[16], *at = digits + 15;
            *at = 0;
            for (int n = dir; at == digits + 15 || n; n /= 10) *--at = (char)('0' + n % 10);
            strcpy(link, "/proc/self/fd/");
            strcat(link, at);
            long length = syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
            if (length < 0) return 0;
            out[length] = 0;
        }
        if (strlen(out) + 1 + strlen(path) >= PATH_MAX) return 0;
        strcat(out, "/");
        strcat(out, path);
    }
    return !strncmp(out, root, root_length) && (out[root_length] == '/' || !out[root_length]);
}

static int fails(int with) {
    errno = with;
    return -1;
}

static int open_it(int dir, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    if (!below(dir, path, full)) {
        int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
        if (fd >= 0 && fd < FDS) kind[fd] = OTHER;
        return fd;
    }
    int changes = (flags & (O_WRONLY | O_RDWR | O_TRUNC | O_CREAT)) != 0;
    if (changes && is("erofs")) return fails(EROFS);
    if ((flags & O_CREAT) && is("enospc") && budget <= 0 && syscall(SYS_faccessat, AT_FDCWD, full, F_OK, 0) < 0) return fails(ENOSPC);
    pthread_mutex_lock(&lock);
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    int kept = errno;
    struct stat now;
    if (fd >= 0 && fd < FDS) {
        kind[fd] = fstat(fd, &now) == 0 && S_ISDIR(now.st_mode) ? DIRECTORY : PLAIN;
        note(kind[fd] == DIRECTORY ? 'd' : 'O', fd, (uint64_t)flags, full, (uint32_t)strlen(full));
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return fd;
}

#define OPEN(name, head, dir) \
    int name(head const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return open_it(dir, path, flags, mode); \
    }
#define COMMA ,
OPEN(open, , AT_FDCWD)
OPEN(open64, , AT_FDCWD)
OPEN(openat, int dir COMMA, dir)
OPEN(openat64, int dir COMMA, dir)

int close(int fd) {
    if (fd < 0 || fd >= FDS || kind[fd] == OTHER) return (int)syscall(SYS_close, fd);
    pthread_mutex_lock(&lock);
    note('C', fd, 0, "", 0);
    kind[fd] = OTHER;
    int done = (int)syscall(SYS_close, fd), kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

static int copied(int from, int to) {
    if (from >= 0 && from < FDS && to >= 0 && to < FDS) {
        pthread_mutex_lock(&lock);
        kind[to] = kind[from];
        if (kind[from] != OTHER) note('P', from, (uint64_t)to, "", 0);
        pthread_mutex_unlock(&lock);
    }
    return to;
}

int dup(int fd) { return copied(fd, (int)syscall(SYS_dup, fd)); }

static int control(int fd, int command, void *value) {
    int done = (int)syscall(SYS_fcntl, fd, command, value);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, done) : done;
}
#define FCNTL(name) \
    int name(int fd, int command, ...) { \
        va_list more; \
        va_start(more, command); \
        void *value = va_arg(more, void *); \
        va_end(more); \
        return control(fd, command, value); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

static int watched(int fd) { return fd >= 0 && fd < FDS && kind[fd] == PLAIN; }

/* How much of a write the disk takes: all, a part, or -1 with errno set. Under the lock. */
static ssize_t taken(size_t length) {
    int full = is("enospc");
    if (full || is("eiowrite")) {
        if (budget <= 0) return fails(full ? ENOSPC : EIO);
        if ((long long)length > budget) length = (size_t)budget;
        budget -= (long long)length;
    }
    return (ssize_t)length;
}

static ssize_t put(int fd, const void *bytes, size_t length, off_t at, int positioned) {
    pthread_mutex_lock(&lock);
    ssize_t done = taken(length);
    if (done > 0 || (done == 0 && length == 0)) {
        if (!positioned) {
            struct stat now;
            at = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? (fstat(fd, &now), now.st_size) : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        }
        size_t most = (size_t)done;
        done = positioned ? syscall(SYS_pwrite64, fd, bytes, most, at) : syscall(SYS_write, fd, bytes, most);
        int kept = errno;
        if (done > 0) note('W', fd, (uint64_t)at, bytes, (uint32_t)done);
        errno = kept;
    }
    int kept = errno;
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return watched(fd) ? put(fd, bytes, length, 0, 0) : syscall(SYS_write, fd, bytes, length);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return watched(fd) ? put(fd, bytes, length, at, 1) : syscall(SYS_pwrite64, fd, bytes, length, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return pwrite(fd, bytes, length, at); }

/* The first part only: the caller goes on with the rest, as after any short write. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!watched(fd)) return syscall(SYS_writev, fd, parts, count);
    for (int n = 0; n < count; n++)
        if (parts[n].iov_len) return put(fd, parts[n].iov_base, parts[n].iov_len, 0, 0);
    return 0;
}

int ftruncate(int fd, off_t length) {
    if (!watched(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, length), kept = errno;
    if (done == 0) note('T', fd, (uint64_t)length, "", 0);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

static int sync_it(int fd, long call) {
    if (fd < 0 || fd >= FDS || kind[fd] == OTHER) return (int)syscall(call, fd);
    if (call == SYS_fdatasync && is("nosync")) return 0;
    if (call == SYS_fdatasync && is("rangesync")) return (int)syscall(SYS_sync_file_range, fd, 0L, 0L, 7L);
    pthread_mutex_lock(&lock);
    if (is("eiosync") && budget-- <= 0) {
        pthread_mutex_unlock(&lock);
        return fails(EIO);
    }
    uint64_t token = ++tokens;
    note('B', fd, token, "", 0);
    pthread_mutex_unlock(&lock);
    int done = (int)syscall(call, fd), kept = errno;
    pthread_mutex_lock(&lock);
    if (done == 0) note('E', fd, token, "", 0);
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int fsync(int fd) { return sync_it(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

/* Changes of directories, with one or two names. */
static int change(char what, long call, int dir, const char *path, int to_dir, const char *to, long more) {
    char full[2 * PATH_MAX], target[PATH_MAX];
    int mine = below(dir, path, full);
    if (to && below(to_dir, to, target) != mine) abort(); /* Across the root's edge: nothing here does that. */
    if (mine && is("erofs")) return fails(EROFS);
    if (mine && is("enospc") && budget <= 0 && what != 'U' && what != 'D') return fails(ENOSPC);
    pthread_mutex_lock(&lock);
    int done = to ? (int)syscall(call, dir, path, to_dir, to, more) : (int)syscall(call, dir, path, more), kept = errno;
    if (mine && done == 0) {
        size_t length = strlen(full);
        if (to) {
            strcpy(full + length + 1, target);
            length += 1 + strlen(target);
        }
        note(what, -1, 0, full, (uint32_t)length);
    }
    pthread_mutex_unlock(&lock);
    errno = kept;
    return done;
}
int rename(const char *from, const char *to) { return change('R', SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int dir, const char *from, int to_dir, const char *to) { return change('R', SYS_renameat2, dir, from, to_dir, to, 0); }
int unlink(const char *path) { return change('U', SYS_unlinkat, AT_FDCWD, path, -1, NULL, 0); }
int rmdir(const char *path) { return change('D', SYS_unlinkat, AT_FDCWD, path, -1, NULL, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) {
    return change(flags & AT_REMOVEDIR ? 'D' : 'U', SYS_unlinkat, dir, path, -1, NULL, flags);
}
int mkdir(const char *path, mode_t mode) { return change('M', SYS_mkdirat, AT_FDCWD, path, -1, NULL, (long)mode); }
int mkdirat(int dir, const char *path, mode_t mode) { return change('M', SYS_mkdirat, dir, path, -1, NULL, (long)mode); }

/* Short cuts past write: refused, so that every byte is seen. Callers fall back to reading and writing. */
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t length, unsigned flags) {
    return watched(to) ? fails(ENOSYS) : syscall(SYS_copy_file_range, from, a, to, b, length, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t length) {
    return watched(to) ? fails(EINVAL) : syscall(SYS_sendfile, to, from, at, length);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t length) { return sendfile(to, from, at, length); }

/* What would go past the journal, and nothing here uses: it is told, not guessed. */
int fallocate(int fd, int mode, off_t at, off_t length) {
    if (watched(fd)) abort();
    return (int)syscall(SYS_fallocate, fd, mode, at, length);
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    if (watched(fd)) abort();
    return syscall(SYS_pwritev, fd, parts, count, at, 0);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return pwritev(fd, parts, count, at); }
int link(const char *from, const char *to) {
    char full[PATH_MAX];
    if (below(AT_FDCWD, to, full)) abort();
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
