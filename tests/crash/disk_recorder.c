/* Purpose: records, in order, what a process asks of its files below DISK_RECORD_ROOT, and what it sends over
 * sockets: preloaded into recharged, it writes one event after another to DISK_RECORD_FILE, in the format
 * that disk_recording.h reads. Owner: any thread; one lock orders all events. Errors: abort, since a
 * recording with a hole proves nothing.
 *
 * A change of a file stands after the call succeeded, and before its caller knows; a flush thus stands behind
 * what it covers, for each file has one thread that writes and flushes it. What is sent stands before the
 * call: behind every flush that it waited for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct event {
  char kind; /* C created, W write, Y write with O_DSYNC, F flush, R rename, U unlink, M mkdir, T truncate, S
                sent */
  uint32_t path_bytes;
  uint64_t offset; /* T: the new size */
  uint64_t data_bytes;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -1;
static const char* root;

#define REAL(name)               \
  static __typeof__(name)* real; \
  if (real == NULL) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start_recording(void) {
  const char* file = getenv("DISK_RECORD_FILE");
  root = getenv("DISK_RECORD_ROOT");
  if (file == NULL || root == NULL) abort();
  record_fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (record_fd < 0) abort();
}

static void put(const void* bytes, size_t size) {
  while (size > 0) {
    const long put_bytes = syscall(SYS_write, record_fd, bytes, size);
    if (put_bytes <= 0) abort();
    bytes = (const char*)bytes + put_bytes;
    size -= (size_t)put_bytes;
  }
}

static void record(char kind, const char* path, uint64_t offset, const struct iovec* parts, int count) {
  struct event event = {kind, (uint32_t)strlen(path), offset, 0};
  for (int i = 0; i < count; ++i) event.data_bytes += parts[i].iov_len;
  pthread_mutex_lock(&lock);
  put(&event, sizeof event);
  put(path, event.path_bytes);
  for (int i = 0; i < count; ++i) put(parts[i].iov_base, parts[i].iov_len);
  pthread_mutex_unlock(&lock);
}

static int inside(const char* path) { return strncmp(path, root, strlen(root)) == 0; }

/* The file's name now, where it lies below the root. */
static int name_of(int fd, char* path, size_t room) {
  char link[40] = "/proc/self/fd/", digits[12];
  int at = 11;
  digits[at] = 0;
  do digits[--at] = (char)('0' + fd % 10);
  while ((fd /= 10) > 0);
  strcat(link, digits + at);
  const ssize_t size = readlink(link, path, room - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return inside(path);
}

static void record_file(char kind, int fd, uint64_t offset, const struct iovec* parts, int count) {
  char path[4096];
  if (!name_of(fd, path, sizeof path)) return;
  if (kind == 'W' && (fcntl(fd, F_GETFL) & O_DSYNC) != 0) kind = 'Y';
  record(kind, path, offset, parts, count);
}

static void record_written(int fd, const struct iovec* parts, int count, off_t offset, ssize_t written) {
  if (written <= 0) return;
  struct iovec done[1024];
  int used = 0;
  for (size_t left = (size_t)written; left > 0 && used < count; ++used) {
    done[used] = parts[used];
    if (done[used].iov_len > left) done[used].iov_len = left;
    left -= done[used].iov_len;
  }
  record_file('W', fd, (uint64_t)offset, done, used);
}

/* --- names --- */

#define OPEN(name, lead, pass, at)                                                 \
  int name(lead const char* path, int flags, ...) {                                \
    REAL(name);                                                                    \
    va_list rest;                                                                  \
    va_start(rest, flags);                                                         \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;         \
    va_end(rest);                                                                  \
    const int fresh = (flags & O_CREAT) != 0 && faccessat(at, path, F_OK, 0) != 0; \
    const int fd = real(pass path, flags, mode);                                   \
    if (fd >= 0 && fresh) record_file('C', fd, 0, NULL, 0);                        \
    return fd;                                                                     \
  }
#define DIRECTORY int directory,
#define COMMA ,
OPEN(open, , , AT_FDCWD)
OPEN(open64, , , AT_FDCWD)
OPEN(openat, DIRECTORY, directory COMMA, directory)
OPEN(openat64, DIRECTORY, directory COMMA, directory)

int rename(const char* from, const char* to) {
  REAL(rename);
  const int result = real(from, to);
  struct iovec target = {(void*)to, strlen(to)};
  if (result == 0 && inside(from)) record('R', from, 0, &target, 1);
  return result;
}

int unlink(const char* path) {
  REAL(unlink);
  const int result = real(path);
  if (result == 0 && inside(path)) record('U', path, 0, NULL, 0);
  return result;
}

int mkdir(const char* path, mode_t mode) {
  REAL(mkdir);
  const int result = real(path, mode);
  if (result == 0 && inside(path)) record('M', path, 0, NULL, 0);
  return result;
}

/* --- contents --- */

#define PWRITE(name)                                                   \
  ssize_t name(int fd, const void* bytes, size_t size, off_t offset) { \
    REAL(name);                                                        \
    const ssize_t written = real(fd, bytes, size, offset);             \
    const struct iovec part = {(void*)bytes, size};                    \
    record_written(fd, &part, 1, offset, written);                     \
    return written;                                                    \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                        \
  ssize_t name(int fd, const struct iovec* parts, int count, off_t offset) { \
    REAL(name);                                                              \
    const ssize_t written = real(fd, parts, count, offset);                  \
    record_written(fd, parts, count, offset, written);                       \
    return written;                                                          \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t write(int fd, const void* bytes, size_t size) {
  REAL(write);
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  const ssize_t written = real(fd, bytes, size);
  const struct iovec part = {(void*)bytes, size};
  if (offset >= 0) record_written(fd, &part, 1, offset, written);
  return written;
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  REAL(writev);
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  const ssize_t written = real(fd, parts, count);
  if (offset >= 0) record_written(fd, parts, count, offset, written);
  return written;
}

#define FLUSH(name)                                    \
  int name(int fd) {                                   \
    REAL(name);                                        \
    const int result = real(fd);                       \
    if (result == 0) record_file('F', fd, 0, NULL, 0); \
    return result;                                     \
  }
FLUSH(fdatasync)
FLUSH(fsync)

#define TRUNCATE(name)                                              \
  int name(int fd, off_t size) {                                    \
    REAL(name);                                                     \
    const int result = real(fd, size);                              \
    if (result == 0) record_file('T', fd, (uint64_t)size, NULL, 0); \
    return result;                                                  \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

/* --- replies --- */

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  REAL(send);
  const struct iovec part = {(void*)bytes, size};
  record('S', "", 0, &part, 1);
  return real(fd, bytes, size, flags);
}

int io_uring_submit_and_wait(struct io_uring* ring, unsigned wait_for) {
  REAL(io_uring_submit_and_wait);
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; ++i) {
    const struct io_uring_sqe* entry = &ring->sq.sqes[i & *ring->sq.kring_mask];
    const struct iovec part = {(void*)(uintptr_t)entry->addr, entry->len};
    if (entry->opcode == IORING_OP_SEND) record('S', "", 0, &part, 1);
  }
  return real(ring, wait_for);
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  REAL(sendmsg);
  record('S', "", 0, message->msg_iov, (int)message->msg_iovlen);
  return real(fd, message, flags);
}
