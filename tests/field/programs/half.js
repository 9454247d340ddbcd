// SPDX-License-Identifier: Apache-2.0
// node half.js PORT ends|forgets: a server that allows half-open connections. It answers what it
// reads; at the end of the stream it ends its side, or forgets to. Exits with 0 at the end of stdin.
const net = require('net');
const [port, what] = process.argv.slice(2);
const server = net.createServer({ allowHalfOpen: true }, socket => {
  socket.on('error', () => {});
  socket.on('data', data => socket.write(data));
  socket.on('end', () => { if (what === 'ends') socket.end('bye'); });
});
server.listen(Number(port), '127.0.0.1');
process.stdin.on('end', () => process.exit(0)).resume();
