#!/usr/bin/env node
// The greeter of greeter.py on @grpc/grpc-js: the same service, the same client, the same line of
// JSON.
//
//   greeter.js serve PORT
//   greeter.js call TARGET
'use strict';
const grpc = require('@grpc/grpc-js');

const PIECES = 100; // of 1 MB: a stream of 100 MB
const PIECE_BYTES = 1000000;
const TOGETHER = 1000;

const piece = (number) => Buffer.alloc(PIECE_BYTES, number);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const bytes = (text) => Buffer.from(text);

// Messages are plain bytes: this is what generated code would say.
function method(name, requestStream, responseStream) {
  const same = (message) => message;
  return {
    path: `/meltemi.test.Greeter/${name}`, requestStream, responseStream,
    requestSerialize: same, requestDeserialize: same,
    responseSerialize: same, responseDeserialize: same,
  };
}

const METHODS = {};
for (const name of ['Unary', 'Fails', 'Slow', 'Ended', 'Deadline', 'Together', 'No']) {
  METHODS[name] = method(name, false, false);
}
for (const name of ['ServerStream', 'Endless', 'Down']) METHODS[name] = method(name, false, true);
for (const name of ['ClientStream', 'Up']) METHODS[name] = method(name, true, false);
for (const name of ['BothStreams', 'GivesUp']) METHODS[name] = method(name, true, true);

// Writes them all, no faster than the other end reads.
async function writeAll(call, messages) {
  for (const message of messages) {
    if (!call.write(message)) await new Promise((done) => call.once('drain', done));
  }
  call.end();
}

function* pieces(count) {
  for (let i = 0; i < count; i++) yield piece(i);
}

function* numbers(count) {
  for (let i = 0; i < count; i++) yield bytes(`${i}`);
}

// The server.

const ended = new Set();
let waiting = [];

// Calls `step` until the client no longer wants it, which Ended tells.
async function untilEnd(call, most, step) {
  const until = Date.now() + most;
  let over = false;
  call.on('cancelled', () => { over = true; ended.add(call.request.toString()); });
  while (!over && Date.now() < until) {
    step();
    await sleep(5);
  }
}

const SERVICE = {
  Unary(call, reply) {
    const trailing = new grpc.Metadata();
    trailing.set('x-served-by', 'greeter');
    const initial = new grpc.Metadata();
    for (const value of call.metadata.get('x-asked')) initial.set('x-heard', value);
    for (const value of call.metadata.get('x-raw-bin')) trailing.set('x-raw-bin', value);
    call.sendMetadata(initial);
    reply(null, Buffer.concat([bytes('hello '), call.request]), trailing);
  },
  Fails(_, reply) {
    reply({ code: grpc.status.NOT_FOUND, details: 'no such greeting: 100 %' });
  },
  async Slow(call, reply) {
    await untilEnd(call, 5000, () => {});
    reply(null, bytes('late'));
  },
  async Endless(call) {
    await untilEnd(call, 10000, () => call.write(bytes('tick')));
    call.end();
  },
  Ended(call, reply) { reply(null, bytes(ended.has(call.request.toString()) ? 'yes' : 'no')); },
  Deadline(call, reply) { reply(null, bytes(`${call.getDeadline() - Date.now()}`)); },
  // Answered when as many calls as the request says are here at once.
  Together(call, reply) {
    const one = { reply, timer: setTimeout(() => {
      waiting = waiting.filter((other) => other !== one);
      reply(null, bytes('no'));
    }, 20000) };
    waiting.push(one);
    if (waiting.length < Number(call.request)) return;
    for (const other of waiting) {
      clearTimeout(other.timer);
      other.reply(null, bytes('yes'));
    }
    waiting = [];
  },
  ServerStream(call) { writeAll(call, numbers(Number(call.request))); },
  Down(call) { writeAll(call, pieces(Number(call.request))); },
  ClientStream(call, reply) {
    const parts = [];
    call.on('data', (part) => parts.push(part.toString()));
    call.on('end', () => reply(null, bytes(parts.join(','))));
  },
  Up(call, reply) {
    let count = 0;
    let good = 0;
    call.on('data', (part) => { good += part.equals(piece(count++)) ? 1 : 0; });
    call.on('end', () => reply(null, bytes(`${good}`)));
  },
  BothStreams(call) {
    call.on('data', (word) => call.write(bytes(word.toString().toUpperCase())));
    call.on('end', () => call.end());
  },
  GivesUp(call) {
    call.once('data', (word) => {
      call.write(word);
      call.emit('error', { code: grpc.status.ABORTED, details: 'enough' });
    });
  },
};

function serve(port) {
  const server = new grpc.Server();
  const { No, ...served } = METHODS;
  server.addService(served, SERVICE);
  server.bindAsync(`0.0.0.0:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

// The client.

const inMs = (ms) => ({ deadline: Date.now() + ms });

// {message, code, details, initial, trailing} of a call with one answer.
function ask(client, name, message, ms, metadata = new grpc.Metadata()) {
  return new Promise((done) => {
    const result = {};
    const call = client[name](message, metadata, inMs(ms), (error, reply) => {
      result.message = reply;
    });
    call.on('metadata', (initial) => { result.initial = initial; });
    call.on('status', (status) => {
      setImmediate(() => done({ ...result, code: grpc.status[status.code],
        details: status.details, trailing: status.metadata }));
    });
  });
}

// {heard, code, details} of a stream from the server; `each` hears the messages.
function listen(call, each) {
  return new Promise((done) => {
    let heard = 0;
    call.on('data', (message) => each(message, heard++));
    call.on('error', () => {}); // its status says it
    call.on('status', (status) => setImmediate(() => done(
      { heard, code: grpc.status[status.code], details: status.details })));
  });
}

async function endedAtServer(client, key) {
  for (let i = 0; i < 200; i++) {
    const { message } = await ask(client, 'Ended', bytes(key), 5000);
    if (message && message.toString() === 'yes') return true;
    await sleep(10);
  }
  return false;
}

async function callUnary(client) {
  const metadata = new grpc.Metadata();
  metadata.set('x-asked', 'who is there');
  metadata.set('x-raw-bin', Buffer.from([0, 1, 0xfe, 0xff]));
  const first = await ask(client, 'Unary', bytes('mesh'), 10000, metadata);
  const big = await ask(client, 'Unary', Buffer.alloc(2000000, 'x'), 20000);
  return {
    unary: first.message ? first.message.toString() : first.details,
    initial: first.initial ? first.initial.get('x-heard')[0] : '',
    trailing: first.trailing.get('x-served-by')[0],
    binary: Buffer.concat(first.trailing.get('x-raw-bin')).toString('hex'),
    big: big.message ? big.message.length : big.details,
  };
}

async function callStreams(client) {
  const streamed = await listen(client.ServerStream(bytes('1000')), () => {});
  const joined = await new Promise((done) => {
    const call = client.ClientStream((error, reply) => done(error ? error.details : `${reply}`));
    writeAll(call, ['a', 'b', 'c'].map(bytes));
  });
  // One message at a time, each after the answer to the one before: nothing may be held back.
  const words = ['one', 'two', 'three'];
  const answers = [];
  const both = client.BothStreams();
  both.write(bytes(words[0]));
  await listen(both, (word, number) => {
    answers.push(word.toString());
    if (number + 1 < words.length) both.write(bytes(words[number + 1]));
    else both.end();
  });
  return { server_stream: streamed.heard, client_stream: joined, both_streams: answers };
}

async function callForEnds(client, key) {
  const fails = await ask(client, 'Fails', bytes(''), 10000);
  const unknown = await ask(client, 'No', bytes(''), 10000);
  const slow = await ask(client, 'Slow', bytes(`slow ${key}`), 300);
  const timed = await ask(client, 'Deadline', bytes(''), 7000);
  const left = Number(timed.message);
  const endless = client.Endless(bytes(`endless ${key}`));
  const cancelled = await listen(endless, (_, number) => { if (number === 2) endless.cancel(); });
  const both = client.GivesUp();
  both.on('error', () => {});
  const writes = setInterval(() => both.write(bytes('more')), 1);
  both.write(bytes('word'));
  const givenUp = await listen(both, () => {});
  clearInterval(writes);
  return {
    fails: [fails.code, fails.details],
    unknown: unknown.code,
    deadline: slow.code,
    deadline_ends_server: await endedAtServer(client, `slow ${key}`),
    deadline_at_server: left > 5000 && left <= 7100 ? true : `${timed.message}`,
    cancel: cancelled.code,
    cancel_ends_server: await endedAtServer(client, `endless ${key}`),
    server_gives_up: [givenUp.code, givenUp.details],
  };
}

async function callLong(client) {
  let good = 0;
  const down = await listen(client.Down(bytes(`${PIECES}`)), (message, number) => {
    good += message.equals(piece(number)) ? 1 : 0;
  });
  const up = await new Promise((done) => {
    const call = client.Up((error, reply) => done(error ? error.details : Number(reply)));
    writeAll(call, pieces(PIECES));
  });
  return { mb_down: down.code === 'OK' ? good : -1, mb_up: up };
}

// All on the one connection of the client; each is answered when all have come.
async function callTogether(client) {
  const calls = [];
  for (let i = 0; i < TOGETHER; i++) calls.push(ask(client, 'Together', bytes(`${TOGETHER}`), 25000));
  const answers = await Promise.all(calls);
  return { together: answers.filter((a) => a.message && `${a.message}` === 'yes').length };
}

async function call(target) {
  const Client = grpc.makeGenericClientConstructor(METHODS, 'Greeter');
  const client = new Client(target, grpc.credentials.createInsecure());
  console.log(JSON.stringify({
    ...await callUnary(client),
    ...await callStreams(client),
    ...await callForEnds(client, `js${process.pid}`),
    ...await callLong(client),
    ...await callTogether(client),
  }));
  client.close();
  process.exit(0); // the resolver of names would wait for its timer
}

const [what, where] = process.argv.slice(2);
if (what === 'serve' && where) serve(where);
else if (what === 'call' && where) call(where);
else {
  console.error('greeter.js serve PORT | call TARGET');
  process.exit(2);
}
