"""Sends the requests of an exported file with Locust, each line once.

    FILE=requests.ndjson locust -f scripts/load/locustfile.py --headless -u 64 -r 64 \
        -H http://127.0.0.1:8080

It stops when the lines are used up. With --processes each process takes lines of its own. Locust is written
in Python: it needs several cores to ask for as much as one core serves, so its figures are a lower bound.
"""

import json
import os
from collections import Counter, deque
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, constant, events, task
from locust.exception import StopUser
from locust.runners import WorkerRunner

requests: deque = deque()
statuses: Counter = Counter()


@events.init.add_listener
def read(environment, **_):
    # A user that waits for an answer when the lines are used up still gets it.
    environment.stop_timeout = 60
    runner = environment.runner
    first, step = 0, 1
    if isinstance(runner, WorkerRunner):
        first = runner.worker_index if runner.worker_index >= 0 else 0
        step = environment.parsed_options.processes or 1
    with open(os.environ["FILE"], encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % step == first % step:
                requests.append(json.loads(line))


@events.quitting.add_listener
def tell(**_):
    if statuses:
        print("statuses:", dict(sorted(statuses.items())))


class Buyer(FastHttpUser):
    wait_time = constant(0)

    @task
    def send(self):
        if not requests:
            # The user that quits waits for all other users.
            gevent.spawn(self.environment.runner.quit)
            raise StopUser()
        it = requests.popleft()
        headers = {"Authorization": f"Bearer {it['token']}"}
        if it["body"] is not None:
            headers["Content-Type"] = "application/json"
            headers["Idempotency-Key"] = it["key"]
        path = urlsplit(it["url"]).path
        with self.client.request(
            it["method"], path, data=it["body"], headers=headers, catch_response=True
        ) as answer:
            statuses[answer.status_code] += 1
            if answer.status_code in (200, 201):
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")
