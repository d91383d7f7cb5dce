// Sends the requests of an exported file with k6, each line once.
//
//   k6 run -e FILE=requests.ndjson -e CLIENTS=64 scripts/load/k6.js          closed loop
//   k6 run -e FILE=requests.ndjson -e RATE=1000 -e DURATION=10s scripts/load/k6.js     open loop
//
// FILE is relative to the directory in which k6 is started. Every virtual user shares the lines.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { SharedArray } from 'k6/data';

const path = __ENV.FILE.startsWith('/') ? __ENV.FILE : `${__ENV.PWD || '.'}/${__ENV.FILE}`;

const requests = new SharedArray('requests', () =>
  open(path)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line)),
);

const closed = {
  executor: 'shared-iterations',
  vus: Number(__ENV.CLIENTS || 64),
  iterations: requests.length,
  maxDuration: '10m',
};
const open_loop = {
  executor: 'constant-arrival-rate',
  rate: Number(__ENV.RATE || 0),
  timeUnit: '1s',
  duration: __ENV.DURATION || '10s',
  preAllocatedVUs: Number(__ENV.CLIENTS || 256),
  maxVUs: Number(__ENV.CLIENTS_MAX || 2000),
};

export const options = {
  scenarios: { requests: __ENV.RATE ? open_loop : closed },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
  // Besides successes only refusals are valid, and they are counted separately.
  thresholds: { checks: ['rate==1'] },
};

export default function () {
  const number = exec.scenario.iterationInTest;
  if (number >= requests.length) {
    exec.test.abort('the lines are used up: export more');
  }
  const it = requests[number];
  const headers = { Authorization: `Bearer ${it.token}` };
  if (it.body !== null) {
    headers['Content-Type'] = 'application/json';
    headers['Idempotency-Key'] = it.key;
  }
  const answer = http.request(it.method, it.url, it.body, { headers, tags: { name: it.method } });
  check(answer, {
    'success or refusal': (r) => [200, 201, 429, 503].includes(r.status),
  });
  check(answer, { [`status ${answer.status}`]: () => true });
}
