"""What has the tests stall reaches the programs that they start."""

import os
import subprocess
import sys

from tests.serving import ROOT

PROGRAM = """
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
slept = []
time.sleep = slept.append
asyncio.run(asyncio.sleep(0))
of_loop = len(slept)
with ThreadPoolExecutor(1) as pool:
    pool.submit(int).result()
print(of_loop > 0, len(slept) > of_loop, max(slept) <= 0.5)
"""


def test_loops_and_pools_of_a_program_stall() -> None:
    site = ROOT / "tests" / "stalls" / "site"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(site), str(ROOT))),
        "STALLS_SHARE": "1",
        "STALLS_SECONDS": "0.5",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True"] * 3
