"""Chaos: real processes on loopback, killed at random, and nothing may be lost.

    python -m tests.chaos --seconds 90 --seed 1        (`make chaos SECONDS=90 SEED=1`)

Two FHIR servers change all the time and notify over a network that drops, doubles, delays and
shuffles. Meanwhile both web doors, the workers, Redis and PostgreSQL are killed with SIGKILL, a
worker hangs beyond its lease, both servers are down for a while, and the disk of PostgreSQL is
full. Then comes one sweep, and what stands on the servers is compared with what must stand.

    processes   programs that are started, killed and started again
    network     what lies between the servers and the web doors, and counts what is acknowledged
    hospital    people whose records change, and what must stand at the end
    mischief    what goes wrong, and when; seeded
"""
