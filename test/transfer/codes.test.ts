/** Transfers with a code in place of a key: in both directions, with wrong codes, and after breaks. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { newCode, parseCode } from '../../dist/codes.js'
import { codeOf, wrong } from '../fixtures/codes.ts'
import { type Ended, type Listening, startReceiver, startSender, tryReceive, trySend } from '../fixtures/ends.ts'
import { key } from '../fixtures/keys.ts'
import { damagedPort } from '../fixtures/proxy.ts'

const content = 'a secret of sixteen bytes or more\n'.repeat(1000)

/** A file to send, and an empty folder to store in. */
function place(t: Test): { file: string; out: string } {
  const root = t.testdir({ 'file.txt': content })
  return { file: join(root, 'file.txt'), out: join(root, 'out') }
}

t.test('sends with the words that the listener has made, whoever dials', async (t) => {
  const { file, out } = place(t)
  for (const isReverse of [false, true]) {
    const to = join(out, String(isReverse))
    const listener = isReverse
      ? await startSender(t, [file], { code: true })
      : await startReceiver(t, { out: to, code: true })
    const code = codeOf(listener)
    const typed = code.toUpperCase().replaceAll('-', ' , ')
    const dialler = isReverse
      ? await tryReceive(t, listener.port, { out: to, code: typed })
      : await trySend(t, listener.port, file, { code: typed })
    t.equal(dialler.error, undefined)
    t.equal((await listener.ended).error, undefined, 'a code is for one transfer')
    t.equal(readFileSync(join(to, 'file.txt'), 'utf8'), content)
    t.notOk(JSON.stringify(dialler.events.all).includes(code), 'the side that dials does not show the code')
    const [near, far] = [dialler, listener].map(({ events }) => events.of('connected')[0]?.fingerprint)
    t.match(near, /^[0-9a-f]{4}( [0-9a-f]{4}){3}$/)
    t.equal(near, far)
  }
})

t.test('makes another code each time', async (t) => {
  const codes = new Set(Array.from({ length: 100 }, () => newCode()))
  t.equal(codes.size, 100)
  for (const code of codes) t.equal(parseCode(code).length, 4)
})

t.test('sends nothing with a wrong code, and takes the right one afterwards', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true })
  const code = codeOf(receiver)
  const { error } = await trySend(t, receiver.port, file, { code: wrong(code) })
  t.match(error, { code: 'key', exitCode: 4, message: /^the other side has another code, so nothing was sent/ })
  const message = 'the other side has another code; 2 guesses are left'
  t.match(await receiver.events.until('refused'), { code: 'key', message })
  t.equal((await trySend(t, receiver.port, file, { code })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
})

t.test('burns the code after three wrong guesses', async (t) => {
  const { file, out } = place(t)
  const sender = await startSender(t, [file], { code: true })
  const code = wrong(codeOf(sender))
  for (let time = 0; time < 3; time++) t.match((await tryReceive(t, sender.port, { out, code })).error, { code: 'key' })
  const message = 'the code is burnt: 3 guesses at it were wrong; start again for a new one'
  t.match((await sender.ended).error, { code: 'key', exitCode: 4, message })
  t.strictSame(
    sender.events.of('failed').map(({ message }) => message.replace(/^.*?: /, '')),
    [2, 1, 0]
      .map((left) => `the other side has another code; ${left === 1 ? '1 guess is' : `${left} guesses are`} left`)
      .concat(message.replace(/^.*?: /, '')),
  )
})

t.test('takes as many peers as it is told, and says of the next that the code has been used', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, count: 2 })
  const code = codeOf(receiver)
  t.equal((await trySend(t, receiver.port, file, { code })).error, undefined)
  const { stream, sending } = sendSlowly(t, receiver, code)
  await receiver.events.until('connected', 2)
  const next = await trySend(t, receiver.port, file, { code })
  t.match(next.error, { code: 'key', exitCode: 4, message: /^the code has been used; / })
  t.match(receiver.events.of('refused'), [{ code: 'key', message: /^the code has been used, / }])
  stream.end()
  t.equal((await sending).error, undefined)
  t.equal((await receiver.ended).error, undefined)
  t.strictSame(readdirSync(out).sort(), ['file.txt', 'slow'])
})

/** A transfer that is under way until its stream ends. */
function sendSlowly(t: Test, { port }: Listening, code: string): { stream: PassThrough; sending: Promise<Ended> } {
  const stream = new PassThrough()
  return { stream, sending: trySend(t, port, [{ stream, name: 'slow' }], { code }) }
}

t.test('lets a transfer end before it ends with a burnt code', async (t) => {
  const { file, out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, count: 2 })
  const code = codeOf(receiver)
  const { stream, sending } = sendSlowly(t, receiver, code)
  await receiver.events.until('connected')
  for (const message of [/another code/, /another code/, /another code/, /^the code is burnt, because others/])
    t.match((await trySend(t, receiver.port, file, { code: wrong(code) })).error, { code: 'key', message })
  t.match((await receiver.events.until('refused', 4)).message, /^the code is burnt, so nobody else can come in$/)
  stream.end()
  t.equal((await sending).error, undefined)
  t.match((await receiver.ended).error, { code: 'key', message: /^the code is burnt: / })
  t.strictSame(readdirSync(out), ['slow'])
})

t.test('expires', async (t) => {
  const { out } = place(t)
  const receiver = await startReceiver(t, { out, code: true, wait: 1 })
  t.match((await receiver.ended).error, {
    code: 'timeout',
    exitCode: 9,
    message: 'no sender came within 0.001 seconds',
  })
})

t.test('goes on after a break with what it has proved', async (t) => {
  const { out } = place(t)
  const large = join(t.testdirName, 'large.bin')
  writeFileSync(large, Buffer.alloc(8_000_000, 'large'))
  for (const isReverse of [false, true]) {
    const to = join(out, String(isReverse))
    const listener = isReverse
      ? await startSender(t, [large], { code: true })
      : await startReceiver(t, { out: to, code: true })
    const code = codeOf(listener)
    const cut = (connection: number) =>
      connection > 0 ? undefined : ({ direction: isReverse ? 'to-sender' : 'to-receiver', after: 4_000_000 } as const)
    const port = await damagedPort(t, listener.port, { cut })
    const dialler = isReverse ? await tryReceive(t, port, { out: to, code }) : await trySend(t, port, large, { code })
    t.equal(dialler.error, undefined)
    t.equal((await listener.ended).error, undefined)
    t.not(dialler.events.of('waiting').length, 0, 'it was broken')
    t.equal(readFileSync(join(to, 'large.bin')).length, 8_000_000)
  }
})

t.test('uses several connections, all with what the first one has proved', async (t) => {
  const { out } = place(t)
  const large = join(t.testdirName, 'large.bin')
  writeFileSync(large, Buffer.alloc(8_000_000, 'large'))
  const receiver = await startReceiver(t, { out, code: true, streams: 4 })
  const { error, events } = await trySend(t, receiver.port, large, { code: codeOf(receiver), streams: 4 })
  t.equal(error, undefined)
  t.equal((await receiver.ended).error, undefined)
  t.match(events.of('ended'), [{ connections: 4 }])
  t.strictSame(receiver.events.of('refused'), [])
})

t.test('says which side lacks what', async (t) => {
  const { file, out } = place(t)
  const code = newCode()
  const noCode = /^the other side has no code, and this side has one; start the other side with --code$/
  const codeThere = /^the other side has a code, and this side has none; start this side with --code$/
  for (const options of [{}, { key }]) {
    const receiver = await startReceiver(t, { out, ...options })
    t.match((await trySend(t, receiver.port, file, { code })).error, { code: 'key', message: noCode })
    t.match(await receiver.events.until('refused'), { code: 'key', message: codeThere })
    await receiver.stop()
    const sender = await startSender(t, [file], options)
    t.match((await tryReceive(t, sender.port, { out, code })).error, { code: 'key', message: noCode })
    t.match(await sender.events.until('failed'), {
      code: 'key',
      message: /the other side has a code, and this side has/,
    })
    await sender.stop()
  }
  const receiver = await startReceiver(t, { out, code: true })
  const noKeyThere = /^the other side has no key, and this side has one/
  t.match((await trySend(t, receiver.port, file, { key })).error, { code: 'key', message: noKeyThere })
  t.match(await receiver.events.until('refused'), { code: 'key', message: /^the other side has a key, and this side/ })
  const said = { code: 'key', message: /it takes only peers with its code \(--code\)/ }
  t.match((await trySend(t, receiver.port, file)).error, said)
  t.match(await receiver.events.until('refused', 2), { code: 'key', message: /^the other side has no code, and this/ })
  t.match((await tryReceive(t, receiver.port, { out, code: codeOf(receiver) })).error, {
    code: 'key',
    message: 'the other side is no sender, and this side is a receiver',
  })
  t.match(await receiver.events.until('refused', 3), {
    code: 'key',
    message: 'the other side is a receiver, as this side is',
  })
  await receiver.stop()
})

t.test('refuses what does not go with a code', async (t) => {
  const { file, out } = place(t)
  const code = newCode()
  const cases = [
    [{ code, key }, /in place of a key/],
    [{ code, plain: true }, /plain does not go with it/],
    [{ code: true }, /a side that connects needs the code/],
    [{ code: 'one two three' }, /^a code has 4 words, and not 3$/],
    [{ code, listen: true }, /makes its own code/],
    [{ code: true, listen: true, count: Number.POSITIVE_INFINITY }, /so it has to end/],
  ] as const
  for (const [options, message] of cases)
    t.match((await trySend(t, 1, file, options)).error, { code: 'usage', message }, String(message))
  t.match((await tryReceive(t, 1, { out, code, perKeyFolder: true })).error, { code: 'usage', message: /with names/ })
  t.match((await tryReceive(t, 1, { out, code, connect: false })).error, { code: 'usage', message: /makes its own/ })
})
