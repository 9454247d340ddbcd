// SPDX-License-Identifier: Apache-2.0
// node web.js PORT: a web server; /poll is answered after four seconds, as a long poll may be.
// Exits with 0 at the end of stdin.
const http = require('http');
const server = http.createServer((request, response) => {
  request.resume();
  const answer = () => response.end('hello\n');
  if (request.url === '/poll') setTimeout(answer, 4000);
  else request.on('end', answer);
});
server.listen(Number(process.argv[2]), '::');
process.stdin.on('end', () => process.exit(0)).resume();
