/** Many in one room, native and plain, over real connections. */
import t from 'tap'
import { MAX_WAITING } from '../../dist/chat/outbox.js'
import { Pacer, ROOM_PACE } from '../../dist/chat/pace.js'
import { Peer } from '../fixtures/peer.ts'
import { dialling, endOf, listening } from '../fixtures/talks.ts'

/** Resolves once the text of a peer matches. */
async function says(peer: Peer, pattern: RegExp): Promise<string> {
  for (;;) {
    const text = peer.received.toString()
    if (pattern.test(text)) return text
    if (peer.isOver) throw new Error(`ended without ${pattern}: ${text}`)
    await peer.bytes(peer.received.length + 1)
  }
}

t.test('each hears all others, and who comes and goes, whatever program it uses', async (t) => {
  const bob = await listening(t, { room: true })
  const anna = await dialling(t, bob.port)
  const carl = await dialling(t, bob.port, { name: 'anna' })
  const plain = await Peer.dial(t, bob.port)
  await plain.write('hello from nc\r\n')
  await bob.told.heard('joined', 3)
  await anna.told.said(1)
  await carl.talk.say('one')
  await bob.told.said(2)
  await bob.talk.say('two\u001b[2J\nanna: forged')
  await says(plain, /forged/)
  t.equal(plain.received.toString(), 'anna-2: one\nbob: two\\u{1b}[2J\nbob: anna: forged\n')
  t.same(await anna.told.said(4), ['guest: hello from nc', 'anna-2: one', 'bob: two\u001b[2J', 'bob: anna: forged'])
  t.same(await carl.told.said(3), ['guest: hello from nc', 'bob: two\u001b[2J', 'bob: anna: forged'])
  t.same(bob.told.lines, ['guest: hello from nc', 'anna-2: one'])
  t.same(
    anna.told.of('joined').map(({ name, room }) => [name, room]),
    [
      ['bob', true],
      ['anna-2', undefined],
      ['guest', undefined],
    ],
  )
  t.same(await carl.talk.who(), ['bob', 'anna', 'anna-2', 'guest'])
  carl.talk.leave()
  await says(plain, /\* anna-2 has left\n/)
  await plain.write('q\n')
  await plain.ended
  await anna.told.heard('left', 2)
  t.same(
    anna.told.of('left').map(({ name }) => name),
    ['anna-2', 'guest'],
  )
  bob.talk.sayNoMore()
  t.ok(await anna.talk.say('a room stays after the end of the input'))
  await bob.told.said(3)
  bob.talk.leave()
  t.same([await endOf(bob), await endOf(anna), await endOf(carl)], [0, 0, 0])
})

t.test('with echo, who says a line hears it, too', async (t) => {
  const bob = await listening(t, { echo: true })
  const plain = await Peer.dial(t, bob.port)
  await plain.write('hello')
  await says(plain, /^hello\n$/)
  t.same(bob.told.lines, ['guest: hello'])
  plain.finish()
  await bob.told.heard('left')
})

t.test('a room of 200, ten of whom have stopped reading: they are dropped, and nobody waits for them', async (t) => {
  const bob = await listening(t, { room: true, name: 'host' })
  const stopped: Peer[] = []
  for (let index = 0; index < 10; index++) {
    const peer = await Peer.dial(t, bob.port)
    peer.socket.pause()
    await peer.write(`tcp-chat/1 {"name":"stone-${index}"}\n`)
    // A sign of life: only what waits for it counts.
    const beat = setInterval(() => void peer.write('\n'), 500)
    t.teardown(() => clearInterval(beat))
    stopped.push(peer)
  }
  const readers: Peer[] = []
  for (let index = 0; index < 189; index++) {
    const peer = await Peer.dial(t, bob.port)
    peer.socket.removeAllListeners('data').resume()
    const beat = setInterval(() => void peer.write('\n'), 5_000)
    t.teardown(() => clearInterval(beat))
    await peer.write(`tcp-chat/1 {"name":"reader-${index}"}\n`)
    readers.push(peer)
  }
  const anna = await dialling(t, bob.port)
  await bob.told.heard('joined', 200)
  // More than the kernel holds for a connection, and then more than may wait.
  const line = '\u0001'.repeat(4096)
  let said = 0
  while (bob.told.of('left').length < 10) {
    await bob.talk.say(line)
    said++
  }
  t.match(
    bob.told.of('left'),
    Array.from({ length: 10 }, () => ({ name: /^stone-/, reason: 'timeout', message: /too slow/ })),
  )
  t.ok(said * 6 * line.length > MAX_WAITING)
  await bob.talk.say('still here')
  await anna.told.until(() => anna.told.lines.at(-1) === 'host: still here')
  t.equal(anna.told.lines.length, said + 1, 'nothing is lost to who reads')
  t.equal(readers.filter(({ isOver }) => isOver).length, 0)
})

t.test('lines of a room wait for nobody who does not take the events, and are counted', async (t) => {
  let take = () => {}
  const missing = new Promise<number>((resolve) => {
    void listening(t, {
      room: true,
      onEvent(event) {
        if (event.event === 'dropped') resolve(event.lines)
        if (event.event !== 'line') return undefined
        return new Promise<void>((done) => {
          take = done
        })
      },
    }).then(async ({ port }) => {
      const anna = await dialling(t, port)
      const carl = await dialling(t, port, { name: 'carl' })
      for (const line of ['one', 'two', 'three']) await anna.talk.say(line)
      await carl.told.said(3)
      take()
    })
  })
  t.equal(await missing, 2)
})

t.test('who has been silent may say 100 lines at once, and then waits', async (t) => {
  const pacer = new Pacer(ROOM_PACE)
  for (let line = 0; line < 100; line++) t.equal(pacer.take(), undefined)
  t.type(pacer.take(), Promise)
})

t.test('more lines than may come at once wait, and none is lost', async (t) => {
  const bob = await listening(t, { room: true })
  const anna = await dialling(t, bob.port)
  const lines = Array.from({ length: 110 }, (_, index) => `${index}`)
  for (const line of lines) await anna.talk.say(line)
  t.same(
    await bob.told.said(110),
    lines.map((line) => `anna: ${line}`),
  )
})

t.test('who has said nothing loses its place to who comes, and who has said something does not', async (t) => {
  const bob = await listening(t, { room: true, maxConnections: 1 })
  const anna = await dialling(t, bob.port)
  await t.rejects(dialling(t, bob.port, { name: 'carl' }), { code: 'refused', reason: 'busy' })
  t.match(await bob.told.heard('refused'), [{ reason: 'busy', message: /--max-connections/ }])
  t.ok(await anna.talk.say('still here'))
  await bob.told.said(1)
})

t.test('only the networks that may connect get in', async (t) => {
  const bob = await listening(t, { allowFrom: ['10.0.0.0/8'] })
  await t.rejects(dialling(t, bob.port))
  t.match(await bob.told.heard('refused'), [{ reason: 'policy' }])
})
