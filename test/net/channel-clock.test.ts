/** The clock of a channel: heartbeats of its own, and how long it waits for the other side. */
import t from 'tap'
import { channelPair, listenTo, TIMEOUT } from '../fixtures/channel-pair.ts'
import { fakeClock } from '../fixtures/clock.ts'
import { gate } from '../fixtures/gate.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const HEARTBEAT = 'B\0\0\0\u0002{}'

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
  for (let halves = 0; halves < 4; halves++) {
    clock.advance(500)
    await settle()
  }
  t.equal(heard.text, `hello${HEARTBEAT.repeat(3)}`)
  channel.finish().catch(() => {})
  clock.advance(5_000)
  await settle()
  t.equal(heard.text, `hello${HEARTBEAT.repeat(3)}`, 'nothing after its own end')
  t.notOk(channel.signal.aborted, 'nor does it try')
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
    peerMessage: 'no progress for 30 seconds',
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

t.test('takes the last bytes of a write for progress, also after many heartbeats', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket, other } = channelPair(t)
  listenTo(other)
  await channel.write(Buffer.from('hello'))
  for (let seconds = 0; seconds < 20; seconds++) {
    clock.advance(1_000)
    await settle()
  }
  const beats = 20 * HEARTBEAT.length
  other.removeAllListeners('data')
  other.pause()
  const content = Buffer.alloc(beats)
  const written = channel.write(content)
  const handle = { bytesWritten: 5 + beats + content.length, writeQueueSize: content.length }
  Object.assign(socket, { _handle: handle })
  // One byte in each quarter of the timeout, to the last.
  while (handle.writeQueueSize > 1) {
    clock.advance(TIMEOUT / 4)
    handle.writeQueueSize--
  }
  t.equal(await stateOf(written), 'pending')
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

t.test('waits for nobody once everything that it wrote has left, its end included', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  listenTo(other)
  const consuming = gate()
  const received = channel.receive(() => consuming.opened)
  other.write('one')
  await channel.write(Buffer.from('a'))
  clock.advance(2 * TIMEOUT)
  await channel.finish()
  clock.advance(2 * TIMEOUT)
  t.equal(await stateOf(received), 'pending')
  consuming.open()
  other.end()
  await received
})

t.test('waits for nobody once the other side has ended', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const received = channel.receive(() => {})
  other.end()
  await received
  clock.advance(2 * TIMEOUT)
  t.notOk(channel.signal.aborted)
})

t.test('does not take it for progress that its heartbeats leave', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket, other } = channelPair(t)
  listenTo(other)
  const handle = { bytesWritten: 5, writeQueueSize: 0 }
  Object.assign(socket, { _handle: handle })
  const received = channel.receive(() => {})
  received.catch(() => {})
  await channel.write(Buffer.from('hello'))
  for (let seconds = 0; seconds < TIMEOUT / 1_000; seconds++) {
    handle.bytesWritten += HEARTBEAT.length
    clock.advance(1_000)
    await settle()
  }
  t.equal(await stateOf(received), 'rejected')
  t.match(channel.signal.reason, { code: 'timeout' })
})

t.test('does not take it for progress that it writes what nobody takes', async (t) => {
  const clock = fakeClock(t)
  const { channel } = channelPair(t)
  const received = channel.receive(() => {})
  clock.advance(TIMEOUT - 500)
  channel.write(Buffer.from('a')).catch(() => {})
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
