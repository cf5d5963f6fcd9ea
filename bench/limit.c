/*
 * The practical limit of a file over one TCP connection: as few system calls and copies as plain Linux allows,
 * and no promise at all.
 *
 *   limit recv PORT >file     takes one connection on 127.0.0.1: 1 MiB recv, then write
 *   limit send PORT <file     sendfile, or splice where standard input is a pipe
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (1 << 20)
#define MOST 0x7ffff000 /* the most that one sendfile moves */

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void send_all(int to) {
  ssize_t sent = sendfile(to, STDIN_FILENO, NULL, MOST);
  const int is_pipe = sent < 0 && errno == EINVAL;
  if (is_pipe) sent = splice(STDIN_FILENO, NULL, to, NULL, BLOCK, SPLICE_F_MOVE);
  while (sent > 0) {
    if (is_pipe) sent = splice(STDIN_FILENO, NULL, to, NULL, BLOCK, SPLICE_F_MOVE);
    else sent = sendfile(to, STDIN_FILENO, NULL, MOST);
  }
  check(sent == 0, "send");
}

static void receive_all(int from) {
  char *buffer = malloc(BLOCK);
  check(buffer != NULL, "malloc");
  ssize_t got;
  while ((got = recv(from, buffer, BLOCK, 0)) > 0) {
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = write(STDOUT_FILENO, buffer + done, got - done);
      check(wrote > 0, "write");
      done += wrote;
    }
  }
  check(got == 0, "recv");
}

int main(int argc, char **argv) {
  check(argc == 3, "usage: limit recv|send PORT");
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (strcmp(argv[1], "send") == 0) {
    check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    send_all(fd);
  } else {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    check(listen(fd, 1) == 0, "listen");
    receive_all(accept(fd, NULL, NULL));
  }
  return 0;
}
