/** One connection whose other side a test plays, with a clock that it moves. */
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { Outgoing } from '../../dist/chat/chat-protocol.js'
import { Member } from '../../dist/chat/member.js'
import type { MemberOptions } from '../../dist/chat/member-options.js'
import { MAX_WRITES } from '../../dist/chat/outbox.js'
import { TALK_PACE } from '../../dist/chat/pace.js'
import { TransferError } from '../../dist/errors.js'
import { fakeClock } from '../fixtures/clock.ts'
import { settle } from '../fixtures/turns.ts'

function member(t: Test, options: Partial<MemberOptions> = {}) {
  const clock = fakeClock(t)
  const sent: string[] = []
  const socket = new Duplex({
    read() {},
    write(bytes, _encoding, done) {
      sent.push(String(bytes))
      done()
    },
  })
  const greetings: unknown[] = []
  const member = new Member(socket, {
    timeout: 60_000,
    pace: TALK_PACE,
    onGreeting: (greeting) => void greetings.push(greeting),
    onMessage: () => {},
    ...options,
  })
  return { clock, socket, sent, greetings, member, ended: member.run() }
}

t.test('a greeting that has begun must be complete within 10 seconds', async (t) => {
  const { clock, socket, sent, ended } = member(t)
  socket.push('tcp-chat/1 {"name":')
  await settle()
  clock.advance(10_000)
  t.match(await ended, { code: 'incomplete', reason: 'timeout', message: 'no complete greeting within 10 seconds' })
  t.same(sent, ['tcp-chat/1 {"bye":"timeout"}\n'])
  clock.advance(1_000)
})

t.test('a listener that says nothing for 10 seconds is no tcp-chat', async (t) => {
  const { clock, sent, ended } = member(t, { dials: { kind: 'native', name: 'anna' } })
  await settle()
  clock.advance(10_000)
  t.match(await ended, { reason: 'magic', message: /no tcp-chat has answered within 10 seconds; .*--plain/ })
  t.equal(sent.join(''), 'tcp-chat/1 {"name":"anna"}\n')
  clock.advance(1_000)
})

t.test('who says nothing for a second is a plain peer', async (t) => {
  const { clock, greetings, member: plain, ended } = member(t)
  clock.advance(999)
  t.same(greetings, [])
  clock.advance(1)
  t.same([greetings, plain.kind], [[null], 'plain'])
  plain.leave('Q')
  clock.advance(1_000)
  t.equal(await ended, null)
  clock.advance(1_000)
})

t.test('a plain peer that must not come in after its second of silence hears why', async (t) => {
  const { clock, sent, ended } = member(t, {
    onGreeting() {
      throw new Error('no')
    },
  })
  clock.advance(1_000)
  t.match(await ended, { code: 'internal' })
  t.match(sent.join(''), /^\* /)
  clock.advance(1_000)
})

t.test('a connection that fails ends the wait for what is done with a line', async (t) => {
  const { clock, socket, ended, member: one } = member(t, { onMessage: () => new Promise(() => {}) })
  socket.push('hello\nhello\n')
  await settle()
  one.fail(new TransferError('interrupted', 'stop'))
  t.match(await ended, { code: 'interrupted' })
  clock.advance(1_000)
})

t.test('what follows a text without a line break waits for what is done with that', async (t) => {
  const said: unknown[] = []
  let take = () => {}
  const onMessage = (message: unknown) => {
    said.push(message)
    return new Promise<void>((resolve) => {
      take = resolve
    })
  }
  const { clock, socket, ended, member: one } = member(t, { onMessage })
  socket.push('one')
  await settle()
  clock.advance(100)
  for (const text of ['two', 'three']) {
    socket.push(text)
    await settle()
    clock.advance(100)
  }
  t.same(said, [{ say: 'one' }], 'nothing piles up as long as nobody takes the first one')
  take()
  await settle()
  clock.advance(100)
  await settle()
  t.equal(said.length, 2)
  one.fail(new TransferError('interrupted', 'stop'))
  t.match(await ended, { code: 'interrupted' })
  clock.advance(1_000)
})

t.test('lines that wait are counted, because a short one takes more memory than it has bytes', async (t) => {
  const { clock, socket, ended, member: one } = member(t)
  socket._write = () => {}
  clock.advance(1_000)
  const line = new Outgoing({ say: '', from: 'a' }, true)
  for (let count = 0; count < MAX_WRITES; count++) one.tell(line)
  await settle()
  socket.push('still here\n')
  await settle()
  one.tell(line)
  t.match(await ended, { reason: 'timeout', message: /^too slow/ })
  clock.advance(1_000)
})

t.test('who leaves at once does not wait for a plain peer that goes on, nor after an end of the input', async (t) => {
  for (const words of [['Q'], [null, 'Q'], ['Q', null]]) {
    const { clock, socket, ended, member: one } = member(t)
    clock.advance(1_000)
    for (const word of words) one.leave(word)
    for (let tenth = 0; tenth < 10; tenth++) {
      socket.push('tick\n')
      await settle()
      clock.advance(100)
    }
    t.equal(await ended, null)
    clock.advance(1_000)
  }
})
