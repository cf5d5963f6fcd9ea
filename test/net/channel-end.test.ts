/** How a channel ends: what is still said and heard, and that nothing is left. */
import { once } from 'node:events'
import t from 'tap'
import { broken, channelPair, listenTo, TIMEOUT } from '../fixtures/channel-pair.ts'
import { fakeClock } from '../fixtures/clock.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

t.test('destroys a stream where there is no last word, so that it does not look like an end', async (t) => {
  const clock = fakeClock(t)
  const { channel, socket } = channelPair(t, { plain: true })
  const error = broken()
  const received = channel.receive(() => {})
  channel.fail(error)
  await t.rejects(received, error)
  await channel.closed
  t.ok(socket.destroyed)
  t.notOk(socket.writableEnded)
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

t.test('still delivers its farewell when the other side ends before it has taken it', async (t) => {
  const { channel, other } = channelPair(t)
  const closed = channel.close(Buffer.from('farewell'))
  other.end()
  await settle()
  const heard = listenTo(other)
  await closed
  t.equal(heard.text, 'farewell')
})

t.test('waits for the other side to end also when it has ended itself, and says nothing more', async (t) => {
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  await channel.finish()
  const closed = channel.close(Buffer.from('farewell'))
  t.equal(await stateOf(closed), 'pending')
  other.end()
  await closed
  t.equal(heard.text, '')
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
  t.notOk(channel.signal.aborted, 'that is no failure')
})

t.test('says nothing more after its farewell', async (t) => {
  const clock = fakeClock(t)
  const { channel, other } = channelPair(t)
  const heard = listenTo(other)
  await channel.write(Buffer.from('hello'))
  clock.advance(900)
  void channel.close(Buffer.from(', farewell'))
  await settle()
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
