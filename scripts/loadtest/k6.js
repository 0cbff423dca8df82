// The load test of the Python server that fsrv replaces, its own request included: virtual users, each downloading a file
// over and over.
//
//   k6 run scripts/loadtest/k6.js
//   k6 run -e PORT=8080 -e USERS=50 -e DURATION=1m -e SIZE_MB=100 scripts/loadtest/k6.js
//
// HOST (127.0.0.1), PORT (8080), USERS (10), DURATION (30s), SIZE_MB (1000: asks for test_files/1000MB-file.tar)
import { check } from 'k6';
import http from 'k6/http';

const host = __ENV.HOST || '127.0.0.1';
const port = __ENV.PORT || '8080';
const size = Number(__ENV.SIZE_MB || 1000);
const path = encodeURIComponent(`test_files/${size}MB-file.tar`);

export const options = {
    vus: Number(__ENV.USERS || 10),
    duration: __ENV.DURATION || '30s',
    discardResponseBodies: true,
    thresholds: { checks: ['rate==1'] },
};

export default function () {
    const answer = http.get(`http://${host}:${port}/files?path=${path}`, { timeout: '10m' });
    check(answer, {
        'it is 200': (r) => r.status === 200,
        'its length is that of the file': (r) => Number(r.headers['Content-Length']) >= size * 1000 * 1000,
    });
}
