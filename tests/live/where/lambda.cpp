// A socket in CLOSE_WAIT that a lambda opened: g++ nests its function in that of main().
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

template <typename Function>
__attribute__((noinline)) void apply(const Function& function) {
  function();
}

int main() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  socklen_t size = sizeof at;
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener, reinterpret_cast<sockaddr*>(&at), size);
  listen(listener, 5);
  getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  apply([&] {
    char data[10];
    connect(fd, reinterpret_cast<sockaddr*>(&at), size);  // connects
    close(accept(listener, nullptr, nullptr));
    while (read(fd, data, sizeof data) > 0) {  // reads
    }
  });
  std::puts("ready");
  std::fflush(stdout);
  pause();
}
