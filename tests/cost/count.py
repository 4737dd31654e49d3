"""What a request costs, in instructions, counted by callgrind: the difference between N and 2 N requests, so that nothing but the steady
state counts. Fails when a request costs more than the table says and a tenth; whoever makes it cheaper lowers the table.

    count.py EXCHANGE        (the program of exchange.c)
"""

import os
import re
import subprocess
import sys

REQUESTS = 500
IDLE = 5000

# Instructions from the frame that comes in at a host link to the answer (connect: for a connection's three frames), checksums in
# software, by gcc 12 to 14 on x86-64.
LIMITS = {"connect": 14210, "tcp": 3120, "udp": 1530}
# Connections that do nothing may cost the others at most that much, times.
IDLE_LIMIT = 1.1


def count(program, *arguments):
    """Instructions inside counted_step()."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=counted_step", program,
                           *map(str, arguments)], capture_output=True, text=True, check=False)
    # Short-lived children of the plugin loader count too, and collect nothing.
    found = max(map(int, re.findall(r"Collected : (\d+)", done.stderr)), default=0)
    if done.returncode != 0 or not found:
        sys.exit(f"{program} {arguments}: {done.stderr}")
    return found


def per_request(program, protocol, idle=0):
    return (count(program, protocol, 2 * REQUESTS, idle) - count(program, protocol, REQUESTS, idle)) / REQUESTS


def main():
    program, failed = sys.argv[1], False
    if os.uname().machine != "x86_64":
        sys.exit(77)
    for protocol, limit in LIMITS.items():
        cost = per_request(program, protocol)
        failed |= cost > limit * 1.1
        print(f"{protocol}: {cost:.0f} instructions a request (at most {limit} and a tenth)")
        if protocol == "tcp":
            beside = per_request(program, protocol, IDLE)
            failed |= beside > cost * IDLE_LIMIT
            print(f"{protocol}: {beside:.0f} with {IDLE} idle connections beside it (at most {IDLE_LIMIT} times that)")
    sys.exit(1 if failed else 0)


main()
