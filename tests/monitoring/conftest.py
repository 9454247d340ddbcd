# SPDX-License-Identifier: Apache-2.0
"""Alerts, dashboard and exporter with the real Prometheus. The helpers of the live tests are used here, too."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "live")]
