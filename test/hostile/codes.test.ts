/** Peers that attack a code: they guess, replay, reflect, stand between both sides, or break every rule of the exchange. */
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newCode } from '../../dist/codes.js'
import { identityOf, provedKey } from '../../dist/net/hello.js'
import { answer, codeOf, exchange, hello, wrong } from '../fixtures/codes.ts'
import { startReceiver, tryReceive, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { damagedPort } from '../fixtures/proxy.ts'

const content = 'a secret of sixteen bytes or more\n'
const VALID_SHARE = 'd6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157'
const NO_POINT = '2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c'
const NEUTRAL = '00'.repeat(32)
const SID = '0f'.repeat(16)
/** Magic, version 1, a sender. */
const SENDER = '7463702d636f64650173'

function place(t: Test): { file: string; out: string } {
  const root = t.testdir({ 'file.txt': content, out: {} })
  return { file: join(root, 'file.txt'), out: join(root, 'out') }
}

t.test('an exchange that goes no further is no guess', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const code = codeOf(receiver)
  for (let time = 1; time <= 10; time++) {
    const { peer } = await exchange(t, receiver.port, wrong(code))
    peer.finish()
    t.match(await receiver.events.until('refused', time), { code: 'incomplete', reason: 'broken' })
    await peer.closed
  }
  t.equal((await trySend(t, receiver.port, file, { code })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})

t.test('so many unfinished exchanges that their times could tell something burn the code', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const opening = Buffer.from(`${SENDER}${SID}${VALID_SHARE}`, 'hex')
  const one = async () => {
    const peer = await Peer.dial(t, receiver.port)
    await peer.write(opening)
    await peer.bytes(1)
    await peer.reset()
    return peer.received[0]
  }
  for (let round = 0; round < 1024 / 32; round++) {
    const statuses = await Promise.all(Array.from({ length: 32 }, one))
    if (statuses.some((status) => status !== 0)) t.fail(`refused in round ${round}`)
  }
  t.equal(await one(), 2, 'burnt')
  t.match((await receiver.ended).error, {
    code: 'key',
    exitCode: 4,
    message: /1024 peers have asked and not proved it/,
  })
})

t.test('a thousand peers at once have three guesses in all', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, maxConnections: 1000 })
  const { peer, key } = await exchange(t, receiver.port, wrong(codeOf(receiver)))
  const guess = await hello(key, 'sender')
  await peer.reset()
  // All of them have begun, and hundreds have the answer, before the first one guesses.
  const opening = Buffer.from(`${SENDER}${SID}${VALID_SHARE}`, 'hex')
  const peers = await Promise.all(Array.from({ length: 1000 }, () => Peer.dial(t, receiver.port)))
  let answered = 0
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const tries = peers.map(async (peer) => {
    await peer.write(opening)
    await peer.bytes(33)
    if (++answered === 300) begin()
    await begun
    peer.finish(guess)
    await peer.closed
    return peer.received
  })
  t.match((await receiver.ended).error, { code: 'key', exitCode: 4, message: /^the code is burnt: 3 guesses/ })
  const received = await Promise.all(tries)
  t.notOk(
    received.some((bytes) => bytes[33] === 0x16),
    'TLS has answered nobody',
  )
  const guesses = receiver.events.of('refused').filter(({ message }) => message.includes('has another code'))
  t.strictSame(
    guesses.map(({ message }) => /\d guess/.exec(message)?.[0]),
    ['2 guess', '1 guess', '0 guess'],
  )
  t.strictSame(readdirSync(out), [])
})

t.test('what was recorded of an exchange is of no use, and counts as a guess', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, count: 2 })
  const code = codeOf(receiver)
  const said: Buffer[] = []
  const change = (direction: string, bytes: Buffer) => {
    if (direction === 'to-receiver') said.push(Buffer.from(bytes))
    return bytes
  }
  const port = await damagedPort(t, receiver.port, { change })
  t.equal((await trySend(t, port, file, { code })).error, undefined)
  const all = Buffer.concat(said)
  const replay = await Peer.dial(t, receiver.port)
  await replay.write(all.subarray(0, 58))
  await replay.bytes(33)
  t.equal(replay.received[0], 0)
  replay.finish(all.subarray(58))
  await replay.closed
  t.match(receiver.events.of('refused'), [
    { code: 'key', message: 'the other side has another code; 2 guesses are left' },
  ])
  t.equal(receiver.events.of('connected').length, 1)
  t.equal((await trySend(t, receiver.port, file, { code })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})

t.test('a listener that sends back what it gets learns nothing', async (t) => {
  const { file } = place(t)
  const code = newCode()
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.bytes(58)
    await peer.write(Buffer.of(0), peer.received.subarray(26, 58))
    await peer.bytes(59)
    peer.finish(peer.received.subarray(58))
  })
  t.match((await trySend(t, port, file, { code })).error, { code: 'key', exitCode: 4 })
})

t.test('a false listener has one guess, and gets nothing but that', async (t) => {
  const { file } = place(t)
  const code = newCode()
  let isRight: boolean | undefined
  const { port, connections } = await listenAsPeer(t, async (peer) => {
    const key = await answer(peer, wrong(code))
    await peer.bytes(58 + 5)
    await peer.bytes(58 + 5 + peer.received.readUInt16BE(58 + 3))
    isRight = peer.received.includes(identityOf(key, 'sender'))
    peer.finish(await hello(key, 'sender'))
  })
  const { error } = await trySend(t, port, file, { code, wait: 5_000, retry: 10, streams: 4 })
  t.match(error, { code: 'key', exitCode: 4, message: /^the other side has another code/ })
  t.equal(isRight, false)
  t.equal(connections(), 1, 'the sender has not tried its code again')
})

t.test('a man in the middle with another code gets between nobody', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const code = codeOf(receiver)
  const { port } = await listenAsPeer(t, async (near) => {
    const far = await exchange(t, receiver.port, wrong(code))
    await answer(near, wrong(code))
    await near.bytes(58 + 5)
    await near.bytes(58 + 5 + near.received.readUInt16BE(58 + 3))
    await far.peer.write(near.received.subarray(58))
    await far.peer.bytes(34)
    near.finish(far.peer.received.subarray(33))
  })
  t.match((await trySend(t, port, file, { code })).error, { code: 'key', message: /^the other side has another code/ })
  t.match(await receiver.events.until('refused'), { code: 'key', message: /has another code; 2 guesses are left/ })
  await receiver.stop()
})

t.test('a man in the middle who only passes on learns nothing, and cannot change the roles', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const code = codeOf(receiver)
  const relayed = (change: (bytes: Buffer) => Buffer) =>
    damagedPort(t, receiver.port, {
      change: (direction, bytes, position) => (direction === 'to-receiver' && position === 0 ? change(bytes) : bytes),
    })
  // A receiver dials, and the opening says that it is a sender.
  const swapped = await relayed((bytes) => {
    bytes.write('s', 9)
    return bytes
  })
  t.match((await tryReceive(t, swapped, { out, code })).error, { code: 'key', message: /^the other side has another/ })
  const { message } = await receiver.events.until('refused')
  t.equal(message, 'the other side has another code; 2 guesses are left')
  t.equal((await trySend(t, await relayed((bytes) => bytes), file, { code })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})

t.test('a listener refuses what is no opening, and says in one byte why', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const cases: [bytes: string, status: number, message: RegExp][] = [
    [`${SENDER}${SID}${NEUTRAL}`, 5, /not what the protocol says/],
    [`${SENDER}${SID}${NO_POINT}`, 5, /not what the protocol says/],
    [`${SENDER}${SID}${VALID_SHARE}00`, 5, /not what the protocol says/],
    [`7463702d636f64650178`, 5, /not what the protocol says/],
    [`7463702d636f64650263`, 4, /in a way that this version does not know/],
    [`7463702d636f64650172${SID}${VALID_SHARE}`, 3, /the other side is a receiver, as this side is/],
    [`7463702d636f64650163${SID}${VALID_SHARE}`, 3, /the other side is a chat, and this side is a receiver/],
  ]
  for (const [index, [bytes, status, message]] of cases.entries()) {
    const peer = await Peer.dial(t, receiver.port)
    // Byte by byte, as a network may bring it.
    for (const byte of Buffer.from(bytes, 'hex')) await peer.write(Buffer.of(byte))
    peer.finish()
    await peer.closed
    t.strictSame([...peer.received], [status])
    t.match(await receiver.events.until('refused', index + 1), { code: 'key', message })
  }
  t.equal((await trySend(t, receiver.port, file, { code: codeOf(receiver) })).error, undefined, 'none was a guess')
  t.equal((await receiver.ended).error, undefined)
})

t.test('what is no TLS behind an exchange is no guess, and TLS without a key is one', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const code = codeOf(receiver)
  const say = async (bytes: Buffer, number: number) => {
    const { peer } = await exchange(t, receiver.port, code)
    peer.finish(bytes)
    await peer.closed
    return (await receiver.events.until('refused', number)).message
  }
  t.match(await say(Buffer.from('tcp-sendG'), 1), /^the other side has no code, and this side has one/)
  t.match(await say(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 2), /an HTTP client/)
  const { key } = await exchange(t, receiver.port, code)
  const first = await hello(key, 'sender')
  t.match(provedKey(first.subarray(5), [key], 'sender'), { id: key.id })
  const changed = Buffer.from(first)
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1)
  t.match(await say(changed, 3), /has another code; 2 guesses are left/)
  await receiver.stop()
})

t.test('a sender gives up a listener that answers with something else', async (t) => {
  const { file } = place(t)
  const cases: [answer: Buffer, code: string, message: RegExp][] = [
    [Buffer.of(1), 'key', /^the code has been used; start the other side again/],
    [Buffer.of(2), 'key', /^the code is burnt, because others/],
    [Buffer.of(3), 'key', /^the other side is no receiver, and this side is a sender$/],
    [Buffer.of(4), 'key', /in a way that this version does not know/],
    [Buffer.of(5), 'key', /^the other side cannot read/],
    [Buffer.of(6), 'key', /^the other side has no code/],
    [Buffer.from('HTTP/1.1 400'), 'key', /^the other side has no code/],
    [Buffer.from(`00${NEUTRAL}`, 'hex'), 'key', /^the other side has no code/],
    [Buffer.from(`00${NO_POINT}`, 'hex'), 'key', /^the other side has no code/],
    [Buffer.from(`00${VALID_SHARE}00`, 'hex'), 'key', /^the other side has no code/],
    [Buffer.from('15030300020231', 'hex'), 'refused', /^the other side takes no more connections now$/],
    [Buffer.from('15030300020228', 'hex'), 'key', /^the other side has no code/],
    [Buffer.from('15030300', 'hex'), 'incomplete', /^the connection was closed$/],
    [Buffer.from(`00${VALID_SHARE}`, 'hex').subarray(0, 20), 'incomplete', /^the connection was closed$/],
    [Buffer.alloc(0), 'incomplete', /^the connection was closed$/],
  ]
  for (const [bytes, code, message] of cases) {
    const { port } = await listenAsPeer(t, (peer) => peer.finish(bytes))
    t.match((await trySend(t, port, file, { code: newCode() })).error, { code, message }, bytes.toString('hex'))
  }
})

t.test('a sender takes a connection that breaks for no wrong code', async (t) => {
  const { file } = place(t)
  const early = await listenAsPeer(t, (peer) => peer.bytes(58).then(() => peer.reset()))
  t.match((await trySend(t, early.port, file, { code: newCode() })).error, { code: 'incomplete', reason: 'broken' })
  const late = await listenAsPeer(t, async (peer) => {
    await answer(peer, newCode())
    await peer.bytes(60)
    await peer.reset()
  })
  t.match((await trySend(t, late.port, file, { code: newCode() })).error, { code: 'incomplete', reason: 'broken' })
})

t.test('a sender that is interrupted during the exchange says so', async (t) => {
  const { file } = place(t)
  const controller = new AbortController()
  const { port } = await listenAsPeer(t, (peer) => peer.bytes(58).then(() => controller.abort()))
  const { error } = await trySend(t, port, file, { code: newCode(), signal: controller.signal })
  t.match(error, { code: 'interrupted', exitCode: 130 })
})

t.test('a listener with too many connections says so to a code, too', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, maxConnections: 1 })
  const silent = await Peer.dial(t, receiver.port)
  const { error } = await trySend(t, receiver.port, file, { code: codeOf(receiver) })
  t.match(error, { code: 'refused', reason: 'busy', exitCode: 5 })
  await silent.reset()
  await receiver.stop()
})

t.test('a listener lives through peers that come and go', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  for (const bytes of ['', 'tcp-', 'tcp-code', `tcp-code\x01s${'x'.repeat(20)}`]) {
    const stray = await Peer.dial(t, receiver.port)
    stray.finish(bytes)
    await stray.closed
    const reset = await Peer.dial(t, receiver.port)
    await reset.write(bytes)
    await reset.reset()
  }
  // Reset before it has its turn.
  const socket = connect({ port: receiver.port, host: '127.0.0.1' })
  await new Promise<void>((resolve) => {
    socket.write(Buffer.from(`${SENDER}${SID}${VALID_SHARE}`, 'hex'), () => {
      socket.resetAndDestroy()
      resolve()
    })
  })
  t.equal((await trySend(t, receiver.port, file, { code: codeOf(receiver) })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})
