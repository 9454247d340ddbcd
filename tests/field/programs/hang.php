<?php // SPDX-License-Identifier: Apache-2.0
sleep(100000);
