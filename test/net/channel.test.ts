import { once } from 'node:events'
import { type Duplex, duplexPair } from 'node:stream'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/index.js'
import { Channel } from '../../dist/net/channel.js'
import { fakeClock } from '../fixtures/clock.ts'
import { gate } from '../fixtures/gate.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const TIMEOUT = 30_000
const HEARTBEAT = 'B\0\0\0\u0002{}'

/**
 * A channel and, without a network between, the other side of it. A write is done when the other side has read it, and
 * nothing is read there until `listenTo` is called.
 */
function channelPair(t: Test, { timeout = TIMEOUT, plain = false } = {}) {
  // The smallest buffer there is: a byte that nobody has read yet holds up the next one.
  const [socket, other] = duplexPair({ highWaterMark: 1 })
  const farewell = ({ reason }: TransferError) => Buffer.from(`bye: ${reason}`)
  const channel = new Channel(socket, plain ? { timeout, plain } : { timeout, farewell })
  t.teardown(() => socket.destroy())
  return { channel, socket, other }
}

/** Begins to read the other side: all that has come so far, and its end. */
function listenTo(other: Duplex): { text: string; ended: Promise<unknown> } {
  const heard = { text: '', ended: once(other, 'end') }
  other.on('data', (bytes) => {
    heard.text += bytes
  })
  return heard
}

const broken = (reason = 'test') => new TransferError('incomplete', 'it broke', { reason })

t.test('feeds everything that comes, and resolves when the other side has ended', async (t) => {
  const { channel, other } = channelPair(t)
  const pieces: string[] = []
  const received = channel.receive((bytes) => void pieces.push(String(bytes)))
  other.write('one')
  await settle()
  other.end('two')
  await received
  t.strictSame(pieces, ['one', 'two'])
  t.notOk(channel.signal.aborted)
})

t.test('feeds the next piece only when the last one is consumed', async (t) => {
  const { channel, other } = channelPair(t)
  const pieces: string[] = []
  const consuming = [gate(), gate()]
  const received = channel.receive((bytes) => consuming[pieces.push(String(bytes)) - 1]?.opened)
  other.write('one')
  await settle()
  other.write('two')
  await settle()
  t.strictSame(pieces, ['one'])
  consuming[0]?.open()
  await settle()
  t.strictSame(pieces, ['one', 'two'])
  consuming[1]?.open()
  other.end()
  await received
})

t.test('resolves a write when the bytes have left, and not before', async (t) => {
  const { channel, other } = channelPair(t)
  const written = channel.write(Buffer.from('a'))
  t.equal(await stateOf(written), 'pending')
  const heard = listenTo(other)
  await written
  t.equal(heard.text, 'a')
})

const failures: Record<string, (error: Error) => void | Promise<void>> = {
  throws: (error) => {
    throw error
  },
  rejects: (error) => Promise.reject(error),
}

for (const [how, fail] of Object.entries(failures)) {
  t.test(`fails with the error of a consumer that ${how}`, async (t) => {
    const { channel, other } = channelPair(t)
    const heard = listenTo(other)
    const error = broken('consumer')
    const received = channel.receive(() => fail(error))
    other.write('one')
    await t.rejects(received, error)
    t.equal(channel.signal.reason, error)
    await heard.ended
    t.equal(heard.text, 'bye: consumer')
  })
}

t.test('turns a bug of a consumer into an internal error', async (t) => {
  const { channel, other } = channelPair(t)
  const received = channel.receive(() => {
    throw new RangeError('an index too far')
  })
  other.write('one')
  await t.rejects(received, { name: 'TransferError', code: 'internal', message: 'internal error: an index too far' })
})

t.test('gives the first error to everyone who waits, and to everyone who comes later', async (t) => {
  const { channel, other } = channelPair(t)
  const first = broken('first')
  const written = channel.write(Buffer.from('a'))
  const received = channel.receive(() => {})
  channel.fail(first)
  channel.fail(broken('second'))
  for (const promise of [written, received, channel.write(Buffer.from('c'))]) {
    t.equal(await promise.catch((error) => error), first)
  }
  t.equal(channel.signal.reason, first)
  const heard = listenTo(other)
  await heard.ended
  t.equal(heard.text, 'abye: first')
})

t.test('rejects a receive that begins after the failure', async (t) => {
  const { channel } = channelPair(t)
  const error = broken()
  channel.fail(error)
  await t.rejects(
    channel.receive(() => {}),
    error,
  )
})

t.test('drops what comes after stopReceiving', async (t) => {
  const { channel, other } = channelPair(t)
  listenTo(other)
  const pieces: string[] = []
  const received = channel.receive((bytes) => {
    pieces.push(String(bytes))
    channel.stopReceiving()
  })
  other.write('one')
  await received
  other.end('two')
  await settle()
  t.strictSame(pieces, ['one'])
  await channel.close()
})

t.test('sends a heartbeat after each second in which it wrote nothing, once it has spoken', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  void channel.receive(() => {}).catch(() => {})
  clock.advance(5_000)
  await settle()
  t.equal(heard.text, '', 'nothing before its own opening')
  await channel.write(Buffer.from('hello'))
  clock.advance(999)
  await settle()
  t.equal(heard.text, 'hello')
  clock.advance(1)
  await settle()
  t.equal(heard.text, `hello${HEARTBEAT}`)
  for (let seconds = 0; seconds < 2; seconds++) {
    clock.advance(1_000)
    await settle()
  }
  t.equal(heard.text, `hello${HEARTBEAT.repeat(3)}`)
  channel.finish().catch(() => {})
  clock.advance(5_000)
  await settle()
  t.equal(heard.text, `hello${HEARTBEAT.repeat(3)}`, 'nothing after its own end')
})

t.test('sends no heartbeat where the protocol is not spoken', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t, { plain: true })
  const heard = listenTo(other)
  await channel.write(Buffer.from('hello'))
  clock.advance(5_000)
  await settle()
  t.equal(heard.text, 'hello')
})

t.test('destroys a stream where there is no last word, so that it does not look like an end', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket, other } = channelPair(t, { plain: true })
  let ended = false
  other.resume().once('end', () => {
    ended = true
  })
  const error = broken()
  const received = channel.receive(() => {})
  channel.fail(error)
  await t.rejects(received, error)
  await channel.closed
  t.ok(socket.destroyed)
  t.notOk(ended)
  t.equal(clock.timers, 0)
})

t.test('has finished when the other side has all of it, and not before', async (t) => {
  const { channel, other } = channelPair(t)
  const written = channel.write(Buffer.from('a'))
  const finished = channel.finish()
  t.equal(await stateOf(finished), 'pending')
  const heard = listenTo(other)
  await Promise.all([written, finished, heard.ended])
  t.equal(heard.text, 'a')
})

t.test('gives up when the other side does not take the end', async (t) => {
  const clock = fakeClock(t)
  const { channel } = channelPair(t)
  const written = channel.write(Buffer.from('a'))
  const finished = channel.finish()
  written.catch(() => {})
  clock.advance(TIMEOUT)
  await t.rejects(finished, { code: 'timeout' })
  await t.rejects(channel.finish(), { code: 'timeout' }, 'nor does it finish later')
})

t.test('does not call it finished when the connection broke first', async (t) => {
  const { channel, socket } = channelPair(t)
  void channel.write(Buffer.from('a')).catch(() => {})
  const finished = channel.finish()
  socket.destroy(Object.assign(new Error('write'), { code: 'EPIPE' }))
  await t.rejects(finished, { code: 'incomplete', reason: 'broken' })
})

for (const [what, andThen] of Object.entries({
  'went on': () => {},
  'has ended in the meantime': (other: Duplex) => void other.end(),
})) {
  t.test(`rejects only when the consumer has come to rest, where the other side ${what}`, async (t) => {
    const { channel, other } = channelPair(t)
    listenTo(other)
    const consuming = gate()
    const received = channel.receive(() => consuming.opened)
    other.write('one')
    await settle()
    const error = broken()
    channel.fail(error)
    andThen(other)
    t.equal(await stateOf(received), 'pending')
    consuming.open()
    await t.rejects(received, error)
  })
}

t.test('adds no heartbeat to a queue that does not move', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket } = channelPair(t)
  void channel.write(Buffer.from('abc')).catch(() => {})
  clock.advance(TIMEOUT - 1)
  t.equal(socket.writableLength, 3)
})

t.test('gives up when nothing comes from the other side for the whole timeout', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  const received = channel.receive(() => {})
  clock.advance(TIMEOUT - 500)
  t.equal(await stateOf(received), 'pending')
  clock.advance(500)
  const error = await received.catch((thrown) => thrown)
  t.match(error, {
    code: 'timeout',
    exitCode: 9,
    reason: 'timeout',
    message: 'no progress for 30 seconds: the other side, or the network between, is stuck',
    tell: 'no progress for 30 seconds',
  })
  await settle()
  t.equal(heard.text, 'bye: timeout')
})

t.test('gives up when the other side takes nothing for the whole timeout', async (t) => {
  const clock = fakeClock(t)
  const { channel } = channelPair(t)
  const written = channel.write(Buffer.from('a'))
  clock.advance(TIMEOUT - 500)
  t.equal(await stateOf(written), 'pending')
  clock.advance(500)
  await t.rejects(written, { code: 'timeout' })
})

t.test('takes every byte in either direction for progress', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const received = channel.receive(() => {})
  for (let times = 0; times < 3; times++) {
    clock.advance(TIMEOUT - 500)
    other.write('.')
    await settle()
  }
  t.equal(await stateOf(received), 'pending', 'bytes that come')
  for (let times = 0; times < 3; times++) {
    const written = channel.write(Buffer.from('a'))
    clock.advance(TIMEOUT - 500)
    other.read()
    await written
  }
  t.equal(await stateOf(received), 'pending', 'bytes that leave')
})

t.test('does not count the time that its own side takes', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  clock.advance(2 * TIMEOUT)
  const consuming = gate()
  const received = channel.receive(() => consuming.opened)
  clock.advance(500)
  t.equal(await stateOf(received), 'pending', 'before anyone waited')
  other.write('one')
  await settle()
  clock.advance(2 * TIMEOUT)
  t.equal(await stateOf(received), 'pending', 'while the consumer works')
  consuming.open()
  await settle()
  clock.advance(TIMEOUT - 500)
  t.equal(await stateOf(received), 'pending', 'and from then on the other side has all of its time')
  clock.advance(500)
  await t.rejects(received, { code: 'timeout' })
})

t.test('begins to count with the write where nobody was waiting', async (t) => {
  const clock = fakeClock(t)
  const { channel } = channelPair(t)
  clock.advance(2 * TIMEOUT)
  const written = channel.write(Buffer.from('a'))
  clock.advance(TIMEOUT - 500)
  t.equal(await stateOf(written), 'pending')
})

t.test('looks often enough to keep a short timeout', async (t) => {
  const clock = fakeClock(t)
  const { channel } = channelPair(t, { timeout: 100 })
  const received = channel.receive(() => {})
  clock.advance(100)
  await t.rejects(received, { code: 'timeout', message: /^no progress for 0.1 seconds/ })
})

t.test('closes when the other side ends too, and stops its timers', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  const closed = channel.close(Buffer.from('farewell'))
  await settle()
  t.equal(heard.text, 'farewell')
  t.equal(await stateOf(closed), 'pending')
  other.end('too late to be heard')
  await closed
  t.equal(clock.timers, 0)
})

t.test('closes at once when the other side has ended before', async (t) => {
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  const received = channel.receive(() => {})
  other.end()
  await received
  await channel.close(Buffer.from('farewell'))
  t.equal(heard.text, 'farewell')
})

t.test('closes at once when both sides have ended before', async (t) => {
  const { channel, socket, other } = channelPair(t)
  const heard = listenTo(other)
  const received = channel.receive(() => {})
  other.end()
  channel.finish()
  await Promise.all([received, once(socket, 'finish')])
  await channel.close(Buffer.from('nothing more can be said'))
  t.equal(heard.text, '')
})

t.test('says nothing more after its farewell', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  await channel.write(Buffer.from('hello'))
  clock.advance(900)
  void channel.close(Buffer.from(', farewell'))
  // The next heartbeat would be due.
  clock.advance(900)
  await settle()
  t.equal(heard.text, 'hello, farewell')
  t.notOk(channel.signal.aborted)
})

t.test('waits a second at most for the other side to end', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket } = channelPair(t)
  // It never takes the end.
  channel.finish().catch(() => {})
  const closed = channel.close()
  clock.advance(999)
  t.equal(await stateOf(closed), 'pending')
  t.notOk(socket.destroyed)
  clock.advance(1)
  await closed
  t.ok(socket.destroyed)
  t.equal(clock.timers, 0)
})

t.test('fails when the socket closes without an end', async (t) => {
  const { channel, socket } = channelPair(t)
  const received = channel.receive(() => {})
  socket.destroy()
  await t.rejects(received, { code: 'incomplete', reason: 'broken', message: 'the connection was closed' })
  await channel.closed
})

t.test('names what broke the connection', async (t) => {
  const cases: [Error, string][] = [
    [Object.assign(new Error('read'), { code: 'ECONNRESET' }), 'the other side broke the connection (ECONNRESET)'],
    [Object.assign(new Error('write'), { code: 'EPIPE' }), 'the other side broke the connection (EPIPE)'],
    [Object.assign(new Error('read'), { code: 'EHOSTUNREACH' }), 'the connection failed (EHOSTUNREACH)'],
    [new Error('something odd'), 'the connection failed (something odd)'],
  ]
  for (const [cause, message] of cases) {
    const { channel, socket } = channelPair(t)
    const received = channel.receive(() => {})
    socket.destroy(cause)
    const error = await received.catch((thrown) => thrown)
    t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken', message })
    t.equal(error.cause, cause)
  }
})
