/** Two that talk, over real connections: both sides are looked at. */
import type { Socket } from 'node:net'
import t from 'tap'
import type { Entrance } from '../../dist/access/entrance.js'
import { Host } from '../../dist/chat/host.js'
import { judge } from '../../dist/chat/kind.js'
import type { Member } from '../../dist/chat/member.js'
import { Report } from '../../dist/chat/report.js'
import { Seat } from '../../dist/chat/seat.js'
import { chat } from '../../dist/chat.js'
import { TransferError } from '../../dist/errors.js'
import { CHAT_LINE } from '../../dist/protocol/strangers.js'
import { gate } from '../fixtures/gate.ts'
import { key } from '../fixtures/keys.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { dialling, endOf, listening, pair, Told } from '../fixtures/talks.ts'

t.test('each hears what the other one says, in order, whatever characters it has', async (t) => {
  const { bob, anna } = await pair(t)
  const lines = ['hello', '', 'ä 👋 "quoted" \\', '{"bye":true}', 'Q', '\u001b[2J', 'x'.repeat(4096)]
  for (const line of lines) {
    t.ok(await anna.talk.say(line))
    t.ok(await bob.talk.say(line))
  }
  t.strictSame(
    await bob.told.said(lines.length),
    lines.map((line) => `anna: ${line}`),
  )
  t.strictSame(
    await anna.told.said(lines.length),
    lines.map((line) => `bob: ${line}`),
  )
  t.same(
    bob.told.of('joined').map(({ name, plain }) => ({ name, plain })),
    [{ name: 'anna', plain: undefined }],
  )
  t.match(anna.told.of('joined'), [{ name: 'bob', you: 'anna', room: false, peer: `127.0.0.1:${bob.port}` }])
  t.same(await bob.talk.who(), ['bob', 'anna'])
  t.same(await anna.talk.who(), ['bob', 'anna'])
  anna.talk.leave()
  t.equal(await endOf(anna), 0)
  t.match(anna.told.events.at(-1), { event: 'done', linesIn: lines.length, linesOut: lines.length, exitCode: 0 })
  t.match(await bob.told.heard('left'), [{ name: 'anna', reason: 'left', message: undefined }])
  t.same(await bob.talk.say('anybody?'), false)
  t.same(await anna.talk.say('hello?'), false)
  t.same(await anna.talk.who(), [])
})

t.test('a text of several lines, and one that is too long, become several lines', async (t) => {
  const { bob, anna } = await pair(t)
  await anna.talk.say(`one\r\ntwo\n${'x'.repeat(5000)}`)
  const lines = await bob.told.said(4)
  t.same(lines.slice(0, 2), ['anna: one', 'anna: two'])
  t.equal(lines.slice(2).join('').replaceAll('anna: ', ''), 'x'.repeat(5000))
})

t.test('the side that listens talks to one after the other, until it leaves itself', async (t) => {
  const bob = await listening(t)
  for (const name of ['anna', 'carl']) {
    const guest = await dialling(t, bob.port, { name })
    await guest.talk.say(`I am ${name}`)
    guest.talk.leave()
    t.equal(await endOf(guest), 0)
  }
  await bob.told.heard('left', 2)
  const last = await dialling(t, bob.port)
  await bob.told.heard('joined', 3)
  bob.talk.leave()
  t.same([await endOf(bob), await endOf(last)], [0, 0])
  t.match(last.told.of('left'), [{ name: 'bob', reason: 'left' }])
  t.same(bob.told.lines, ['anna: I am anna', 'carl: I am carl'])
  t.equal(bob.told.of('left').length, 2, 'who is left behind has not left')
})

t.test('a third one is told that there is a conversation, which goes on', async (t) => {
  const { bob, anna } = await pair(t)
  const told = new Told()
  const third = chat({ host: '127.0.0.1', port: bob.port, name: 'eve', onEvent: told.onEvent })
  await t.rejects(third, { code: 'refused', reason: 'busy', message: /it talks to somebody else/ })
  t.match(told.events, [
    { event: 'failed', reason: 'busy' },
    { event: 'done', exitCode: 5 },
  ])
  const plain = await Peer.dial(t, bob.port)
  await plain.write('hello\n')
  await plain.ended
  t.equal(plain.received.toString(), '* busy: it talks to somebody else\n')
  t.match(bob.told.of('refused'), [{ reason: 'busy' }, { reason: 'busy' }])
  await anna.talk.say('still here')
  t.same(await bob.told.said(1), ['anna: still here'])
})

t.test('two of one name, however it is written, get two', async (t) => {
  const { bob, anna } = await pair(t, { name: 'anna' }, { name: 'Anna' })
  t.match(anna.told.of('joined'), [{ name: 'anna', you: 'Anna-2' }])
  t.match(bob.told.of('joined'), [{ name: 'Anna-2' }])
})

t.test('without a name it is that of the user; a wrong one is wrong usage', async (t) => {
  const bob = await listening(t, { name: undefined })
  const [name] = await bob.talk.who()
  t.match(name, /^[\w.-]{1,32}$/)
  for (const name of ['', 'a b', 'a:b']) {
    const told = new Told()
    await t.rejects(chat({ listen: true, port: 0, name, onEvent: told.onEvent }), { code: 'usage' })
    t.match(told.events, [
      { event: 'failed', code: 'usage' },
      { event: 'done', exitCode: 2 },
    ])
  }
})

t.test('with once, the first partner who leaves ends it', async (t) => {
  const { bob, anna } = await pair(t, { once: true })
  anna.talk.leave()
  t.equal(await endOf(bob), 0)
  t.match(bob.told.events.at(-1), { event: 'done', exitCode: 0 })
})

t.test('with once, a partner whose connection breaks ends it as broken', async (t) => {
  const bob = await listening(t, { once: true })
  const peer = await Peer.dial(t, bob.port)
  await peer.write('tcp-chat/1 {"name":"anna"}\n')
  await bob.told.heard('joined')
  await peer.reset()
  t.equal(await endOf(bob), 6)
  t.match(bob.told.of('left'), [{ name: 'anna', reason: 'broken', message: /broke the connection/ }])
})

t.test('who has gone without a word has not left', async (t) => {
  const bob = await listening(t, { once: true })
  const peer = await Peer.dial(t, bob.port)
  await peer.write('tcp-chat/1 {"name":"anna"}\n')
  await bob.told.heard('joined')
  peer.finish()
  t.equal(await endOf(bob), 6)
  t.match(bob.told.of('left'), [{ name: 'anna', reason: 'broken', message: 'the other side has gone without a word' }])
})

t.test('a partner without a sign of life is given up, and one that is alive is not', async (t) => {
  const bob = await listening(t, { timeout: 2_000, room: true })
  const anna = await dialling(t, bob.port, { timeout: 2_000 })
  const [witness, stone] = [await Peer.dial(t, bob.port), await Peer.dial(t, bob.port)]
  witness.socket.on('data', () => void witness.write('\n'))
  for (const [name, peer] of Object.entries({ witness, stone })) await peer.write(`tcp-chat/1 {"name":"${name}"}\n`)
  await stone.ended
  t.match(stone.received.toString(), /^tcp-chat\/1 .*\n(\{"joined".*\n)?\n+\{"bye":"timeout"\}\n$/)
  t.match(await bob.told.heard('left'), [{ name: 'stone', reason: 'timeout', message: /no progress for 2 seconds/ }])
  t.ok(await anna.talk.say('I have only been silent'))
  t.same(await bob.told.said(1), ['anna: I have only been silent'])
  t.equal(bob.told.of('left').length, 1)
})

t.test('the end of the input ends a side that has dialled', async (t) => {
  const { bob, anna } = await pair(t)
  await anna.talk.say('that is all')
  anna.talk.sayNoMore()
  t.equal(await endOf(anna), 0)
  t.match(await bob.told.heard('left'), [{ reason: 'left' }])
  t.same(bob.told.lines, ['anna: that is all'])
  t.same(anna.told.of('left'), [], 'it was this side that has left')
})

t.test('a side that listens and has nothing to say stays until its partner leaves', async (t) => {
  const bob = await listening(t)
  bob.talk.sayNoMore()
  const anna = await dialling(t, bob.port)
  await anna.talk.say('hello')
  t.same(await bob.told.said(1), ['anna: hello'])
  anna.talk.leave()
  t.equal(await endOf(bob), 0)
})

t.test('a side that listens and has said something leaves after the end of its input', async (t) => {
  const { bob, anna } = await pair(t)
  await bob.talk.say('that is all')
  bob.talk.sayNoMore()
  t.same([await endOf(anna), await endOf(bob)], [0, 0])
  t.same(anna.told.lines, ['bob: that is all'])
})

t.test('nobody who comes within the time is a failure; a failed call has its events', async (t) => {
  const bob = await listening(t, { wait: 50 })
  t.equal(await endOf(bob), 9)
  t.match(bob.told.events.slice(1), [
    { event: 'failed', code: 'timeout', message: 'nobody came within 0.05 seconds' },
    { event: 'done', exitCode: 9 },
  ])
  const { bob: other, anna } = await pair(t, { wait: 10_000 })
  t.ok(await anna.talk.say('in time'))
  await other.told.said(1)
})

t.test('tries to connect for as long as it may wait', async (t) => {
  const { port } = await listening(t).then(async (bob) => {
    bob.talk.leave()
    await bob.talk.finished
    return bob
  })
  const told = new Told()
  const waiting = chat({ host: '127.0.0.1', port, name: 'anna', wait: 60_000, onEvent: told.onEvent })
  await told.heard('notice')
  t.match(told.of('notice'), [{ message: /nothing listens there.*; trying again for up to 60 seconds/ }])
  const bob = await listening(t, { port })
  const anna = await waiting
  await bob.told.heard('joined')
  anna.leave()
  t.match(await anna.finished, { linesIn: 0, linesOut: 0 })
  await t.rejects(chat({ port: 1, name: 'anna' }), { code: 'connect' })
})

for (const side of ['bob', 'anna'] as const) {
  t.test(`an interruption of ${side} ends both, and the other one politely`, async (t) => {
    const stop = new AbortController()
    const { bob, anna } = await pair(
      t,
      side === 'bob' ? { signal: stop.signal } : { once: true },
      side === 'anna' ? { signal: stop.signal } : {},
    )
    stop.abort()
    t.same([await endOf(bob), await endOf(anna)], side === 'bob' ? [130, 0] : [0, 130])
  })
}

t.test('a signal that is aborted already lets nothing begin', async (t) => {
  const signal = AbortSignal.abort()
  const bob = await listening(t, { signal })
  t.equal(await endOf(bob), 130)
  const { port } = await listening(t)
  await t.rejects(chat({ host: '127.0.0.1', port, name: 'anna', signal }), { code: 'interrupted' })
})

t.test('an onEvent that throws ends the conversation, on either side', async (t) => {
  const fail = (event: { event: string }) => {
    if (event.event === 'line') throw new Error('no room')
  }
  const bob = await listening(t, { onEvent: fail })
  const anna = await dialling(t, bob.port)
  await anna.talk.say('hello')
  t.same([await endOf(bob), await endOf(anna)], [1, 6])
  t.match(anna.told.of('failed'), [
    { reason: 'internal', message: 'the other side has ended the conversation (internal)' },
  ])
  const carl = await listening(t, { once: true })
  const dora = await dialling(t, carl.port, { onEvent: fail })
  await carl.told.heard('joined')
  await carl.talk.say('hello')
  t.same([await endOf(carl), await endOf(dora)], [6, 1])
})

t.test('a listener that is no tcp-chat is told apart, with a hint', async (t) => {
  for (const says of ['HTTP/1.1 400\r\n', 'Hello, who is there? ', 'tcp-chat/2 {}\n', 'tcp-chat']) {
    const { port } = await listenAsPeer(t, (peer) => (says === 'tcp-chat' ? peer.finish(says) : peer.write(says)))
    const ended = chat({ host: '127.0.0.1', port, name: 'anna' })
    await t.rejects(ended, { code: 'incomplete', reason: says === 'tcp-chat' ? 'broken' : 'magic' }, says)
  }
})

t.test('events that somebody fails to take are no failure of the conversation', async (t) => {
  let joined = () => {}
  const isJoined = new Promise<void>((resolve) => {
    joined = resolve
  })
  const bob = await listening(t, {
    async onEvent({ event }) {
      if (event === 'joined') joined()
      throw new Error('no')
    },
  })
  const anna = await dialling(t, bob.port)
  await isJoined
  await bob.talk.say('hello')
  t.same(await anna.told.said(1), ['bob: hello'])
})

t.test('a seat is lost by who has said nothing, and its member hears why', async (t) => {
  const seat = new Seat()
  t.ok(seat.motion.idle >= 0)
  const failure = new TransferError('refused', 'busy')
  seat.fail(failure)
  const heard: unknown[] = []
  seat.member = { fail: (error: unknown) => heard.push(error) } as unknown as Member
  seat.fail(failure)
  t.same(heard, [failure])
  seat.hasBegun = true
  t.equal(seat.motion.idle, 0)
})

t.test('a peer that proves its key when the listener has just left is not let in', async (t) => {
  const left = gate()
  const entered = gate()
  const entrance = {
    keys: () => [],
    async accept(socket: Socket) {
      entered.open()
      await left.opened
      return { socket }
    },
  } as unknown as Entrance
  const report = new Report(() => {})
  const signal = new AbortController().signal
  const options = { host: '127.0.0.1', port: 0, name: 'bob', wait: undefined, timeout: 1000, signal, entrance }
  const limits = { maxConnections: 9, maxPerPeer: 9, allowFrom: undefined, room: false, echo: false, once: false }
  const host = await new Host({ ...options, ...limits, onEvent: () => {} }, report).open()
  const peer = await Peer.dial(t, host.address?.port ?? 0)
  await entered.opened
  host.leave()
  setImmediate(left.open)
  await host.finished
  await peer.ended
  t.equal(peer.received.length, 0)
})

t.test(
  'a user without a name is a guest',
  { skip: process.geteuid?.() === 0 ? false : 'only root can be another user' },
  async (t) => {
    process.seteuid?.(54_321)
    const beginning = listening(t, { name: undefined })
    process.seteuid?.(0)
    t.same(await (await beginning).talk.who(), ['guest'])
  },
)

t.test('an onEvent that throws before there is a conversation ends nothing else', async (t) => {
  const onEvent = () => {
    throw new Error('no')
  }
  await t.rejects(chat({ port: 1, name: 'anna', onEvent }), { code: 'connect' })
})

t.test('what is missing among the events is not told after the last one', async (t) => {
  let take = () => {}
  const events: string[] = []
  const bob = await listening(t, {
    room: true,
    onEvent({ event }) {
      events.push(event)
      if (event !== 'line') return undefined
      return new Promise<void>((resolve) => {
        take = resolve
      })
    },
  })
  const [anna, carl] = [await dialling(t, bob.port), await dialling(t, bob.port, { name: 'carl' })]
  for (const line of ['one', 'two']) await anna.talk.say(line)
  await carl.told.said(2)
  bob.talk.leave()
  await bob.talk.finished
  take()
  await new Promise(setImmediate)
  t.equal(events.at(-1), 'done')
})

t.test('tells what a listener is, however its first bytes are cut', async (t) => {
  for (let length = 1; length < CHAT_LINE.length; length++)
    t.equal(judge(Buffer.from(CHAT_LINE.slice(0, length)), true), undefined)
  t.throws(() => judge(Buffer.from(CHAT_LINE), true), /has a key/)
  t.equal(judge(Buffer.from(CHAT_LINE), false), 'plain')
  const { port } = await listenAsPeer(t, (peer) => peer.finish('tcp-chat/1 {"bye":true}\n'))
  await t.rejects(dialling(t, port), { code: 'refused', reason: 'policy' })
})

t.test('says with which named key somebody has joined', async (t) => {
  const named = (name: string) => [{ name, key }]
  const told = new Told()
  const here = await chat({
    listen: true,
    host: '127.0.0.1',
    port: 0,
    name: 'bob',
    key: named('alice'),
    onEvent: told.onEvent,
  })
  const there = await chat({ host: '127.0.0.1', port: here.address?.port ?? 0, name: 'anna', key: named('me') })

  t.match(await told.heard('joined'), [{ name: 'anna', key: 'alice' }])
  await there.leave()
  await here.leave()
  await Promise.all([there.finished, here.finished])
})

t.test('talks by UDP to this machine, unless it is told another one', async (t) => {
  const here = await chat({ udp: true, listen: true, port: 0, name: 'bob' })
  const there = await chat({ udp: true, port: here.address?.port ?? 0, name: 'anna' })
  await there.say('hello')
  for (const talk of [there, here]) await talk.leave()
  t.match(await there.finished, { linesOut: 1 })
  await here.finished
})
