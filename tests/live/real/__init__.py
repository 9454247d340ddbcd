# SPDX-License-Identifier: Apache-2.0
"""Real servers and their clients, for test_real_*.py."""
