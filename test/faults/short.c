/* Every read and write of a socket, and of a file below $SHORT_IN, moves at most half of what it was asked for. Others
   are the runtime's own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_theirs(int fd) {
  struct stat stats;
  char link[32], path[4096] = "";
  const char *folder = getenv("SHORT_IN");
  if (fstat(fd, &stats) != 0) return 0;
  if (S_ISSOCK(stats.st_mode)) return 1;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return S_ISREG(stats.st_mode) && readlink(link, path, sizeof path - 1) > 0 && strncmp(path, folder, strlen(folder)) == 0;
}

static size_t half(int fd, size_t size) { return size > 1 && is_theirs(fd) ? (size + 1) / 2 : size; }

ssize_t read(int fd, void *bytes, size_t size) {
  ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
  return real(fd, bytes, half(fd, size));
}

ssize_t pread64(int fd, void *bytes, size_t size, off_t at) {
  ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread64");
  return real(fd, bytes, half(fd, size), at);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) { return pread64(fd, bytes, size, at); }

ssize_t write(int fd, const void *bytes, size_t size) {
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  return real(fd, bytes, half(fd, size));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
  ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
  return real(fd, bytes, half(fd, size), at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

/* Of several pieces, half of the first one. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
  ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
  struct iovec first = pieces[0];
  first.iov_len = half(fd, first.iov_len);
  return first.iov_len < pieces[0].iov_len ? real(fd, &first, 1) : real(fd, pieces, count);
}
