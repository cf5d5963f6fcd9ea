/** What a channel gives to whom: bytes to its consumer, errors to everyone who waits. */
import type { Duplex } from 'node:stream'
import t from 'tap'
import { broken, channelPair, listenTo } from '../fixtures/channel-pair.ts'
import { gate } from '../fixtures/gate.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

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
    [Object.assign(new Error('read'), { code: 'EHOSTUNREACH' }), 'the connection failed: EHOSTUNREACH'],
    [
      Object.assign(new Error('read'), { errno: -113, code: 'EHOSTUNREACH' }),
      'the connection failed: host is unreachable (EHOSTUNREACH)',
    ],
    [new Error('something odd'), 'the connection failed: something odd'],
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
