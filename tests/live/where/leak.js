// One leaked socket: node reads its end of stream, and nothing closes it.
const net = require("net");

function checkout(port) {
  return net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
}

const server = net.createServer((served) => served.end()).listen(0, "127.0.0.1", function leak() {
  const kept = checkout(server.address().port);
  kept.resume().on("end", () => process.stdout.write("ready\n"));
  setInterval(() => kept, 1000);
});
