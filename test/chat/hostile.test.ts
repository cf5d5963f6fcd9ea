/** Peers that break the rules, or know none: the others notice nothing but that they come and go. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { chat } from '../../dist/chat.js'
import { key, otherKey } from '../fixtures/keys.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { dialling, endOf, listening, pair, type Side } from '../fixtures/talks.ts'

const greeting = 'tcp-chat/1 {"name":"eve"}\n'

/** A native peer that has greeted. */
async function eve(t: Test, { port, told }: Side): Promise<Peer> {
  const peer = await Peer.dial(t, port)
  const joined = told.of('joined').length
  await peer.write(greeting)
  await told.heard('joined', joined + 1)
  return peer
}

t.test('a breach of the protocol ends only the connection that it comes over, with the reason', async (t) => {
  const bob = await listening(t, { room: true })
  const anna = await dialling(t, bob.port)
  const breaches = ['hello\n', '{"say":5}\n', '[]\n', `${'x'.repeat(40_000)}\n`, '{"bye":"disk"}\n']
  for (const [index, breach] of breaches.entries()) {
    const peer = await eve(t, bob)
    await peer.write(breach)
    await peer.ended
    const reason = breach.startsWith('{"bye"') ? 'disk' : 'protocol'
    t.match(peer.received.toString(), new RegExp(`\\n\\{"bye":"${reason}"\\}\\n$`))
    t.match(await bob.told.heard('left', index + 1).then((left) => left.at(-1)), { name: 'eve', reason })
  }
  for (const wrong of [
    'tcp-chat/1 {}\n',
    'tcp-chat/1 nothing\n',
    'tcp-chat/1 {"bye":true}\n',
    'tcp-chat/1 {"bye":"busy"}\n',
  ]) {
    const peer = await Peer.dial(t, bob.port)
    await peer.write(wrong)
    await peer.ended
    t.match(peer.received.toString(), /^tcp-chat\/1 \{"bye":"\w+"\}\n$/)
  }
  t.equal((await bob.told.heard('refused', 4)).length, 4)
  await anna.talk.say('still here')
  t.same(await bob.told.said(1), ['anna: still here'])
})

t.test('what is for one who listens means nothing from one who has dialled', async (t) => {
  const bob = await listening(t)
  const peer = await eve(t, bob)
  await peer.write('{"joined":"x"}\n{"left":"bob"}\n{"who":["x"]}\n{"typing":true}\n\n{"say":"a\\nb","from":"bob"}\n')
  t.same(await bob.told.said(1), ['eve: a\nb'], 'an author cannot be forged')
  t.equal(bob.told.of('joined').length, 1)
  peer.finish('{"bye":true}\n')
  await bob.told.heard('left')
})

t.test('whatever bytes come, the others go on talking', async (t) => {
  const bob = await listening(t, { room: true })
  const anna = await dialling(t, bob.port)
  const bytes = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
  const start = fc.constantFrom('', greeting, 'tcp-chat/1 ', '\u0016\u0003\u0001', 'GET / HTTP/1.1\r\n')
  await fc.assert(
    fc.asyncProperty(start, bytes, fc.boolean(), async (start, bytes, resets) => {
      const peer = await Peer.dial(t, bob.port)
      await peer.write(start, bytes)
      if (resets) await peer.reset()
      else {
        peer.finish()
        await peer.ended
      }
    }),
    { numRuns: 60 },
  )
  t.ok(await anna.talk.say('still here'))
  await bob.told.until(() => bob.told.lines.at(-1) === 'anna: still here')
  t.same(await bob.talk.who(), ['bob', 'anna'])
})

t.test('text without a break is a line after a pause, also behind what looked like a greeting', async (t) => {
  const bob = await listening(t, { room: true })
  const peer = await Peer.dial(t, bob.port)
  await peer.write('tcp-chat')
  t.same(await bob.told.said(1), ['guest: tcp-chat'])
  peer.finish('the end')
  t.same(await bob.told.said(2), ['guest: tcp-chat', 'guest: the end'])
  t.match(await bob.told.heard('left'), [{ reason: 'left' }])
})

t.test('a listener that breaks the rules ends the talk of who has dialled', async (t) => {
  for (const [says, code] of [
    ['tcp-chat/1 {"name":"anna"}\n{"say":7}\n', 6],
    ['tcp-chat/1 {"name":"anna"}\n{"bye":"timeout"}\n', 6],
    [
      'tcp-chat/1 {"name":"anna"}\n{"joined":"x"}\n{"say":"hello","from":"x"}\n{"left":"x"}\n{"who":["y"]}\n{"who":true}\n{"bye":true}\n',
      0,
    ],
  ] as const) {
    const { port } = await listenAsPeer(t, (peer) => peer.write(says))
    const anna = await dialling(t, port)
    t.equal(await endOf(anna), code, says)
    if (code === 0)
      t.same(
        anna.told.events.map(({ event }) => event),
        ['joined', 'joined', 'line', 'left', 'left', 'done'],
      )
  }
  const { port } = await listenAsPeer(t, (peer) => peer.write('tcp-chat/1 {"name":"anna"}\n'))
  const anna = await dialling(t, port)
  const asked = anna.talk.who()
  anna.talk.leave()
  t.same(await asked, [], 'a listener that never answers')
})

t.test('with a key only those who have it talk, and each says what is missing', async (t) => {
  const { bob, anna } = await pair(t, { key, room: true }, { key: [{ name: 'anna', key }] })
  t.match(bob.told.of('listening'), [{ keys: 1, fingerprint: /^\w{4} / }])
  t.match(anna.told.of('joined'), [{ key: 'anna' }])
  await anna.talk.say('hello')
  await bob.talk.say('hello anna')
  t.same([await bob.told.said(1), await anna.told.said(1)], [['anna: hello'], ['bob: hello anna']])
  await t.rejects(dialling(t, bob.port, { key: otherKey }), { code: 'key' })
  await t.rejects(dialling(t, bob.port), { code: 'key', message: /give it the same one/ })
  const open = await listening(t)
  await t.rejects(dialling(t, open.port, { key }), { code: 'key' })
  t.match(await open.told.heard('refused'), [{ code: 'key' }])
  const plain = await Peer.dial(t, bob.port)
  await plain.write('hello')
  await plain.ended
  t.match(plain.received.toString(), /^This is tcp-chat with a key/)
  anna.talk.leave()
  await t.rejects(chat({ port: 1, name: 'a', key, plain: true }), { code: 'usage' })
  await t.rejects(chat({ port: 1, name: 'a', key, udp: true }), { code: 'usage' })
})

t.test('a listener that leaves while others are at its door ends them, too', async (t) => {
  const bob = await listening(t, { key })
  const waiting = await Peer.dial(t, bob.port)
  const open = await listening(t)
  const silent = await Peer.dial(t, open.port)
  for (const side of [bob, open]) {
    side.talk.leave()
    t.equal(await endOf(side), 0)
  }
  await Promise.all([waiting.ended, silent.ended])
  t.equal(silent.received.toString(), 'tcp-chat/1 {"bye":true}\n')
})

t.test('a plain peer that never stops talking does not keep a room from its end', async (t) => {
  const bob = await listening(t, { room: true })
  const peer = await Peer.dial(t, bob.port)
  await peer.write('hello\n')
  await bob.told.said(1)
  const talking = setInterval(() => void peer.write('tick\n').catch(() => {}), 200)
  t.teardown(() => clearInterval(talking))
  bob.talk.leave()
  t.equal(await endOf(bob), 0)
})

t.test('a listener that does not say who is there keeps nobody waiting for long', async (t) => {
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.write('tcp-chat/1 {"name":"anna","of":"bob"}\n')
    const beating = setInterval(() => void peer.write('\n').catch(() => {}), 100)
    t.teardown(() => clearInterval(beating))
    await peer.ended
    clearInterval(beating)
    peer.finish()
  })
  const anna = await dialling(t, port, { timeout: 1_000 })
  t.same(await anna.talk.who(), [])
  anna.talk.leave()
  t.equal(await endOf(anna), 0)
})
