"""Runs COUNT times /bin/true on a local HyperQueue of CORES cores; writes to FOLDER/result the seconds and CPU time it took.

The library's own waiting looks once a second, so a last task that depends on all others writes down when it ran.
"""

import os
import sys
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

count, cores, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])


def run(client, count, stamp):
    job = Job(default_workdir=folder, max_fails=0)
    tasks = [job.program(["/bin/true"], stdout=None, stderr=None) for _ in range(count)]
    job.program(
        ["/bin/sh", "-c", f"date +%s.%N > {stamp}"], stdout=None, stderr=None, deps=tasks
    )
    began = time.time()
    submitted = client.submit(job)
    if not client.wait_for_jobs([submitted]):
        sys.exit("not all tasks ended well")
    return float(stamp.read_text()) - began


def used():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


with LocalCluster(str(folder), WorkerConfig(cores=cores)) as cluster:
    client = cluster.client()
    run(client, 200, folder / "first")
    before = used()
    seconds = run(client, count, folder / "ended")
    (folder / "result").write_text(f"{seconds} {used() - before}")
