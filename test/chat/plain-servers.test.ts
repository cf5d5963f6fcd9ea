/** A side that has dialled a program that is no tcp-chat, and conversations over UDP. */
import t from 'tap'
import { listenAsPeer } from '../fixtures/peer.ts'
import { dialling, endOf, listening } from '../fixtures/talks.ts'

t.test('to a plain server, lines are text, and Q says goodbye', async (t) => {
  let heard = ''
  const { port } = await listenAsPeer(t, (peer) => {
    peer.write('Who is there? ')
    peer.socket.on('data', (bytes) => {
      heard += bytes
      if (/^Q$/m.test(heard)) peer.finish('bye\n')
    })
  })
  const anna = await dialling(t, port, { plain: true })
  const from = `127.0.0.1:${port}`
  t.same(await anna.told.said(1), [`${from}: Who is there? `])
  t.match(anna.told.of('joined'), [{ name: from, plain: true, you: undefined }])
  t.same(await anna.talk.who(), [from, 'anna'])
  await anna.talk.say('a\u0007b')
  anna.talk.leave()
  anna.talk.leave()
  t.equal(await endOf(anna), 0)
  t.equal(heard, 'a\\u{7}b\nQ\n')
  t.same(anna.told.lines, [`${from}: Who is there? `, `${from}: bye`])
})

t.test('Q of a plain server ends it, and so does the end of its stream', async (t) => {
  for (const last of ['Q\n', 'q', 'the end']) {
    const { port } = await listenAsPeer(t, (peer) => peer.finish(`hello\n${last}`))
    const anna = await dialling(t, port, { plain: true })
    t.equal(await endOf(anna), 0)
    t.equal(anna.told.lines.length, last === 'the end' ? 2 : 1)
  }
})

t.test('after the end of the input, a plain server may go on until it ends, or is silent for too long', async (t) => {
  const { port } = await listenAsPeer(t, (peer) => {
    peer.socket.once('end', async () => {
      await peer.write('one\n')
      peer.finish('two\n')
    })
  })
  const anna = await dialling(t, port, { plain: true })
  anna.talk.sayNoMore()
  t.equal(await endOf(anna), 0)
  t.equal(anna.told.lines.length, 2)
  const silent = await listenAsPeer(t, () => {})
  const carl = await dialling(t, silent.port, { plain: true, timeout: 100 })
  carl.talk.sayNoMore()
  t.equal(await endOf(carl), 0)
})

t.test('over UDP, either side hears the other one', async (t) => {
  const bob = await listening(t, { udp: true, wait: 10_000 })
  t.equal(await bob.talk.say('anybody?'), false)
  const anna = await dialling(t, bob.port, { udp: true })
  t.equal(anna.talk.address, null)
  t.ok(await anna.talk.say('hello'))
  t.same(await bob.told.said(1), ['peer-1: hello'])
  t.same(await bob.talk.who(), ['peer-1'])
  t.ok(await bob.talk.say('hello peer'))
  await anna.told.said(1)
  t.ok(await anna.talk.say('x'.repeat(2000)))
  t.match(await anna.told.heard('notice'), [{ message: /at most 1,200 bytes/ }])
  bob.talk.sayNoMore()
  anna.talk.leave('Q')
  t.equal(await endOf(anna), 0)
  t.same(await bob.told.said(2), ['peer-1: hello', 'peer-1: Q'])
  bob.talk.leave()
  t.equal(await endOf(bob), 0)
  t.match(bob.told.events.at(-1), { event: 'done', linesIn: 2, linesOut: 1 })
})

t.test('over UDP, it ends for the same reasons', async (t) => {
  t.equal(await endOf(await listening(t, { udp: true, wait: 20 })), 9)
  t.equal(await endOf(await listening(t, { udp: true, signal: AbortSignal.abort() })), 130)
  const bob = await listening(t, {
    udp: true,
    onEvent: ({ event }) => {
      if (event === 'line') throw new Error('no room')
    },
  })
  const anna = await dialling(t, bob.port, { udp: true })
  await anna.talk.say('hello')
  t.equal(await endOf(bob), 1)
  anna.talk.sayNoMore()
  await endOf(anna)
})
