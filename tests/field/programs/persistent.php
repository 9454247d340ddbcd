<?php // SPDX-License-Identifier: Apache-2.0
// Asks a backend over a connection that this process keeps for the requests that come after this.
$backend = pfsockopen("tcp://127.0.0.1", 7000);
fwrite($backend, "ping\n");
$answer = fgets($backend);
usleep(300000); // a slow request: others meanwhile go to other processes
echo trim($answer), " ", getmypid();
