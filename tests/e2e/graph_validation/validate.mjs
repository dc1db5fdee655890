// SPDX-License-Identifier: Apache-2.0
// usage: node validate.mjs REHEARSAL_PROGRAM BUILD_DIRECTORY [REQUESTS.jsonl ...]
// Starts the rehearsal and, before its plain HTTP port, Prism as a validating proxy over Microsoft's
// own description of the mail calls. Requests as the product makes them have to pass Prism, the
// rehearsal's answers too, and bad requests have to be refused (else Prism is asleep). The lines of
// REQUESTS.jsonl (D/graph/requests.jsonl of a rehearsal that was told record_requests) are judged as
// well; what the rehearsal says to them does not matter. Exit code 0: all good, 1: something is not.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [program, build, ...recordings] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const spec = path.join(here, '../../data/graph/graph-openapi-mail.yaml');
const prismProgram = path.join(path.resolve(build), 'node_modules/@stoplight/prism-cli/dist/index.js');
const top = fs.mkdtempSync(path.join(os.tmpdir(), 'graph-validation-'));
const children = [];
let failures = 0;

function exchange(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ timeout: 30000, ...options }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        let json;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        resolve({ status: response.statusCode, headers: response.headers, text, json });
      });
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer in 30 s')));
    request.end(body);
  });
}

async function until(what, condition) {
  const deadline = Date.now() + 60000;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`${what}: not in 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function start(name, command, args) {
  const log = fs.openSync(path.join(top, name + '.log'), 'w');
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
  child.on('exit', () => { child.gone = true; });
  children.push(child);
  return child;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startRehearsal() {
  const directory = path.join(top, 'd');
  const child = start('rehearsal', program, ['--directory', directory, '--http-port', '0']);
  const ready = path.join(directory, 'ready.json');
  await until('the rehearsal', () => {
    if (child.gone) throw new Error('the rehearsal ended: ' + fs.readFileSync(top + '/rehearsal.log'));
    return fs.existsSync(ready);
  });
  const { http_port: port, control_socket: socket } = JSON.parse(fs.readFileSync(ready));
  const control = async (method, url, body) => {
    const answer = await exchange({ socketPath: socket, method, path: url }, JSON.stringify(body));
    if (answer.status > 299) throw new Error(`${method} ${url}: ${answer.text}`);
    return answer.json;
  };
  return { port, control };
}

async function startPrism(upstream) {
  const port = await freePort();
  const child = start('prism', process.execPath, [prismProgram, 'proxy', '--errors', '-m', 'false',
    '-h', '127.0.0.1', '-p', String(port), spec, `http://127.0.0.1:${upstream}`]);
  await until('Prism', async () => {
    if (child.gone) throw new Error('Prism ended: ' + fs.readFileSync(top + '/prism.log'));
    return exchange({ port, path: '/' }).then(() => true, () => false);
  });
  return port;
}

const isPrisms = (answer) => (answer.headers['content-type'] || '').startsWith('application/problem+json');

function judge(name, good, answer) {
  if (!good) failures += 1;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${name}: ${answer.status}` +
    (good ? '' : ` ${answer.text.slice(0, 800)}`));
}

const mime = (number, extra = '') => Buffer.from(
  `From: relay@contoso.test\r\nTo: Bob <bob@example.test>\r\n${extra}Subject: number ${number}\r\n` +
  `Message-ID: <${number}@client.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello\r\n`);
const wrapped = (bytes) => bytes.toString('base64').replace(/.{76}/g, '$&\r\n');
const message = {
  subject: 'JSON',
  body: { contentType: 'html', content: '<p>Hello</p>' },
  from: { emailAddress: { address: 'relay@contoso.test', name: 'Relay' } },
  toRecipients: [{ emailAddress: { address: 'bob@example.test', name: 'Bob' } }],
  bccRecipients: [{ emailAddress: { address: 'ann@example.test' } }],
  internetMessageHeaders: [{ name: 'x-our-id', value: '42' }],
};
const attachment = {
  '@odata.type': '#microsoft.graph.fileAttachment', name: 'a.txt', contentType: 'text/plain',
  contentBytes: Buffer.from('hello').toString('base64'), isInline: false,
};
const user = '/users/relay%40contoso.test';

/// {call(name, method, path, body, type, status)} through Prism; an object becomes JSON.
function caller(port, token) {
  const send = (method, url, body, type, headers = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const all = { Authorization: `Bearer ${token}`, ...headers };
    if (type) all['Content-Type'] = type;
    if (text !== undefined) all['Content-Length'] = Buffer.byteLength(text);
    return exchange({ port, method, path: url, headers: all }, text);
  };
  const good = async (name, status, method, url, body, type, headers) => {
    const answer = await send(method, url, body, type, headers);
    judge(name, answer.status === status && !isPrisms(answer), answer);
    return answer;
  };
  const bad = async (name, status, method, url, body, type) => {
    const answer = await send(method, url, body, type);
    judge('refused: ' + name, answer.status === status && isPrisms(answer), answer);
  };
  return { send, good, bad };
}

async function goodRequests({ good }) {
  const immutable = { Prefer: 'IdType="ImmutableId"' };
  const text = mime(1).toString('base64');
  await good('sendMail, MIME', 202, 'POST', `${user}/sendMail`, text, 'text/plain');
  await good('sendMail, wrapped MIME', 202, 'POST', `${user}/sendMail`, wrapped(mime(2)), 'text/plain');
  await good('sendMail, JSON', 202, 'POST', `${user}/sendMail`,
    { message, saveToSentItems: false }, 'application/json');
  await good('sendMail, JSON with attachment', 202, 'POST', `${user}/sendMail`,
    { message: { ...message, attachments: [attachment] } }, 'application/json');
  let draft = await good('messages, MIME', 201, 'POST', `${user}/messages`, text, 'text/plain', immutable);
  let item = `${user}/messages/${encodeURIComponent(draft.json?.id)}`;
  await good('send', 202, 'POST', `${item}/send`, '', undefined, immutable);
  await good('second send', 404, 'POST', `${item}/send`, '', undefined, immutable);
  draft = await good('messages, JSON', 201, 'POST', `${user}/messages`, message, 'application/json');
  item = `${user}/messages/${encodeURIComponent(draft.json?.id)}`;
  await good('attachments', 201, 'POST', `${item}/attachments`, attachment, 'application/json');
  await good('createUploadSession', 201, 'POST', `${item}/attachments/createUploadSession`,
    { AttachmentItem: { attachmentType: 'file', name: 'f.pdf', size: 9437184 } }, 'application/json');
  await good('DELETE a draft', 204, 'DELETE', item);
}

/// Declared answers other than success come from the rehearsal and have to have the declared shape.
async function refusals({ good }, control) {
  const url = `${user}/sendMail`;
  const text = mime(3).toString('base64');
  await good('another mailbox', 403, 'POST', '/users/x%40contoso.test/sendMail', text, 'text/plain');
  await control('PUT', '/graph/mailboxes', { 'relay@contoso.test': 'ok' });
  await good('no such mailbox', 404, 'POST', '/users/x%40contoso.test/sendMail', text, 'text/plain');
  await control('PUT', '/graph/limits', { body_bytes: 1000 });
  await good('too long', 413, 'POST', url, mime(4, `X: ${'x'.repeat(900)}\r\n`).toString('base64'), 'text/plain');
  await control('PUT', '/graph/limits', { requests: 1, requests_seconds: 60 });
  await good('first of one', 202, 'POST', url, text, 'text/plain');
  await good('throttled', 429, 'POST', url, text, 'text/plain');
  await control('PUT', '/graph/limits', {});
  for (const [status, code] of [[503, 'ErrorServerBusy'], [504, 'UnknownError']]) {
    await control('POST', '/behaviour', { endpoint: 'sendmail', do: { kind: 'graph_error', status, code,
      message: 'busy', headers: status === 503 ? { 'Retry-After': '5' } : {} } });
    await good(`ordered ${status}`, status, 'POST', url, text, 'text/plain');
  }
}

async function badRequests({ bad }, control) {
  const url = `${user}/sendMail`;
  const json = 'application/json';
  await bad('raw MIME', 422, 'POST', url, mime(1).toString(), 'text/plain');
  await bad('another content type', 422, 'POST', url, mime(1).toString('base64'), 'message/rfc822');
  await bad('no message', 422, 'POST', url, { saveToSentItems: true }, json);
  await bad('misspelt member', 422, 'POST', url, { message: { ...message, subjekt: 'x' } }, json);
  await bad('enum', 422, 'POST', `${user}/messages`, { body: { contentType: 'rtf', content: '' } }, json);
  await bad('attachment without type', 422, 'POST', `${user}/messages/x/attachments`,
    { ...attachment, '@odata.type': undefined }, json);
  await bad('session of nothing', 422, 'POST', `${user}/messages/x/attachments/createUploadSession`, {}, json);
  await control('POST', '/behaviour', { endpoint: 'messages',
    do: { kind: 'respond', status: 201, body: { id: 7, isDraft: 'yes' } } });
  await bad('an answer of the wrong shape', 500, 'POST', `${user}/messages`, message, json);
  await bad('unknown path', 404, 'POST', `${user}/sendMails`, '', 'text/plain');
}

async function recorded({ send }, file) {
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  for (const [index, line] of lines.entries()) {
    const { method, path: url, content_type: type, body } = JSON.parse(line);
    if (method === 'GET' || method === 'PATCH') continue;  // not in the description
    const answer = await send(method, url.replace(/^\/v1\.0/, ''), body, type || undefined);
    judge(`${path.basename(file)}:${index + 1} ${method} ${url.replace(/messages\/[^/]+/, 'messages/ID')}`,
      !isPrisms(answer), answer);
  }
}

async function main() {
  const { port: upstream, control } = await startRehearsal();
  await control('PUT', '/clients/app1', { tenant: 'contoso.test', mailboxes: ['relay@contoso.test'],
    roles: ['Mail.Send', 'Mail.ReadWrite'] });
  const { token } = await control('POST', '/mint', { client_id: 'app1', tenant: 'contoso.test',
    audience: 'https://graph.microsoft.com', roles: ['Mail.Send', 'Mail.ReadWrite'] });
  const calls = caller(await startPrism(`${upstream}/v1.0`), token);
  await control('PUT', '/graph/behaviour', { record_requests: 'yes' });
  await goodRequests(calls);
  await control('PUT', '/graph/behaviour', {});
  await recorded(calls, path.join(top, 'd/graph/requests.jsonl'));
  await badRequests(calls, control);
  for (const file of recordings) await recorded(calls, file);
  await refusals(calls, control);
}

try {
  await main();
} catch (error) {
  failures += 1;
  console.log('FAIL ' + (error.stack || error));
}
for (const child of children) child.kill('SIGTERM');
fs.rmSync(top, { recursive: true, force: true });
console.log(failures === 0 ? 'all conform' : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
