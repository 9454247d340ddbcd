/* One socket in CLOSE_WAIT whose end of stream was read, by a program that then waits for a
 * backend. Compiles as C and as C++. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define APART __attribute__((noinline)) static

static struct sockaddr_in at;

APART int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  connect(fd, (struct sockaddr*)&at, sizeof at);
  return fd;
}

static inline __attribute__((always_inline)) long wait_inlined(int fd) {
  char data[100];

  return read(fd, data, sizeof data); /* blocked */
}

APART long ask_backend(int fd) { return wait_inlined(fd) + 1; }

APART long serve(int fd, int backend) {
  char data[100];

  while (read(fd, data, sizeof data) > 0)
    ;
  return ask_backend(backend) + 2; /* calls it */
}

int main(void) {
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0), backend, client, served;

  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener, (struct sockaddr*)&at, size);
  listen(listener, 5);
  getsockname(listener, (struct sockaddr*)&at, &size);
  backend = dial();
  accept(listener, NULL, NULL);
  client = dial();
  served = accept(listener, NULL, NULL);
  close(client);
  puts("ready");
  fflush(stdout);
  return serve(served, backend) == 0;
}
