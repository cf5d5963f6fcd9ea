/** Talks with a code: who comes in, what becomes of wrong guesses, and what does not go with one. */
import t from 'tap'
import { chat } from '../../dist/chat.js'
import { newCode } from '../../dist/codes.js'
import { wrong } from '../fixtures/codes.ts'
import { Peer } from '../fixtures/peer.ts'
import { dialling, endOf, listening } from '../fixtures/talks.ts'

t.test('one partner comes in with the words that the other side has told', async (t) => {
  const bob = await listening(t, { code: true })
  const code = String(bob.told.of('listening')[0]?.words)
  await t.rejects(chat({ host: '127.0.0.1', port: bob.port, code: wrong(code) }), {
    code: 'key',
    message: /^the other side has another code/,
  })
  const anna = await dialling(t, bob.port, { code })
  await anna.talk.say('hello')
  t.same(await bob.told.said(1), ['anna: hello'])
  await t.rejects(chat({ host: '127.0.0.1', port: bob.port, code }), {
    code: 'key',
    message: /^the code has been used/,
  })
  anna.talk.leave()
  t.same([await endOf(anna), await endOf(bob)], [0, 0], 'a code is for one talk')
})

t.test('three wrong guesses end it, unless there is somebody', async (t) => {
  const bob = await listening(t, { code: true })
  const code = String(bob.told.of('listening')[0]?.words)
  for (let time = 0; time < 3; time++)
    await t.rejects(chat({ host: '127.0.0.1', port: bob.port, code: wrong(code) }), { code: 'key' })
  t.equal(await endOf(bob), 4)
  t.match(bob.told.of('failed'), [{ code: 'key', message: /^the code is burnt/ }])
})

t.test('says that the other side has a code, or none', async (t) => {
  const bob = await listening(t)
  await t.rejects(chat({ host: '127.0.0.1', port: bob.port, code: newCode() }), {
    code: 'key',
    message: /^the other side has no code, and this side has one/,
  })
  t.match(await bob.told.heard('refused'), [{ code: 'key', message: /^the other side has a code, and this side/ }])
  const carl = await listening(t, { code: true })
  const plain = await Peer.dial(t, carl.port)
  await plain.write('hello\n')
  await plain.ended
  t.match(plain.received.toString(), /^This is tcp-chat with a key/)
  t.match(await carl.told.heard('refused'), [{ code: 'key', message: /^the other side has no code/ }])
})

t.test('refuses a code for a room, and over UDP', async (t) => {
  const common = { port: 0, listen: true, code: true }
  await t.rejects(chat({ ...common, room: true }), { code: 'usage', message: /for one partner/ })
  await t.rejects(chat({ ...common, udp: true }), { code: 'usage', message: /UDP does not go with it/ })
})
