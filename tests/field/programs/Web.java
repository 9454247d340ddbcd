// SPDX-License-Identifier: Apache-2.0
// com.sun.net.httpserver with a pool of threads: java Web.java PORT THREADS (0: none, requests are
// served by the thread that accepts). /hang waits for ever. Ends with 0 at the end of stdin.

import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

public class Web {
  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]), threads = Integer.parseInt(arguments[1]);
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 8);
    CountDownLatch never = new CountDownLatch(1);
    server.createContext("/", exchange -> {
      exchange.getRequestBody().readAllBytes();
      if (exchange.getRequestURI().getPath().equals("/hang")) {
        try {
          never.await();
        } catch (InterruptedException interrupted) {
          return;
        }
      }
      byte[] body = "hello\n".getBytes();
      exchange.sendResponseHeaders(200, body.length);
      try (OutputStream out = exchange.getResponseBody()) {
        out.write(body);
      }
    });
    ExecutorService pool = threads == 0 ? null : Executors.newFixedThreadPool(threads);
    server.setExecutor(pool);
    server.start();
    while (System.in.read() >= 0) {}
    server.stop(0);
    System.exit(0);
  }
}
